"""Whatever the service does, the model fails as it should."""

from __future__ import annotations

from typing import Any

import pytest
from pegboard.testing import ollama_wire as wire
from pegboard.testing.fault_server import FaultServer, Scripted
from pegboard.testing.faults import FaultyServiceContract


class TestFaults(FaultyServiceContract):
    """Every fault, through the SDK."""

    against = "documentation"
    instance = {"provider": "ollama", "model": "stub-1"}
    whole = Scripted.json(wire.chat(wire.message("Hello.")))
    stream = Scripted.lines(*wire.chat_stream("Hel", "lo."))

    def refusal(self, status: int) -> Scripted:
        """Return how the API puts an error."""
        return Scripted.json(wire.error(), status=status)

    @pytest.fixture
    def settings(self, server: FaultServer) -> dict[str, Any]:
        """Return the settings of a model at the server."""
        return {
            **self.instance,
            "host": server.url,
        }
