from __future__ import annotations

import pytest
from pegboard.testing.blobs import PersistentBlobsContract, VersionedBlobsContract


class TestFiles(PersistentBlobsContract, VersionedBlobsContract):
    @pytest.fixture
    def settings(self, tmp_path):
        """Return the settings of a store in a new folder."""
        return {
            "provider": "files",
            "path": tmp_path / "store",
            "keep_versions": 3,
            "durability": "process",
        }

    @pytest.fixture
    def damage(self, tmp_path):
        """Return a function that changes a byte of a stored file."""

        async def damage(key):
            path = tmp_path / "store" / ".pegboard" / "blobs" / f"{key}="
            content = bytearray(path.read_bytes())
            content[0] ^= 1
            path.write_bytes(content)

        return damage
