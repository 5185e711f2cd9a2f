"""What kind of work a model does, as far as its name tells: data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from .profiles import ANY, profile_of

if TYPE_CHECKING:
    from .options import ModelOptions
    from .services import Service

BY_NAME: Mapping[str, str] = {
    "text-embedding": "Embedder",
    "gpt-image": "ImageGenerator",
    "dall-e": "ImageGenerator",
    "tts": "SpeechModel",
    "gpt-4o-mini-tts": "SpeechModel",
    "whisper": "TranscriptionModel",
    "gpt-4o-transcribe": "TranscriptionModel",
    "gpt-4o-mini-transcribe": "TranscriptionModel",
}
"""The one contract of a model, by how its name begins."""
BY_OPTION: Mapping[str, str] = {
    "embedding_model": "Embedder",
    "image_models": "ImageGenerator",
    "speech_model": "SpeechModel",
    "transcription_model": "TranscriptionModel",
}
"""The option that names a model for a contract besides chat."""
OF_CHAT = frozenset({"ChatModel", "StreamingChat", "BatchChat"})


def offers(service: Service, options: ModelOptions) -> frozenset[str]:
    """
    Return the contracts that an instance keeps.

    A model for chat makes no embeddings, and one for embeddings does not chat. Where
    the name tells nothing, what the service claims stands.
    """
    claims = frozenset(service.contracts)
    named = {of for option, of in BY_OPTION.items() if getattr(options, option)}
    kind = _kind_of(options.known_model)
    if kind is not None:
        return (claims - OF_CHAT - {*BY_OPTION.values()}) | (claims & {kind, *named})
    if profile_of(options.known_model, service.profiles) is ANY:
        return claims
    return claims - ({*BY_OPTION.values()} - named)


def _kind_of(model: str) -> str | None:
    fitting = [known for known in BY_NAME if model.startswith(known)]
    return BY_NAME[max(fitting, key=len)] if fitting else None
