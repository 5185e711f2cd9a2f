from __future__ import annotations

import pytest
from pegboard.testing.blobs import BlobsContract, VersionedBlobsContract


class TestMemoryBlobs(BlobsContract, VersionedBlobsContract):
    @pytest.fixture
    def settings(self):
        """Return the settings of a store in memory."""
        return {"provider": "memory", "keep_versions": 3}
