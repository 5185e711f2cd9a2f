"""What pegboard-google offers: Gemini, by key and on Vertex AI."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pegboard import LLMProvider, hookimpl
from pegboard.contracts.chat import model_of

from .profiles import capabilities_of, kind_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .options import GeminiOptions

CONTRACTS = (
    "BatchChat",
    "ChatModel",
    "Embedder",
    "ImageGenerator",
    "ModelCatalog",
    "SpeechModel",
    "StreamingChat",
    "TokenCounter",
    "TranscriptionModel",
)

BY_OPTION = {
    "embedding_model": "Embedder",
    "image_models": "ImageGenerator",
    "speech_model": "SpeechModel",
}
"""The option that names a model for a contract besides chat."""
LACKING: Mapping[str, frozenset[str]] = {
    "chat": frozenset(BY_OPTION.values()),
    "embedding": frozenset(CONTRACTS) - {"Embedder", "ModelCatalog"},
    "image": frozenset({"Embedder", "SpeechModel", "TranscriptionModel"}),
    "tts": frozenset(CONTRACTS) - {"SpeechModel", "ModelCatalog"},
    "unknown": frozenset(),
}
"""What models of a kind do not do."""


@hookimpl
def pegboard_llm_providers() -> list[LLMProvider]:
    """Return the one provider."""
    return [
        LLMProvider(
            name="gemini",
            factory="pegboard_google._model:GeminiModel",
            options="pegboard_google.options:GeminiOptions",
            contracts=dict.fromkeys(CONTRACTS, 1),
            capabilities=_capabilities,
            offers=_offers,
            install="pegboard-google",
            env={
                "api_key": ("GEMINI_API_KEY", "GOOGLE_API_KEY"),
                "project": ("GOOGLE_CLOUD_PROJECT",),
                "location": ("GOOGLE_CLOUD_LOCATION",),
            },
            apart=model_of,
            telemetry_name=_telemetry_name,
            summary="Gemini, by key and on Vertex AI",
        )
    ]


def _capabilities(options: GeminiOptions) -> frozenset[str]:
    painters = options.image_models or (options.model,)
    edits = {"image_editing"}.intersection(*map(capabilities_of, painters))
    return capabilities_of(options.model) | edits


def _telemetry_name(options: GeminiOptions) -> str:
    return "gcp.vertex_ai" if options.vertex else "gcp.gemini"


def _offers(options: GeminiOptions) -> frozenset[str]:
    named = {of for option, of in BY_OPTION.items() if getattr(options, option)}
    if options.transcription_model:
        named.add("TranscriptionModel")
    return frozenset(CONTRACTS) - (LACKING[kind_of(options.model)] - named)
