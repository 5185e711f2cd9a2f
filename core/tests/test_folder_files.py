from __future__ import annotations

import pytest
from pegboard.testing.files import PersistentFilesContract


class TestFolderFiles(PersistentFilesContract):
    @pytest.fixture
    def settings(self, tmp_path):
        """Return the settings of a new folder."""
        return {
            "provider": "files",
            "path": tmp_path / "store",
            "durability": "process",
        }
