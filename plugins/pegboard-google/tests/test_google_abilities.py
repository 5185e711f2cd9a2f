"""
What Gemini can do besides chat, against a stand-in for the API.

No mock that can be had knows these calls, so their shapes are from the SDK, which makes
the requests here, and from the documentation.
"""

from __future__ import annotations

import io
import wave
from base64 import b64encode
from typing import Any

import pytest
from pegboard import (
    BatchItem,
    ChatRequest,
    EmbeddingRequest,
    Image,
    ImageRequest,
    Message,
    SpeechRequest,
    TranscriptionRequest,
    Usage,
)
from pegboard.errors import (
    ContentFiltered,
    InvalidReply,
    InvalidRequest,
    NotFound,
    RateLimited,
    Unsupported,
)
from pegboard.testing import gemini_wire as wire
from pegboard.testing.abilities import (
    BatchChatContract,
    EmbedderContract,
    ImageGeneratorContract,
    ModelCatalogContract,
    TokenCounterContract,
)
from pegboard.testing.fault_server import FaultServer, Scripted


class AtService:
    """A kit whose model is at the stand-in."""

    against = "documentation"
    instance = {"provider": "gemini", "model": "gemini-3-flash"}

    @pytest.fixture
    def settings(self, service: FaultServer) -> dict[str, Any]:
        """Return the settings of the model."""
        return {
            **self.instance,
            "api_key": "k",
            "base_url": service.url,
        }


class TestEmbeddings(AtService, EmbedderContract):
    """A hundred texts go into one request."""

    instance = {"provider": "gemini", "model": "gemini-embedding-001"}
    many = 140


class TestPromptedEmbeddings(AtService, EmbedderContract):
    """Newer models, of whose texts the SDK would make one."""

    instance = {"provider": "gemini", "model": "gemini-embedding-2"}


class TestImages(AtService, ImageGeneratorContract):
    """Models that answer with pictures."""

    instance = {"provider": "gemini", "model": "gemini-3-pro-image"}
    size = "16:9 2K"


class TestBatches(AtService, BatchChatContract):
    """Requests that are handed in as they are."""


class TestModels(AtService, ModelCatalogContract):
    """A list of two pages."""


class TestTokens(AtService, TokenCounterContract):
    """Instructions and tools are counted, too."""


@pytest.fixture
def embedding() -> EmbeddingRequest:
    """Return a request of two texts."""
    return EmbeddingRequest(texts=("ice", "fire"), purpose="query", dimensions=8)


# --- embeddings ---


async def test_texts_are_sent_one_by_one(service, open_model, embedding) -> None:
    """With what they are for and how long the vectors shall be."""
    model = open_model("gemini-embedding-001", base_url=service.url)

    await model.embed(embedding)

    (request,) = service.requests
    assert request.path == "/v1/models/gemini-embedding-001:batchEmbedContents"
    assert [one["content"] for one in request.json["requests"]] == [
        {"parts": [{"text": "ice"}]},
        {"parts": [{"text": "fire"}]},
    ]
    first = request.json["requests"][0]
    assert (first["taskType"], first["outputDimensionality"]) == ("RETRIEVAL_QUERY", 8)


@pytest.mark.parametrize(
    ("purpose", "text"),
    [
        ("query", "task: search result | query: ice"),
        ("document", "title: none | text: ice"),
        (None, "ice"),
    ],
)
async def test_newer_models_are_told_in_words(
    service, open_model, purpose, text
) -> None:
    """They know no types of tasks. From the documentation."""
    model = open_model("gemini-embedding-2", base_url=service.url)

    await model.embed(EmbeddingRequest(texts=("ice",), purpose=purpose))

    (one,) = service.requests[0].json["requests"]
    assert one["content"]["parts"] == [{"text": text}]
    assert "taskType" not in one


