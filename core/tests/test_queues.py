"""The queues that come with the core keep the contract."""

from __future__ import annotations

import pytest
from pegboard.testing.queue import (
    DeadLetterQueueContract,
    GroupedQueueContract,
    SharedQueueContract,
)


class TestMemory(DeadLetterQueueContract, GroupedQueueContract):
    @pytest.fixture
    def settings(self):
        """Return the settings of a queue in memory."""
        return {"provider": "memory"}


class TestSqlite(DeadLetterQueueContract, GroupedQueueContract, SharedQueueContract):
    @pytest.fixture
    def settings(self, tmp_path):
        """Return the settings of a queue in a file."""
        return {"provider": "sqlite", "path": str(tmp_path / "kit.sqlite")}
