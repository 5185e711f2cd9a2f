"""The contracts, kept with two servers of others that speak the Messages API."""

from __future__ import annotations

from typing import Any

import pytest
from pegboard.testing.abilities import ModelCatalogContract, TokenCounterContract
from pegboard.testing.chat import ChatModelContract, StreamingChatContract

no_tools = pytest.mark.xfail(reason="the model was not taught tools", run=False)
no_images = pytest.mark.xfail(reason="the model cannot see", run=False)
no_files = pytest.mark.xfail(reason="the server overlooks documents", run=False)
no_reasoning = pytest.mark.xfail(reason="the model does not reason", run=False)
no_format = pytest.mark.xfail(
    reason="the server ignores output_config.format", run=False
)

no_limits = pytest.mark.xfail(
    reason="aimock says what its fixture says, whatever the parameters", run=False
)


class TestLlamaCpp(
    ChatModelContract,
    ModelCatalogContract,
    StreamingChatContract,
    TokenCounterContract,
):
    """A real server with a real model, which is not Anthropic's."""

    against = "model"
    instance = {"provider": "anthropic", "model": "smollm2"}
    enough_tokens = 40

    @pytest.fixture
    def settings(self, llama_server: Any) -> dict[str, Any]:
        """Return the settings of a model at the server."""
        return {
            **self.instance,
            "base_url": llama_server.url,
            "api_key": llama_server.key,
        }

    @no_tools
    async def test_tools_are_called_or_refused(self) -> None:
        """See the reason."""

    @no_tools
    async def test_a_call_can_be_answered(self) -> None:
        """See the reason."""

    @no_tools
    async def test_a_run_uses_tools_or_refuses_them(self) -> None:
        """See the reason."""

    @no_tools
    async def test_a_stream_calls_or_refuses_tools(self) -> None:
        """See the reason."""

    @no_files
    async def test_files_are_taken_or_refused(self) -> None:
        """See the reason."""

    @no_reasoning
    async def test_reasoning_effort_is_kept_or_refused(self) -> None:
        """See the reason."""

    @no_images
    async def test_images_are_taken_or_refused(self) -> None:
        """See the reason."""

    @no_images
    async def test_tool_media_is_taken_or_refused(self) -> None:
        """See the reason."""

    @no_format
    async def test_json_schema_is_kept_or_refused(self) -> None:
        """See the reason."""

    @no_format
    async def test_a_stream_keeps_or_refuses_json_schema(self) -> None:
        """See the reason."""


class TestAimock(ChatModelContract, StreamingChatContract):
    """A mock server, for what the small model cannot do."""

    against = "mock"
    instance = {"provider": "anthropic", "model": "claude-opus-5-5"}

    @pytest.fixture
    def settings(self, aimock: str) -> dict[str, Any]:
        """Return the settings of a model at the server."""
        return {
            **self.instance,
            "base_url": aimock,
            "api_key": "k",
        }

    @no_limits
    async def test_max_tokens_is_a_bound(self) -> None:
        """See the reason."""

    @no_limits
    async def test_a_stream_keeps_max_tokens(self) -> None:
        """See the reason."""

    @no_limits
    async def test_stop_is_kept_or_refused(self) -> None:
        """See the reason."""

    @no_limits
    async def test_a_stream_keeps_or_refuses_stop(self) -> None:
        """See the reason."""
