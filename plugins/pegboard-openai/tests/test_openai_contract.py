"""
The contracts of chat, kept through each API.

By a real server with a real model, and for Azure by a mock that others wrote.
"""

from __future__ import annotations

from typing import Any

import pytest
from pegboard.testing.chat import ChatModelContract, StreamingChatContract

no_tools = pytest.mark.xfail(reason="the model was not taught tools", run=False)
no_images = pytest.mark.xfail(reason="the model cannot see", run=False)
ignored = pytest.mark.xfail(reason="the server ignores text.format", run=False)
no_length = pytest.mark.xfail(
    reason="the server calls a reply that was cut off completed", run=False
)


class WithSmallModel(ChatModelContract, StreamingChatContract):
    """What the model behind the server cannot do, whatever the API."""

    against = "model"
    instance = {"provider": "llama-cpp", "model": "smollm2", "api": "chat"}
    enough_tokens = 40

    @pytest.fixture
    def settings(self, llama_server: Any) -> dict[str, Any]:
        """Return the settings of a model at the server."""
        return {
            **self.instance,
            "base_url": f"{llama_server.url}/v1",
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

    @no_images
    async def test_images_are_taken_or_refused(self) -> None:
        """See the reason."""


class TestChat(WithSmallModel):
    """The Chat Completions API."""


class TestResponses(WithSmallModel):
    """The Responses API."""

    instance = {"provider": "llama-cpp", "model": "smollm2", "api": "responses"}

    @ignored
    async def test_json_schema_is_kept_or_refused(self) -> None:
        """See the reason."""

    @ignored
    async def test_a_stream_keeps_or_refuses_json_schema(self) -> None:
        """See the reason."""

    @no_length
    async def test_max_tokens_is_a_bound(self) -> None:
        """See the reason."""

    @no_length
    async def test_a_stream_keeps_max_tokens(self) -> None:
        """See the reason."""


unheard = pytest.mark.xfail(reason="the mock overlooks text.format", run=False)
uncut = pytest.mark.xfail(
    reason="the mock calls a response that was cut off completed", run=False
)
no_stop = pytest.mark.xfail(reason="the mock does not stop at words", run=False)


class OnOpenAI(ChatModelContract, StreamingChatContract):
    """OpenAI, as a mock server speaks it: what the small model cannot do."""

    against = "mock"
    instance = {"provider": "openai", "model": "gpt-5-nano"}

    @pytest.fixture
    def settings(self, mock_url: str) -> dict[str, Any]:
        """Return the settings of a model."""
        return {**self.instance, "base_url": f"{mock_url}/v1", "api_key": "k-1"}


class TestOpenAIResponses(OnOpenAI):
    """Responses, by a model that reasons."""

    @unheard
    async def test_json_schema_is_kept_or_refused(self) -> None:
        """See the reason."""

    @unheard
    async def test_a_stream_keeps_or_refuses_json_schema(self) -> None:
        """See the reason."""

    @uncut
    async def test_max_tokens_is_a_bound(self) -> None:
        """See the reason."""

    @uncut
    async def test_a_stream_keeps_max_tokens(self) -> None:
        """See the reason."""


class TestOpenAIChat(OnOpenAI):
    """Chat completions, by a model that takes all parameters."""

    instance = {"provider": "openai", "model": "gpt-4.1-nano", "api": "chat"}

    @no_stop
    async def test_stop_is_kept_or_refused(self) -> None:
        """See the reason."""

    @no_stop
    async def test_a_stream_keeps_or_refuses_stop(self) -> None:
        """See the reason."""


class OnAzure(ChatModelContract, StreamingChatContract):
    """Azure OpenAI, as a mock server speaks it."""

    against = "mock"
    instance = {"provider": "azure", "model": "gpt-5-nano"}

    @pytest.fixture
    def settings(self, mock_url: str) -> dict[str, Any]:
        """Return the settings of a deployment."""
        return {
            **self.instance,
            "endpoint": mock_url,
            "api_key": "k-1",
        }


class TestAzureResponses(OnAzure):
    """The API v1, with responses."""

    @unheard
    async def test_json_schema_is_kept_or_refused(self) -> None:
        """See the reason."""

    @unheard
    async def test_a_stream_keeps_or_refuses_json_schema(self) -> None:
        """See the reason."""

    @uncut
    async def test_max_tokens_is_a_bound(self) -> None:
        """See the reason."""

    @uncut
    async def test_a_stream_keeps_max_tokens(self) -> None:
        """See the reason."""


class TestAzureChat(OnAzure):
    """The API v1, with chat completions."""

    instance = {"provider": "azure", "model": "gpt-4.1-nano", "api": "chat"}

    @no_stop
    async def test_stop_is_kept_or_refused(self) -> None:
        """See the reason."""

    @no_stop
    async def test_a_stream_keeps_or_refuses_stop(self) -> None:
        """See the reason."""


class TestAzureDeployment(OnAzure):
    """The API of deployments, with chat completions."""

    instance = {
        "provider": "azure",
        "model": "gpt-4.1-nano",
        "api": "chat",
        "api_version": "2025-04-01-preview",
    }

    @no_stop
    async def test_stop_is_kept_or_refused(self) -> None:
        """See the reason."""

    @no_stop
    async def test_a_stream_keeps_or_refuses_stop(self) -> None:
        """See the reason."""
