"""The contracts, kept by the packaged model."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from pegboard import Pegboard
from pegboard.testing.chat import ChatModelContract, StreamingChatContract

SETTINGS = {"provider": "local", "context_length": 1024, "temperature": 0}


@pytest.fixture(scope="module", autouse=True)
def _loaded() -> Iterator[None]:
    """Have another board use the model, so that not each test loads it anew."""
    board = Pegboard.isolated({"llm": {"default": SETTINGS}})
    asyncio.run(board.llm().complete("Hello", max_tokens=1))
    yield
    asyncio.run(board.aclose())


class TestLocal(ChatModelContract, StreamingChatContract):
    against = "model"
    instance = SETTINGS
    enough_tokens = 80

    @pytest.fixture
    def settings(self) -> dict[str, Any]:
        """Return the settings of the packaged model."""
        return SETTINGS
