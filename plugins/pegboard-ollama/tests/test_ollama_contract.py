"""The contracts, kept with two servers of others that speak Ollama's API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from pegboard.testing.abilities import (
    EmbedderContract,
    ModelCatalogContract,
    ModelPullerContract,
)
from pegboard.testing.chat import ChatModelContract, StreamingChatContract

if TYPE_CHECKING:
    from pathlib import Path

    from pegboard.testing.fault_server import FaultServer

no_images = pytest.mark.xfail(reason="the model cannot see", run=False)
no_reasoning = pytest.mark.xfail(reason="the model does not reason", run=False)
no_tools = pytest.mark.xfail(reason="the model was not taught tools", run=False)
no_counts = pytest.mark.xfail(reason="aimock counts no tokens for Ollama", run=False)
no_limits = pytest.mark.xfail(
    reason="aimock says what its fixture says, whatever the options", run=False
)
no_refusal = pytest.mark.xfail(
    reason="the proxy pulls nothing and says of everything that it has", run=False
)
no_length = pytest.mark.xfail(
    reason="the proxy says that every reply came to its end", run=False
)


class TestAimock(ChatModelContract, StreamingChatContract):
    """A mock server that others wrote."""

    against = "mock"
    instance = {"provider": "ollama", "model": "any"}
    tool_choice = "auto"

    @pytest.fixture
    def settings(self, aimock: str) -> dict[str, Any]:
        """Return the settings of a model at the server."""
        return {**self.instance, "host": aimock}

    @no_counts
    async def test_usage_is_sound(self) -> None:
        """See the reason."""

    @no_counts
    async def test_a_stream_makes_a_reply(self) -> None:
        """See the reason."""

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


class WithProxy:
    """A real model, behind a proxy that others wrote."""

    against = "model"
    instance = {"provider": "ollama", "model": "small/smollm2"}

    @pytest.fixture(autouse=True)
    def folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Keep what pulls write out of the project."""
        monkeypatch.chdir(tmp_path)

    @pytest.fixture
    def settings(self, ollama_proxy: str) -> dict[str, Any]:
        """Return the settings of a model at the proxy."""
        return {**self.instance, "host": ollama_proxy}


class TestSmallModel(WithProxy, ChatModelContract, StreamingChatContract):
    """Replies of the model, whole and in pieces."""

    enough_tokens = 40
    tool_choice = "auto"

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

    @no_length
    async def test_max_tokens_is_a_bound(self) -> None:
        """See the reason."""

    @no_length
    async def test_a_stream_keeps_max_tokens(self) -> None:
        """See the reason."""

    @no_reasoning
    async def test_reasoning_effort_is_kept_or_refused(self) -> None:
        """See the reason."""

    @no_images
    async def test_images_are_taken_or_refused(self) -> None:
        """See the reason."""


class TestEmbeddings(WithProxy, EmbedderContract):
    """Embeddings of the model."""


class TestModelList(WithProxy, ModelCatalogContract):
    """What the proxy lists."""


class TestPullAtProxy(WithProxy, ModelPullerContract):
    """What the proxy answers to a pull: it only says so."""

    against = "mock"
    pulled = "small/smollm2"

    @no_refusal
    async def test_a_missing_model_is_not_found(self) -> None:
        """See the reason."""


class TestPull(ModelPullerContract):
    """Pulls as a server tells of them that really fetches."""

    against = "documentation"
    instance = {"provider": "ollama", "model": "any"}
    pulled = "qwen3"

    @pytest.fixture
    def settings(
        self, pulling: FaultServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> dict[str, Any]:
        """Return the settings of a model at a library."""
        monkeypatch.chdir(tmp_path)
        return {**self.instance, "host": pulling.url}
