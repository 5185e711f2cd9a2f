from __future__ import annotations

import pytest
from pegboard.testing.tracing import TracingContract


class TestPhoenix(TracingContract):
    @pytest.fixture
    def settings(self, collector):
        """Return settings that lead to a collector."""
        return {"provider": "phoenix", "endpoint": collector.url}

    @pytest.fixture
    def off_settings(self):
        """Return settings that lead nowhere."""
        return {"provider": "phoenix"}

    @pytest.fixture
    def sent(self, collector):
        """Return what reads the spans that arrived."""
        return collector.spans
