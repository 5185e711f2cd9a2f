"""Whatever the service does, the model fails as it should."""

from __future__ import annotations

from typing import Any

import pytest
from pegboard.testing import anthropic_wire as wire
from pegboard.testing.fault_server import FaultServer, Scripted
from pegboard.testing.faults import FaultyServiceContract


class TestFaults(FaultyServiceContract):
    """Every fault, through the SDK."""

    against = "documentation"
    instance = {"provider": "anthropic", "model": "claude-opus-5-5"}
    whole = Scripted.json(wire.message(wire.text("Hello.")))
    stream = Scripted.events(*wire.message_stream("Hel", "lo."))

    def refusal(self, status: int) -> Scripted:
        """Return how the API puts an error."""
        return Scripted.json(wire.error("invalid_request_error"), status=status)

    @pytest.fixture
    def settings(self, server: FaultServer) -> dict[str, Any]:
        """Return the settings of a model at the server."""
        return {
            **self.instance,
            "base_url": server.url,
            "api_key": "k-1",
        }
