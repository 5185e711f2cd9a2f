"""Speech: what is sent and what is made of the answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from pegboard import Speech, SpeechRequest, Transcript, TranscriptionRequest, Usage
from pegboard.errors import InvalidReply, InvalidRequest
from pegboard.testing import openai_wire as wire
from pegboard.testing.fault_server import FaultServer, Scripted

if TYPE_CHECKING:
    from pegboard_openai._model import OpenAIModel

OpenModel = Callable[..., "OpenAIModel"]
SOUND = Scripted(headers={"content-type": "audio/mpeg"}, body=b"sound")


async def heard(
    server: FaultServer, model: OpenAIModel, answer: object, **more: Any
) -> Transcript:
    """Return what the model makes of an *answer*."""
    server.respond(Scripted.json(answer))
    return await model.transcribe(TranscriptionRequest(audio=b"wav", **more))


async def test_words_are_read_aloud(server: FaultServer, open_model: OpenModel) -> None:
    """In the usual voice and format."""
    server.respond(SOUND)
    speech = await open_model().speak(SpeechRequest(text="Hello."))

    sent = await server.next_request()
    assert sent.path == "/v1/audio/speech"
    assert sent.json == {
        "model": "m",
        "input": "Hello.",
        "voice": "alloy",
        "response_format": "mp3",
    }
    assert speech == Speech(audio=b"sound", media_type="audio/mpeg", model="m")


async def test_everything_of_a_request_is_said(
    server: FaultServer, open_model: OpenModel
) -> None:
    """Under the names of the API."""
    server.respond(SOUND)
    request = SpeechRequest(
        text="Hello.",
        model="tts",
        voice="nova",
        instructions="Whisper.",
        format="wav",
        speed=1.5,
        extra={"openai": {"stream_format": "audio"}},
    )
    speech = await open_model(speech_model="other", voice="ash").speak(request)

    assert (await server.next_request()).json == {
        "model": "tts",
        "input": "Hello.",
        "voice": "nova",
        "instructions": "Whisper.",
        "response_format": "wav",
        "speed": 1.5,
        "stream_format": "audio",
    }
    assert (speech.media_type, speech.model) == ("audio/wav", "tts")


async def test_options_say_who_speaks(
    server: FaultServer, open_model: OpenModel
) -> None:
    """Where the request does not."""
    server.respond(SOUND)
    model = open_model(speech_model="tts", voice="ash")
    await model.speak(SpeechRequest(text="Hello."))
    sent = (await server.next_request()).json

    assert (sent["model"], sent["voice"]) == ("tts", "ash")


async def test_refusal_to_speak_is_an_error(
    server: FaultServer, open_model: OpenModel
) -> None:
    """Though sound was expected."""
    error = wire.error("Too long.", kind="invalid_request_error")
    server.respond(Scripted.json(error, status=400))

    with pytest.raises(InvalidRequest, match="Too long"):
        await open_model().speak(SpeechRequest(text="Hello."))


@pytest.mark.parametrize(
    ("media_type", "name"),
    [
        ("audio/wav", "audio.wav"),
        ("audio/mpeg", "audio.mp3"),
        ("audio/x-m4a", "audio.m4a"),
        ("audio/webm; codecs=opus", "audio.webm"),
    ],
)
async def test_file_has_a_name_that_tells_its_type(
    server: FaultServer, open_model: OpenModel, media_type: str, name: str
) -> None:
    """The API looks at its ending."""
    await heard(server, open_model(), {"text": "Hello."}, media_type=media_type)
    body = (await server.next_request()).body

    assert f'name="file"; filename="{name}"'.encode() in body


async def test_sound_is_written_down(
    server: FaultServer, open_model: OpenModel
) -> None:
    """Hints go along; tokens come back."""
    usage = {"type": "tokens", "input_tokens": 9, "output_tokens": 2}
    answer = {"text": "Hello.", "usage": usage}
    model = open_model(transcription_model="ear")
    transcript = await heard(server, model, answer, language="en", prompt="pegs")

    body = (await server.next_request()).body
    for name, value in {"model": "ear", "language": "en", "prompt": "pegs"}.items():
        assert f'name="{name}"\r\n\r\n{value}\r\n'.encode() in body
    assert transcript == Transcript(
        text="Hello.",
        model="ear",
        usage=Usage(input=9, output=2),
        provider_metadata={"openai": {}},
    )


async def test_length_is_told_in_two_places(
    server: FaultServer, open_model: OpenModel
) -> None:
    """Models that are paid by the second say it in the usage."""
    usage = {"type": "duration", "seconds": 3.5}
    brief = await heard(server, open_model(), {"text": "Hi.", "usage": usage})
    verbose = {"text": "Hi.", "language": "english", "duration": 3.5, "words": [1]}
    long = await heard(server, open_model(), verbose)

    assert (brief.duration, brief.usage) == (3.5, None)
    assert (long.duration, long.language) == (3.5, "english")
    assert long.provider_metadata == {"openai": {"words": [1]}}


async def test_answer_without_words_is_an_error(
    server: FaultServer, open_model: OpenModel
) -> None:
    """It is not as the API describes it."""
    with pytest.raises(InvalidReply):
        await heard(server, open_model(), {})