async def test_vendor_parameters_of_embeddings_are_those_of_the_sdk(
    service, open_model
) -> None:
    """An unknown one is refused before anything is sent."""
    model = open_model("gemini-embedding-001", base_url=service.url)
    titled = {"gemini": {"title": "Ice"}}
    await model.embed(EmbeddingRequest(texts=("ice",), extra=titled))
    assert service.requests[0].json["requests"][0]["title"] == "Ice"

    with pytest.raises(InvalidRequest, match="Known: "):
        await model.embed(
            EmbeddingRequest(texts=("ice",), extra={"gemini": {"titel": "Ice"}})
        )
    assert len(service.requests) == 1


async def test_tokens_that_are_not_told_are_estimated(
    server, open_model, embedding
) -> None:
    """Older models do not count."""
    server.respond(Scripted.json({"embeddings": [{"values": [1.0]}] * 2}))

    made = await open_model("gemini-embedding-001").embed(embedding)

    assert made.usage == Usage(input=2, estimated=True)
    assert made.vectors == ((1.0,), (1.0,))


# --- pictures ---


async def test_pictures_are_asked_for_with_their_size(service, open_model) -> None:
    """And with the pictures to go by."""
    model = open_model("gemini-3-pro-image", base_url=service.url)

    await model.generate_images(
        ImageRequest(prompt="bluer", images=(Image(b"123"),), size="16:9 2K")
    )

    (request,) = service.requests
    config = request.json["generationConfig"]
    assert config["imageConfig"] == {"aspectRatio": "16:9", "imageSize": "2K"}
    assert [[*part] for part in request.json["contents"][0]["parts"]] == [
        ["text"],
        ["inlineData"],
    ]


@pytest.mark.parametrize(
    "more",
    [
        {"size": "1024x1024"},
        {"quality": "high"},
        {"background": "transparent"},
        {"mask": Image(b"123")},
    ],
)
async def test_what_pictures_cannot_be_told_is_refused(
    service, open_model, more
) -> None:
    """Before anything is sent."""
    with pytest.raises(Unsupported, match="gemini knows no"):
        await open_model(base_url=service.url).generate_images(
            ImageRequest(prompt="x", **more)
        )

    assert service.requests == []


@pytest.mark.parametrize(
    ("reason", "kind"),
    [("IMAGE_SAFETY", ContentFiltered), ("NO_IMAGE", InvalidReply)],
)
async def test_words_are_no_picture(server, open_model, reason, kind) -> None:
    """The reason is in the error."""
    answer = wire.response(wire.text("I would rather not."), finish_reason=reason)
    server.respond(Scripted.json(answer))

    with pytest.raises(kind, match=f"{reason}. I would rather not"):
        await open_model().generate_images(ImageRequest(prompt="x"))


async def test_one_picture_that_fails_is_the_error(server, open_model) -> None:
    """It is that of the service, not a group of errors."""
    busy = Scripted.json(wire.error("RESOURCE_EXHAUSTED"), status=429)
    server.respond(busy, busy)

    with pytest.raises(RateLimited):
        await open_model().generate_images(ImageRequest(prompt="x", count=2))


# --- batches ---


def item(name: str, **more: Any) -> BatchItem:
    """Return one request of a batch."""
    return BatchItem(name, ChatRequest(messages=(Message.of("user", "Hi"),), **more))


async def test_requests_of_a_batch_are_those_of_calls(service, open_model) -> None:
    """With the parameters of each, and the program's id."""
    batch = await open_model(base_url=service.url).submit_batch(
        (item("a", temperature=0.5), item("b"))
    )

    (request,) = service.requests
    assert request.path == "/v1/models/gemini-3-flash:batchGenerateContent"
    asked = request.json["batch"]["inputConfig"]["requests"]["requests"]
    assert asked == [
        {
            "request": {
                "contents": [{"role": "user", "parts": [{"text": "Hi"}]}],
                "generationConfig": {"temperature": 0.5},
            },
            "metadata": {"key": "a"},
        },
        {
            "request": {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]},
            "metadata": {"key": "b"},
        },
    ]
    assert (batch.id, batch.state, batch.total) == ("batches/0", "running", 2)


async def test_batch_of_two_models_is_refused(service, open_model) -> None:
    """The API takes one."""
    with pytest.raises(InvalidRequest, match="one model, not a, gemini-3-flash"):
        await open_model(base_url=service.url).submit_batch(
            (item("a", model="a"), item("b"))
        )

    assert service.requests == []


