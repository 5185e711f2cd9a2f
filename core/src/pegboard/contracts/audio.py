"""Speech: words read aloud and words written down, and the contracts of both."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from .chat import Usage, Vendor
from .declare import contract, operation


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechRequest:
    """What is to be said. ``None`` leaves the choice to the provider."""

    text: str
    model: str | None = None
    voice: str | None = None
    instructions: str | None = None
    """How to say it."""
    format: str | None = None
    """As the service names it, such as ``mp3`` or ``wav``."""
    speed: float | None = None
    """1.0 is as fast as people talk."""
    extra: Vendor = field(default_factory=dict)
    """Vendor parameters by provider name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Speech:
    """Words as sound."""

    audio: bytes
    media_type: str
    """Such as ``audio/mpeg``."""
    model: str
    usage: Usage | None = None
    """None where the service does not count tokens."""
    provider_metadata: Vendor = field(default_factory=dict)


@contract(family="llm", version=1, ability="speech")
class SpeechModel(Protocol):
    """A model that reads aloud."""

    @operation(repeatable=True)
    async def speak(self, request: SpeechRequest) -> Speech:
        """Say what *request* says."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscriptionRequest:
    """What is to be written down. ``None`` leaves the choice to the provider."""

    audio: bytes
    media_type: str = "audio/wav"
    model: str | None = None
    language: str | None = None
    """ISO 639-1 code of what is spoken, such as ``en``."""
    prompt: str | None = None
    """Names and words that are going to be said."""
    extra: Vendor = field(default_factory=dict)
    """Vendor parameters by provider name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Transcript:
    """Sound as words."""

    text: str
    model: str
    language: str | None = None
    """As the service names it; None if it does not say."""
    duration: float | None = None
    """Seconds of sound; None if the service does not say."""
    usage: Usage | None = None
    """None where the service does not count tokens."""
    provider_metadata: Vendor = field(default_factory=dict)


@contract(family="llm", version=1, ability="transcription")
class TranscriptionModel(Protocol):
    """A model that writes down what it hears."""

    @operation(repeatable=True)
    async def transcribe(self, request: TranscriptionRequest) -> Transcript:
        """Write down what is said in *request*."""
        ...
