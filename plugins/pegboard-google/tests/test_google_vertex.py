"""Vertex AI: where it is, and how it is asked with Google's own credentials."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from pegboard import ChatRequest, EmbeddingRequest, errors
from pegboard.testing import gemini_wire as wire
from pegboard.testing.fault_server import FaultServer, Scripted
from pegboard_google._client import base_url
from pegboard_google.options import GeminiOptions

if TYPE_CHECKING:
    from pegboard_google._model import GeminiModel

OpenModel = Callable[..., "GeminiModel"]
PROJECT = {"vertex": True, "project": "p-1", "location": "europe-west4"}
TOKEN = Scripted.json({"access_token": "token-1", "expires_in": 3600})
ANSWER = Scripted.json(wire.response())
PATH = "/v1beta1/projects/p-1/locations/europe-west4/publishers/google/models/m"


@pytest.fixture
def credentials(server: FaultServer, make_credentials: Callable[[str], str]) -> str:
    """Return a service account's key, whose tokens come from the server."""
    return make_credentials(server.url)


@pytest.fixture
def vertex(open_model: OpenModel, credentials: str) -> GeminiModel:
    """Return a model of a project."""
    return open_model("m", api_key=None, credentials=credentials, **PROJECT)


@pytest.mark.parametrize(
    ("more", "place"),
    [
        ({}, "https://generativelanguage.googleapis.com"),
        (PROJECT, "https://europe-west4-aiplatform.googleapis.com"),
        (
            {"vertex": True, "project": "p-1"},
            "https://aiplatform.googleapis.com",
        ),
        (
            {"vertex": True, "project": "p-1", "location": "eu"},
            "https://aiplatform.eu.rep.googleapis.com",
        ),
        (
            {"vertex": True, "location": "us-central1"},
            "https://aiplatform.googleapis.com",
        ),
    ],
)
def test_each_location_has_its_place(more: dict[str, Any], place: str) -> None:
    """As the SDK has it, which would look into variables first."""
    given = {"model": "m", "api_key": "k", **more}

    assert base_url(GeminiOptions.model_validate(given)) == place


async def test_project_is_asked_with_a_token(
    server: FaultServer, vertex: GeminiModel, hello: ChatRequest
) -> None:
    """It is fetched once, and sent in a header."""
    server.respond(TOKEN, ANSWER, ANSWER)

    assert (await vertex.complete(hello)).text == "Hello."
    await vertex.complete(hello)

    token, *asked = server.requests
    assert token.path == "/token"
    assert [request.path for request in asked] == [f"{PATH}:generateContent"] * 2
    assert {request.headers["authorization"] for request in asked} == {"Bearer token-1"}


async def test_project_streams(
    server: FaultServer, vertex: GeminiModel, hello: ChatRequest
) -> None:
    """Through the same door."""
    server.respond(TOKEN, Scripted.events(*wire.content_stream("Hel", "lo.")))

    events = [event async for event in vertex.stream(hello)]

    assert events[-1].finish_reason == "stop"
    assert server.requests[1].path == f"{PATH}:streamGenerateContent?alt=sse"


async def test_project_wins_over_a_key(
    server: FaultServer, open_model: OpenModel, credentials: str, hello: ChatRequest
) -> None:
    """A variable may hold one that belongs to something else."""
    model = open_model("m", credentials=credentials, **PROJECT)
    server.respond(TOKEN, ANSWER)

    await model.complete(hello)

    assert "x-goog-api-key" not in server.requests[1].headers


async def test_express_project_is_asked_with_its_key(
    server: FaultServer, open_model: OpenModel, hello: ChatRequest
) -> None:
    """No project is named, for it is that of the key."""
    server.respond(ANSWER)

    await open_model("m", vertex=True).complete(hello)

    (request,) = server.requests
    assert request.path == "/v1beta1/publishers/google/models/m:generateContent"
    assert request.headers["x-goog-api-key"] == "k-1"


async def test_account_that_gets_no_token_is_told(
    server: FaultServer, vertex: GeminiModel, hello: ChatRequest
) -> None:
    """Nothing was sent to the model."""
    refusal = {"error": "invalid_grant", "error_description": "Account not found"}
    server.respond(Scripted.json(refusal, status=400))

    with pytest.raises(errors.Authentication, match="invalid_grant") as caught:
        await vertex.complete(hello)

    assert caught.value.request_sent == "no"
    assert len(server.requests) == 1


