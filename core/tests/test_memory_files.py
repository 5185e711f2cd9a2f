from __future__ import annotations

import pytest
from pegboard import sync
from pegboard.testing.files import FilesContract


class TestMemoryFiles(FilesContract):
    @pytest.fixture
    def settings(self):
        """Return the settings of a store in memory."""
        return {"provider": "memory"}


def test_programs_without_async_use_them_too(tmp_path):
    """Content goes in and out without an event loop of the program's."""
    (tmp_path / "file").write_bytes(b"content")
    with sync.Pegboard.isolated({"storage": {"x": {"provider": "memory"}}}) as board:
        files = board.storage("x", sync.Files)
        files.write("a/b", tmp_path / "file")

        assert files.read("a/b", start=3) == b"tent"
        assert b"".join(files.stream("a/b")) == b"content"
        assert files.list("a").paths == ("a/b",)
        assert files.copy("a/b", "c").size == 7
        files.move("c", "d/e")
        files.mkdir("f")
        assert files.exists("d/e")
        files.remove("f")
        files.remove_all("d")
        assert files.stat("d") is None