async def test_failures_of_a_batch_are_errors_of_their_requests(
    server, open_model
) -> None:
    """By the numbers that gRPC has for them; a refused prompt is one, too."""
    answers = [
        {"metadata": {"key": "a"}, "error": {"code": 8, "message": "Too much."}},
        {"metadata": {"key": "b"}, "response": wire.blocked()},
        {"metadata": {"key": "c"}, "response": wire.response()},
    ]
    told = {
        "state": "BATCH_STATE_SUCCEEDED",
        "output": {"inlinedResponses": {"inlinedResponses": answers}},
    }
    server.respond(Scripted.json({"name": "batches/1", "metadata": told}))

    results = [one async for one in open_model().batch_results("batches/1")]

    assert [one.id for one in results] == ["a", "b", "c"]
    assert [type(one.error) for one in results] == [
        RateLimited,
        ContentFiltered,
        type(None),
    ]
    assert results[2].reply.text == "Hello."


async def test_batch_that_failed_says_why(server, open_model) -> None:
    """And has no results."""
    job = {
        "name": "batches/1",
        "metadata": {"state": "BATCH_STATE_FAILED"},
        "error": {"code": 13, "message": "It broke."},
    }
    server.respond(Scripted.json(job), Scripted.json(job))
    model = open_model()

    batch = await model.get_batch("batches/1")
    assert (batch.state, batch.reason) == ("failed", "It broke.")
    with pytest.raises(NotFound, match="no results: it is BATCH_STATE_FAILED"):
        await anext(model.batch_results("batches/1"))


async def test_results_in_a_file_are_told_of(server, open_model) -> None:
    """A batch that somebody handed in as a file has them there."""
    told = {"state": "BATCH_STATE_SUCCEEDED", "output": {"responsesFile": "files/x"}}
    server.respond(Scripted.json({"name": "batches/1", "metadata": told}))

    with pytest.raises(InvalidReply, match="files/x"):
        await anext(open_model().batch_results("batches/1"))


async def test_id_that_cannot_be_one_is_not_asked_for(server, open_model) -> None:
    """It would be another address."""
    with pytest.raises(NotFound, match="no batch"):
        await open_model().get_batch("../models")

    assert server.requests == []


async def test_vertex_takes_no_batches_from_programs(server, open_model) -> None:
    """It reads them from its own storage."""
    model = open_model(vertex=True)

    with pytest.raises(Unsupported, match="Cloud Storage"):
        await model.submit_batch((item("a"),))
    with pytest.raises(Unsupported):
        await model.get_batch("batches/1")
    assert server.requests == []


# --- models ---


async def test_models_say_what_they_can_do(service, open_model) -> None:
    """In pegboard's words, from all pages of the list."""
    chat, vectors = await open_model(base_url=service.url).list_models()

    assert (chat.id, chat.name) == ("gemini-3-flash", "Gemini 3 Flash")
    assert (chat.context_window, chat.max_output) == (1048576, 65536)
    assert {"tools", "reasoning_effort", "batches"} <= chat.capabilities
    assert vectors.capabilities == {"embeddings"}
    assert len(service.requests) == 2


# --- sound ---


def spoken(media_type: str) -> Scripted:
    """Return an answer with four bytes of sound."""
    inline = {"mimeType": media_type, "data": b64encode(b"1234").decode()}
    return Scripted.json(wire.response({"inlineData": inline}))


async def test_sound_is_a_file_that_can_be_played(server, open_model) -> None:
    """The service sends bare samples; their rate is in their type."""
    server.respond(spoken("audio/L16;codec=pcm;rate=16000"))

    speech = await open_model().speak(SpeechRequest(text="Hi"))

    with wave.open(io.BytesIO(speech.audio)) as sound:
        assert (sound.getframerate(), sound.getsampwidth()) == (16000, 2)
        assert sound.readframes(9) == b"1234"
    assert speech.media_type == "audio/wav"


