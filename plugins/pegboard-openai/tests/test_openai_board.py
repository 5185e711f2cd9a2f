"""The plugin as programs use it: through a board that finds it by its name."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from pegboard import Pegboard
from pegboard.errors import ConnectionFailed, RateLimited, SettingsError, Unsupported
from pegboard.testing import openai_wire as wire
from pegboard.testing.fault_server import Fault, FaultServer, Scripted

OpenBoard = Callable[..., Pegboard]
ANSWER = Scripted.json(wire.response())


async def test_completes(server: FaultServer, open_board: OpenBoard) -> None:
    """The default API of openai is Responses."""
    server.respond(ANSWER)

    assert (await open_board().llm().complete("Hi")).text == "Hello."
    assert server.requests[0].path == "/v1/responses"


async def test_streams(server: FaultServer, open_board: OpenBoard) -> None:
    """Words as they arrive, and the whole at the end."""
    server.respond(Scripted.events(*wire.response_stream("Hel", "lo.")))

    async with open_board().llm().stream("Hi") as stream:
        words = [word async for word in stream.text]

    assert words == ["Hel", "lo."]
    assert stream.reply.usage.total == 18


async def test_refuses_what_the_api_lacks(
    server: FaultServer, open_board: OpenBoard
) -> None:
    """Before anything is sent."""
    with pytest.raises(Unsupported, match="seed"):
        await open_board().llm().complete("Hi", seed=1)

    assert server.requests == []


async def test_only_the_policy_retries(
    server: FaultServer, open_board: OpenBoard
) -> None:
    """As often as it says, whatever the SDK would do."""
    busy = Scripted.json(wire.error(), status=429)
    server.respond(busy, busy, ANSWER)
    board = open_board(policy={"attempts": 2, "backoff": 0})

    with pytest.raises(RateLimited) as caught:
        await board.llm().complete("Hi")

    assert caught.value.attempts == len(server.requests) == 2


async def test_stream_is_retried_only_before_its_first_event(
    server: FaultServer, open_board: OpenBoard
) -> None:
    """What was handed on is in the error."""
    chunks = wire.response_stream("Hel", "lo.")
    server.respond(
        Scripted.events(Fault.RESET), Scripted.events(*chunks[:2], Fault.CLOSE)
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
    told = wire.error("Wrong key: sk-sentinel", code="invalid_api_key")
    server.respond(Scripted.json(told, status=401))

    with pytest.raises(Exception, match="Wrong key") as caught:
        await open_board().llm().complete("Hi")

    error = caught.value
    assert "sk-sentinel" not in f"{error} {error!r} {error.__cause__} {error.__dict__}"


def test_missing_key_is_a_problem_of_the_settings() -> None:
    """It names the variable."""
    section = {"provider": "deepseek", "model": "m"}
    board = Pegboard.isolated({"llm": {"default": section}})

    with pytest.raises(SettingsError, match="DEEPSEEK_API_KEY"):
        board.llm()


async def test_key_comes_from_the_variable_of_the_service(server: FaultServer) -> None:
    """That of another service is not looked at."""
    section = {"provider": "xai", "model": "m", "base_url": f"{server.url}/v1"}
    server.respond(Scripted.json(wire.chat_completion()))
    environ = {"XAI_API_KEY": "xai-1", "OPENAI_API_KEY": "sk-1"}

    async with Pegboard.isolated({"llm": {"default": section}}, environ=environ) as b:
        await b.llm().complete("Hi")

    assert server.requests[0].headers["authorization"] == "Bearer xai-1"
