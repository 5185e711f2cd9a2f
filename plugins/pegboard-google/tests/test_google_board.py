"""The plugin as programs use it: through a board that finds it by its name."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from pegboard import Pegboard
from pegboard.errors import ConnectionFailed, RateLimited, SettingsError, Unsupported
from pegboard.testing import gemini_wire as wire
from pegboard.testing.fault_server import Fault, FaultServer, Scripted

OpenBoard = Callable[..., Pegboard]
ANSWER = Scripted.json(wire.response())


async def test_completes(server: FaultServer, open_board: OpenBoard) -> None:
    """The key is in a header, never in the address."""
    server.respond(ANSWER)

    assert (await open_board().llm().complete("Hi")).text == "Hello."
    (request,) = server.requests
    assert request.path == "/v1/models/gemini-3-flash:generateContent"
    assert request.headers["x-goog-api-key"] == "key-sentinel"
    assert request.json == {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]}


async def test_streams(server: FaultServer, open_board: OpenBoard) -> None:
    """Words as they arrive, and the whole at the end."""
    server.respond(Scripted.events(*wire.content_stream("Hel", "lo.")))

    async with open_board(api_version="v1beta").llm().stream("Hi") as stream:
        words = [word async for word in stream.text]

    assert words == ["Hel", "lo."]
    assert stream.reply.usage.total == 18
    (request,) = server.requests
    assert request.path == (
        "/v1beta/models/gemini-3-flash:streamGenerateContent?alt=sse"
    )
    assert "key-sentinel" not in request.path


async def test_refuses_what_the_model_lacks(
    server: FaultServer, open_board: OpenBoard
) -> None:
    """Before anything is sent."""
    llm = open_board(model="gemini-2.0-flash").llm()
    with pytest.raises(Unsupported, match="reasoning_effort"):
        await llm.complete("Hi", reasoning_effort="low")

    assert server.requests == []


async def test_only_the_policy_retries(
    server: FaultServer, open_board: OpenBoard
) -> None:
    """As often as it says, whatever the SDK would do."""
    busy = Scripted.json(wire.error("RESOURCE_EXHAUSTED"), status=429)
    server.respond(busy, busy, ANSWER)
    board = open_board(policy={"attempts": 2, "backoff": 0})

    with pytest.raises(RateLimited) as caught:
        await board.llm().complete("Hi")

    assert caught.value.attempts == len(server.requests) == 2


async def test_stream_is_retried_only_before_its_first_event(
    server: FaultServer, open_board: OpenBoard
) -> None:
    """What was handed on is in the error."""
    chunks = wire.content_stream("Hel", "lo.")
    server.respond(
        Scripted.events(Fault.RESET), Scripted.events(chunks[0], Fault.CLOSE)
    )

    with pytest.raises(ConnectionFailed) as caught:
        async with open_board().llm().stream("Hi") as stream:
            async for _ in stream:
                pass

    assert len(server.requests) == 2
    assert caught.value.in_stream
    assert caught.value.partial.text == "Hel"


async def test_key_that_the_service_repeats_is_hidden(
    server: FaultServer, open_board: OpenBoard
) -> None:
    """It is nowhere in the error or its causes."""
    told = wire.error("INVALID_ARGUMENT", "Wrong key: key-sentinel", wire.error_info())
    server.respond(Scripted.json(told, status=400))

    with pytest.raises(Exception, match="Wrong key") as caught:
        await open_board().llm().complete("Hi")

    error = caught.value
    assert "key-sentinel" not in f"{error} {error!r} {error.__cause__} {vars(error)}"


def test_missing_key_is_a_problem_of_the_settings() -> None:
    """It names the variables."""
    section = {"provider": "gemini", "model": "m"}
    board = Pegboard.isolated({"llm": {"default": section}})

    with pytest.raises(SettingsError, match="GEMINI_API_KEY or GOOGLE_API_KEY"):
        board.llm()


@pytest.mark.parametrize("name", ["GEMINI_API_KEY", "GOOGLE_API_KEY"])
async def test_key_comes_from_the_usual_variables(
    server: FaultServer, name: str
) -> None:
    """Both names are in use."""
    section = {"provider": "gemini", "model": "m", "base_url": server.url}
    server.respond(ANSWER)
    settings = {"llm": {"default": section}}

    async with Pegboard.isolated(settings, environ={name: "key-1"}) as board:
        await board.llm().complete("Hi")

    assert server.requests[0].headers["x-goog-api-key"] == "key-1"


async def test_sdk_reads_no_variables(
    server: FaultServer, open_board: OpenBoard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would ask for the key, the place, the project and the version."""
    for name, value in {
        "GOOGLE_API_KEY": "of-the-environment",
        "GEMINI_API_KEY": "of-the-environment",
        "GOOGLE_GENAI_USE_VERTEXAI": "true",
        "GOOGLE_GENAI_USE_ENTERPRISE": "true",
        "GOOGLE_CLOUD_PROJECT": "of-the-environment",
        "GOOGLE_CLOUD_LOCATION": "of-the-environment",
        "GOOGLE_GEMINI_BASE_URL": "http://127.0.0.1:1",
        "GOOGLE_VERTEX_BASE_URL": "http://127.0.0.1:1",
        "GOOGLE_GENAI_API_VERSION": "of-the-environment",
        "GOOGLE_GENAI_CLIENT_MODE": "replay",
        "GOOGLE_GENAI_REPLAYS_DIRECTORY": "/nowhere",
        "GOOGLE_GENAI_REPLAY_ID": "of-the-environment",
    }.items():
        monkeypatch.setenv(name, value)
    server.respond(ANSWER)

    await open_board().llm().complete("Hi")

    (request,) = server.requests
    assert request.path == "/v1/models/gemini-3-flash:generateContent"
    assert "of-the-environment" not in str(request.headers)