@pytest.mark.parametrize(
    ("kind", "wanted", "media_type"),
    [
        ("audio/L16;rate=24000", "pcm", "audio/pcm"),
        ("audio/L16", "pcm", "audio/pcm"),
        ("audio/mpeg", None, "audio/mpeg"),
    ],
)
async def test_sound_stays_as_it_is(
    server, open_model, kind, wanted, media_type
) -> None:
    """Where that was asked for, or where the service sends a file."""
    server.respond(spoken(kind))

    speech = await open_model().speak(SpeechRequest(text="Hi", format=wanted))

    assert (speech.audio, speech.media_type) == (b"1234", media_type)


async def test_manner_of_speaking_is_told_in_words(server, open_model) -> None:
    """The API has no field for it, but one for the voice."""
    server.respond(spoken("audio/L16"))

    await open_model("m", speech_model="tts").speak(
        SpeechRequest(text="Hi.", instructions="Whisper", speed=1.5, voice="Puck")
    )

    (request,) = server.requests
    assert request.path == "/v1/models/tts:generateContent"
    assert request.json["contents"][0]["parts"] == [
        {"text": "Whisper. Speak at 1.5 times the usual speed: Hi."}
    ]
    config = request.json["generationConfig"]
    assert config["responseModalities"] == ["AUDIO"]
    assert config["speechConfig"]["voiceConfig"] == {
        "prebuiltVoiceConfig": {"voiceName": "Puck"}
    }


async def test_format_that_there_is_not_is_refused(server, open_model) -> None:
    """Before anything is sent."""
    with pytest.raises(Unsupported, match="Known: wav, pcm"):
        await open_model().speak(SpeechRequest(text="Hi", format="mp3"))

    assert server.requests == []


async def test_words_are_no_sound(server, open_model) -> None:
    """What was said instead is in the error."""
    server.respond(Scripted.json(wire.response(wire.text("No."))))

    with pytest.raises(InvalidReply, match="said nothing: No"):
        await open_model().speak(SpeechRequest(text="Hi"))


async def test_sound_is_sent_to_be_written_down(server, open_model) -> None:
    """With what is known of it."""
    server.respond(Scripted.json(wire.response(wire.text(" Hi. "))))
    request = TranscriptionRequest(audio=b"123", language="de", prompt="pegboard")

    heard = await open_model("m", transcription_model="ear").transcribe(request)

    assert heard.text == "Hi."
    (sent,) = server.requests
    assert sent.path == "/v1/models/ear:generateContent"
    task, sound = sent.json["contents"][0]["parts"]
    assert "language is de" in task["text"]
    assert "said: pegboard" in task["text"]
    assert sound["inlineData"]["mimeType"] == "audio/wav"


# --- models of their own ---


async def test_pictures_come_from_the_first_model_that_can_be_used(
    server, open_model
) -> None:
    """One that the account may not use gives way to the next."""
    picture = {"mimeType": "image/png", "data": b64encode(b"123").decode()}
    server.respond(
        Scripted.json(wire.error("NOT_FOUND"), status=404),
        Scripted.json(wire.response({"inlineData": picture})),
    )
    model = open_model("m", image_models=["a-image", "b-image"])

    painted = await model.generate_images(ImageRequest(prompt="x"))

    assert painted.images == (Image(b"123", "image/png"),)
    assert [request.path for request in server.requests] == [
        "/v1/models/a-image:generateContent",
        "/v1/models/b-image:generateContent",
    ]


async def test_last_model_that_cannot_be_used_is_the_error(server, open_model) -> None:
    """There is no other one to ask."""
    server.respond(*[Scripted.json(wire.error("NOT_FOUND"), status=404)] * 2)

    with pytest.raises(NotFound):
        await open_model("m", image_models=["a", "b"]).generate_images(
            ImageRequest(prompt="x")
        )


async def test_vectors_come_from_the_model_for_them(service, open_model) -> None:
    """The settings may name one beside that of chat."""
    model = open_model(base_url=service.url, embedding_model="gemini-embedding-001")

    made = await model.embed(EmbeddingRequest(texts=("ice",)))

    assert made.model == "gemini-embedding-001"
