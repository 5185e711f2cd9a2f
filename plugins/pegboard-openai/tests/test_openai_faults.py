"""Whatever the service does, each API fails as it should."""

from __future__ import annotations

from typing import Any

import pytest
from pegboard.testing import openai_wire as wire
from pegboard.testing.fault_server import FaultServer, Scripted
from pegboard.testing.faults import FaultyServiceContract


class Faulty(FaultyServiceContract):
    """What both APIs have in common."""

    __test__ = False
    against = "documentation"

    def refusal(self, status: int) -> Scripted:
        """Return how the API puts an error."""
        return Scripted.json(wire.error(), status=status)

    @pytest.fixture
    def settings(self, server: FaultServer) -> dict[str, Any]:
        """Return the settings of a model at the server."""
        return {
            **self.instance,
            "base_url": f"{server.url}/v1",
            "api_key": "k-1",
        }


class TestChat(Faulty):
    """The Chat Completions API."""

    __test__ = True
    instance = {"provider": "openai", "model": "m", "api": "chat"}
    whole = Scripted.json(wire.chat_completion())
    stream = Scripted.events(*wire.chat_stream("Hel", "lo", "."))


class TestResponses(Faulty):
    """The Responses API."""

    __test__ = True
    instance = {"provider": "openai", "model": "m", "api": "responses"}
    whole = Scripted.json(wire.response())
    stream = Scripted.events(*wire.response_stream("Hel", "lo", "."))