@pytest.mark.parametrize("told", ["no JSON", "{}", "[]", '{"type": "service_account"}'])
async def test_credentials_that_are_none_are_told(
    open_model: OpenModel, hello: ChatRequest, told: str
) -> None:
    """The text is not shown."""
    model = open_model("m", api_key=None, credentials=told, **PROJECT)

    with pytest.raises(errors.Authentication) as caught:
        await model.complete(hello)

    assert caught.value.request_sent == "no"
    assert (told not in str(caught.value), caught.value.__cause__) == (True, None)


async def test_vectors_come_in_the_shapes_of_vertex(
    server: FaultServer, vertex: GeminiModel
) -> None:
    """Older models predict, newer ones embed. Shapes from the documentation."""
    statistics = {"token_count": 2, "truncated": False}
    old = {"embeddings": {"values": [0.5], "statistics": statistics}}
    server.respond(TOKEN, Scripted.json({"predictions": [old]}))

    made = await vertex.embed(EmbeddingRequest(texts=("ice",), purpose="document"))

    assert (made.vectors, made.usage.input) == (((0.5,),), 2)
    request = server.requests[1]
    assert request.path == f"{PATH}:predict"
    assert request.json["instances"] == [
        {"content": "ice", "task_type": "RETRIEVAL_DOCUMENT"}
    ]


async def test_newer_vectors_come_in_another_shape(
    server: FaultServer, open_model: OpenModel
) -> None:
    """Shapes from the SDK."""
    embedding = {"embedding": {"values": [0.5]}, "usageMetadata": {}}
    server.respond(Scripted.json(embedding))
    model = open_model("gemini-embedding-2", vertex=True)

    made = await model.embed(EmbeddingRequest(texts=("ice",)))

    assert made.vectors == ((0.5,),)
    assert server.requests[0].path.endswith(":embedContent")


async def test_models_of_vertex_are_listed(
    server: FaultServer, open_model: OpenModel
) -> None:
    """Under their publisher's name. Shape from the documentation."""
    told = {"publisherModels": [{"name": "publishers/google/models/gemini-3-flash"}]}
    server.respond(Scripted.json(told))

    (entry,) = await open_model("m", vertex=True).list_models()

    assert (entry.id, entry.capabilities) == ("gemini-3-flash", None)


async def test_tokens_are_counted_by_vertex(
    server: FaultServer, open_model: OpenModel, hello: ChatRequest
) -> None:
    """It takes the request as it is."""
    server.respond(Scripted.json({"totalTokens": 3}))

    assert await open_model("m", vertex=True).count_tokens(hello) == 3
    assert server.requests[0].json["contents"] == [
        {"role": "user", "parts": [{"text": "Hello?"}]}
    ]


async def test_credentials_of_the_machine_are_found(
    server: FaultServer,
    open_model: OpenModel,
    credentials: str,
    hello: ChatRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where settings have none, as Google's libraries do it."""
    file = tmp_path / "key.json"
    file.write_text(credentials, "utf-8")
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(file))
    server.respond(TOKEN, ANSWER)

    await open_model("m", api_key=None, **PROJECT).complete(hello)

    assert server.requests[1].headers["authorization"] == "Bearer token-1"


async def test_machine_without_credentials_is_told(
    server: FaultServer,
    open_model: OpenModel,
    hello: ChatRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nothing was sent."""
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "/nowhere/key.json")

    with pytest.raises(errors.Authentication, match="got no token") as caught:
        await open_model("m", api_key=None, **PROJECT).complete(hello)

    assert (caught.value.request_sent, server.requests) == ("no", [])


@pytest.mark.parametrize("express", [False, True])
async def test_sdk_reads_no_variables_of_vertex(
    server: FaultServer,
    open_model: OpenModel,
    credentials: str,
    hello: ChatRequest,
    monkeypatch: pytest.MonkeyPatch,
    express: bool,  # noqa: FBT001 - each of the two ways in
) -> None:
    """Neither for a project nor for one of a key."""
    for name in ("GOOGLE_API_KEY", "GOOGLE_CLOUD_PROJECT", "GOOGLE_CLOUD_LOCATION"):
        monkeypatch.setenv(name, "of-the-environment")
    monkeypatch.setenv("GOOGLE_VERTEX_BASE_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("GOOGLE_GENAI_API_VERSION", "of-the-environment")
    more = {"vertex": True} if express else {**PROJECT, "credentials": credentials}
    server.respond(*([ANSWER] if express else [TOKEN, ANSWER]))

    await open_model("m", **more).complete(hello)

    request = server.requests[-1]
    assert request.path.startswith("/v1beta1/p")
    assert "of-the-environment" not in f"{request.path} {request.headers}"
