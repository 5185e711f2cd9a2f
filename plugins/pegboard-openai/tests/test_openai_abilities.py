"""
The contracts besides chat, kept against servers that others wrote.

Vectors and the list of models come from a real model too, the rest from a mock.
"""

from __future__ import annotations

from typing import Any

import pytest
from pegboard.testing.abilities import (
    BatchChatContract,
    EmbedderContract,
    ImageGeneratorContract,
    ModelCatalogContract,
    SpeechModelContract,
    TranscriptionModelContract,
)

one_only = pytest.mark.xfail(reason="the mock paints one, whatever n is", run=False)
not_counted = pytest.mark.xfail(reason="the mock counts no tokens here", run=False)


class AtOpenAI:
    """Settings of OpenAI at the mock server."""

    against = "mock"
    instance = {"provider": "openai", "model": "gpt-5-nano"}

    @pytest.fixture
    def settings(self, mock_url: str) -> dict[str, Any]:
        """Return the settings of a model."""
        return {
            **self.instance,
            "base_url": f"{mock_url}/v1",
            "api_key": "k-1",
        }

    @pytest.fixture
    def audio(self) -> bytes:
        """Return what is meant to be sound."""
        return b"RIFF\x24\0\0\0WAVEfmt "


class AtAzure(AtOpenAI):
    """Settings of Azure OpenAI at the mock server."""

    instance = {"provider": "azure", "model": "gpt-5-nano"}

    @pytest.fixture
    def settings(self, mock_url: str) -> dict[str, Any]:
        """Return the settings of a deployment."""
        return {
            **self.instance,
            "endpoint": mock_url,
            "api_key": "k-1",
        }


class AtDeployment(AtAzure):
    """Settings of the older API of Azure OpenAI at the mock server."""

    @pytest.fixture
    def settings(self, mock_url: str) -> dict[str, Any]:
        """Return the settings of a deployment."""
        return {
            **self.instance,
            "endpoint": mock_url,
            "api_version": "2025-04-01-preview",
            "api_key": "k-1",
        }


class AtLlama:
    """Settings of a real server with a real model."""

    against = "model"
    instance = {"provider": "llama-cpp", "model": "smollm2"}

    @pytest.fixture
    def settings(self, llama_server: Any) -> dict[str, Any]:
        """Return the settings of the model."""
        return {
            **self.instance,
            "base_url": f"{llama_server.url}/v1",
            "api_key": llama_server.key,
        }


class TestEmbeddings(AtOpenAI, EmbedderContract):
    """Vectors that the mock makes of each text."""

    instance = {"provider": "openai", "model": "text-embedding-3-small"}

    @not_counted
    async def test_usage_is_counted(self) -> None:
        """See the reason."""


class TestAzureEmbeddings(AtAzure, EmbedderContract):
    """The same, through the API v1."""

    instance = {"provider": "azure", "model": "text-embedding-3-small"}

    @not_counted
    async def test_usage_is_counted(self) -> None:
        """See the reason."""


class TestDeploymentEmbeddings(AtDeployment, EmbedderContract):
    """The same, through the API of deployments."""

    instance = {"provider": "azure", "model": "text-embedding-3-small"}

    @not_counted
    async def test_usage_is_counted(self) -> None:
        """See the reason."""


class TestLlamaEmbeddings(AtLlama, EmbedderContract):
    """Vectors of a real model."""


class TestLlamaCatalog(AtLlama, ModelCatalogContract):
    """The one model that a real server has."""


class TestImages(AtOpenAI, ImageGeneratorContract):
    """Always the same picture."""

    instance = {"provider": "openai", "model": "gpt-image-2"}

    @one_only
    async def test_several_pictures_are_painted(self) -> None:
        """See the reason."""


class TestAzureImages(AtAzure, ImageGeneratorContract):
    """Always the same picture."""

    instance = {"provider": "azure", "model": "gpt-image-2"}

    @one_only
    async def test_several_pictures_are_painted(self) -> None:
        """See the reason."""


class TestSpeech(AtOpenAI, SpeechModelContract):
    """Always the same sound."""

    instance = {"provider": "openai", "model": "gpt-4o-mini-tts"}


class TestAzureSpeech(AtAzure, SpeechModelContract):
    """Always the same sound."""

    instance = {"provider": "azure", "model": "gpt-4o-mini-tts"}


class TestTranscription(AtOpenAI, TranscriptionModelContract):
    """Always the same words."""

    instance = {"provider": "openai", "model": "gpt-4o-transcribe"}


class TestAzureTranscription(AtAzure, TranscriptionModelContract):
    """Always the same words."""

    instance = {"provider": "azure", "model": "gpt-4o-transcribe"}


class TestBatches(AtOpenAI, BatchChatContract):
    """Files go up, are worked on, and come down."""


class TestCatalog(AtOpenAI, ModelCatalogContract):
    """The models that the mock pretends to have."""
