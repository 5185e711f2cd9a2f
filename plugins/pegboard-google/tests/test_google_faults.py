"""Whatever the service does, the model fails as it should."""

from __future__ import annotations

from typing import Any

import pytest
from pegboard.testing import gemini_wire as wire
from pegboard.testing.fault_server import FaultServer, Scripted
from pegboard.testing.faults import FaultyServiceContract


class TestFaults(FaultyServiceContract):
    """Every fault, through the SDK."""

    against = "documentation"
    instance = {"provider": "gemini", "model": "gemini-3-flash"}
    whole = Scripted.json(wire.response(wire.text("Hello.")))
    stream = Scripted.events(*wire.content_stream("Hel", "lo."))

    def refusal(self, status: int) -> Scripted:
        """Return how the API puts an error."""
        return Scripted.json({"error": {"code": status}}, status=status)

    @pytest.fixture
    def settings(self, server: FaultServer) -> dict[str, Any]:
        """Return the settings of a model at the server."""
        return {
            **self.instance,
            "base_url": server.url,
            "api_key": "k-1",
        }
