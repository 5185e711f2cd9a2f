"""
The contracts, kept through a mock of the API that nobody here wrote.

It answers by script and looks at neither limits nor schemas nor pictures: what is sent
of them is proven by the tests of requests.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pegboard.testing.chat import ChatModelContract, StreamingChatContract

no_stop = pytest.mark.xfail(reason="the mock does not stop at words", run=False)


@pytest.fixture(scope="module")
def mock(run_aimock: Callable[[Path], str]) -> str:
    """Run the mock and return its address."""
    return run_aimock(Path(__file__).parent / "fixtures")


class TestGemini(ChatModelContract, StreamingChatContract):
    """The Gemini API."""

    @pytest.fixture
    def settings(self, mock: str) -> dict[str, Any]:
        """Return the settings of a model at the mock."""
        return {
            "provider": "gemini",
            "model": "gemini-3-flash",
            "api_key": "k",
            "base_url": mock,
            "api_version": "v1beta",
        }

    @no_stop
    async def test_stop_is_kept_or_refused(self) -> None:
        """See the reason."""

    @no_stop
    async def test_a_stream_keeps_or_refuses_stop(self) -> None:
        """See the reason."""
