"""Speech: words read aloud and words written down. Nothing here does I/O."""

from __future__ import annotations

import io
import re
import wave
from collections.abc import Mapping
from typing import Any

from pegboard import (
    File,
    Reply,
    Speech,
    SpeechRequest,
    Transcript,
    TranscriptionRequest,
)
from pegboard.errors import InvalidReply, Unsupported

from ._requests import OWN, media, merged

FORMATS: Mapping[str | None, str] = {
    None: "audio/wav",
    "wav": "audio/wav",
    "pcm": "audio/pcm",
}
"""The samples that the service sends, with or without a head that describes them."""
SAMPLES = re.compile(r"audio/L16\b.*?(?:rate=(\d+))?", re.IGNORECASE)
USUAL_RATE = 24000
WRITE = "Write down, word for word, what is said. Answer with nothing else."

Json = dict[str, Any]


def speech_body(request: SpeechRequest, voice: str) -> Json:
    """
    Return *request* as the API wants it, the manner of speaking in words.

    Raises:
        Unsupported: It asks for a format that the service does not have.

    """
    if request.format not in FORMATS:
        msg = f"gemini has no sound as {request.format!r}. Known: wav, pcm."
        raise Unsupported(msg)
    named = {"prebuiltVoiceConfig": {"voiceName": request.voice or voice}}
    body = {
        "contents": [{"role": "user", "parts": [{"text": _script(request)}]}],
        "generationConfig": {
            "responseModalities": ["AUDIO"],
            "speechConfig": {"voiceConfig": named},
        },
    }
    return merged(body, request.extra.get(OWN, {}))


def speech_of(reply: Reply, request: SpeechRequest) -> Speech:
    """
    Return the sound in *reply*.

    Raises:
        InvalidReply: There is none.

    """
    found = next((part for part in reply.parts if isinstance(part, File)), None)
    if found is None or not isinstance(found.source, bytes):
        msg = f"gemini said nothing: {reply.text or reply.finish_reason}"
        raise InvalidReply(msg, request_sent="yes")
    audio, media_type = found.source, found.media_type
    if samples := SAMPLES.fullmatch(media_type):
        media_type = FORMATS[request.format]
        if media_type == "audio/wav":
            audio = _as_file(audio, int(samples[1] or USUAL_RATE))
    return Speech(
        audio=audio, media_type=media_type, model=reply.model, usage=reply.usage
    )


def transcription_body(request: TranscriptionRequest) -> Json:
    """Return *request* as the API wants it, as a task in words."""
    hints = [WRITE]
    if request.language:
        hints.append(f"The language is {request.language}.")
    if request.prompt:
        hints.append(f"These names and words are going to be said: {request.prompt}")
    sound = media(File(request.audio, request.media_type))
    parts = [{"text": "\n".join(hints)}, sound]
    body = {"contents": [{"role": "user", "parts": parts}]}
    return merged(body, request.extra.get(OWN, {}))


def transcript_of(reply: Reply) -> Transcript:
    """Return the words in *reply*."""
    return Transcript(text=reply.text.strip(), model=reply.model, usage=reply.usage)


def _script(request: SpeechRequest) -> str:
    manner = [request.instructions] if request.instructions else []
    if request.speed is not None:
        manner.append(f"Speak at {request.speed:g} times the usual speed")
    return f"{'. '.join(manner)}: {request.text}" if manner else request.text


def _as_file(samples: bytes, rate: int) -> bytes:
    """Return *samples*, of 16 bits each, as a WAV file."""
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(rate)
        sound.writeframes(samples)
    return file.getvalue()
