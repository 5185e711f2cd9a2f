"""Speech: words read aloud, and words written down."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pegboard import Speech, SpeechRequest, Transcript, TranscriptionRequest, Usage

from ._convert import kept, merged, without_none

if TYPE_CHECKING:
    from ._connection import Connection
    from .options import ModelOptions

MEDIA_TYPES: Mapping[str, str] = {
    "aac": "audio/aac",
    "flac": "audio/flac",
    "mp3": "audio/mpeg",
    "opus": "audio/ogg",
    "pcm": "audio/pcm",
    "wav": "audio/wav",
}
"""By the names that the API has for formats."""
ENDINGS: Mapping[str, str] = {
    "audio/mpeg": "mp3",
    "audio/mp4": "m4a",
    "audio/x-m4a": "m4a",
    "audio/x-wav": "wav",
    "audio/wave": "wav",
    "audio/x-flac": "flac",
}
"""What a file has to be called, where the media type does not end in it."""
USUAL_FORMAT = "mp3"
KEPT = ("languages", "logprobs", "segments", "words")
"""What else a transcript may have."""


class AudioApi:
    """Speaks and listens through one service."""

    def __init__(
        self, name: str, options: ModelOptions, connection: Connection
    ) -> None:
        self._name = name
        self._options = options
        self._connection = connection

    async def speak(self, request: SpeechRequest) -> Speech:
        """Return the sound of the words."""
        fields = without_none(
            model=request.model or self._options.speech_model or self._options.model,
            input=request.text,
            voice=request.voice or self._options.voice,
            instructions=request.instructions,
            response_format=request.format or USUAL_FORMAT,
            speed=request.speed,
        )
        body = merged(fields, request.extra.get(self._name, {}))
        with self._connection.translation:
            audio = await self._connection.post_for_bytes("/audio/speech", body)
        kind = body["response_format"]
        return Speech(
            audio=audio,
            media_type=MEDIA_TYPES.get(kind, f"audio/{kind}"),
            model=body["model"],
        )

    async def transcribe(self, request: TranscriptionRequest) -> Transcript:
        """Return the words of the sound."""
        options = self._options
        fields = without_none(
            model=request.model or options.transcription_model or options.model,
            language=request.language,
            prompt=request.prompt,
            response_format="json",
        )
        body = merged(fields, request.extra.get(self._name, {}))
        file = (_file_name(request.media_type), request.audio, request.media_type)
        with self._connection.translation:
            answer = await self._connection.upload(
                "/audio/transcriptions", body, [("file", file)]
            )
            return _transcript(answer, body["model"], self._name)


def _file_name(media_type: str) -> str:
    plain = media_type.partition(";")[0].strip().lower()
    return f"audio.{ENDINGS.get(plain) or plain.rpartition('/')[2]}"


def _transcript(answer: Mapping[str, Any], model: str, name: str) -> Transcript:
    usage = answer.get("usage") or {}
    return Transcript(
        text=answer["text"],
        model=model,
        language=answer.get("language"),
        duration=answer.get("duration") or usage.get("seconds"),
        usage=_usage(usage),
        provider_metadata={name: kept(KEPT, answer)},
    )


def _usage(usage: Mapping[str, Any]) -> Usage | None:
    if "input_tokens" not in usage:
        return None
    return Usage(input=usage["input_tokens"], output=usage["output_tokens"])
