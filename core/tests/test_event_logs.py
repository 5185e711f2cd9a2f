"""The logs of events that come with the core keep the contract."""

from __future__ import annotations

import pytest
from pegboard.testing.event_log import EventLogContract, PersistentEventLogContract


class TestMemory(EventLogContract):
    @pytest.fixture
    def settings(self):
        """Return the settings of a log in memory."""
        return {"provider": "memory"}


class TestSqlite(PersistentEventLogContract):
    @pytest.fixture
    def settings(self, tmp_path):
        """Return the settings of a log in a file."""
        return {"provider": "sqlite", "path": str(tmp_path / "kit.sqlite")}
