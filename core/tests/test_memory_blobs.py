from __future__ import annotations

import pytest
from pegboard import sync
from pegboard.testing.blobs import BlobsContract, VersionedBlobsContract


class TestMemoryBlobs(BlobsContract, VersionedBlobsContract):
    @pytest.fixture
    def settings(self):
        """Return the settings of a store in memory."""
        return {"provider": "memory", "keep_versions": 3}


def test_programs_without_async_use_them_too(tmp_path):
    """Content goes in and out without an event loop of the program's."""
    (tmp_path / "file").write_bytes(b"content")
    with sync.Pegboard.isolated({"storage": {"x": {"provider": "memory"}}}) as board:
        blobs = board.storage("x", sync.Blobs)
        blobs.put("a/b", tmp_path / "file")

        assert blobs.get("a/b", start=3) == b"tent"
        assert b"".join(blobs.stream("a/b")) == b"content"
        assert blobs.list("a/").keys == ("a/b",)
        assert blobs.copy("a/b", "c").size == 7
        blobs.delete("c")
        assert blobs.stat("c") is None
        assert len(board.storage("x", sync.VersionedBlobs).versions("a/b")) == 1
