"""The contracts, kept by the real Claude Code in front of a server of the API."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pegboard.testing.chat import ChatModelContract, StreamingChatContract

FIXTURES = Path(__file__).parent / "fixtures"


@pytest.fixture(scope="module")
def address(run_aimock: Callable[[Path], str]) -> str:
    """Return where the API is."""
    return run_aimock(FIXTURES)


class TestClaudeCode(ChatModelContract, StreamingChatContract):
    against = "mock"
    instance = {"provider": "claude-code", "model": "claude-opus-4-6"}

    @pytest.fixture
    def settings(self, address: str) -> dict[str, Any]:
        """Return the settings of a model that asks aimock."""
        return {
            **self.instance,
            "base_url": address,
            "api_key": "sk-ant-of-aimock",
            "thinking": "disabled",
        }
