"""What failures are: of the real Claude Code, of its SDK, of what it reports."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import claude_agent_sdk as sdk
import pytest
from pegboard import ChatRequest, Pegboard, errors
from pegboard.errors import CallError
from pegboard.testing import anthropic_wire as wire
from pegboard.testing.fault_server import Fault, FaultServer, Scripted
from pegboard_claude_code._errors import (
    BY_NAME,
    BY_SUBTYPE,
    is_failure,
    reported,
    translated,
)
from pegboard_claude_code._model import ClaudeCodeModel

OpenModel = Callable[..., ClaudeCodeModel]
OpenBoard = Callable[..., Pegboard]

STREAM = Scripted.events(*wire.message_stream("Hel", "lo."))
BY_TYPE = {
    "invalid_request_error": errors.InvalidRequest,
    "authentication_error": errors.Authentication,
    "billing_error": errors.QuotaExceeded,
    "permission_error": errors.PermissionDenied,
    "not_found_error": errors.NotFound,
    "conflict_error": errors.Conflict,
    "request_too_large": errors.InvalidRequest,
    "rate_limit_error": errors.RateLimited,
    "api_error": errors.Unavailable,
    "timeout_error": errors.Unavailable,
    "overloaded_error": errors.Overloaded,
}
ASKED_AGAIN = {"invalid_request_error", "not_found_error"}
"""Those for which Claude Code has a second way to ask, which it tries at once."""
BREAKS = {
    "reset": (Scripted(before=Fault.RESET), errors.ConnectionFailed),
    "reset in the middle": (STREAM.broken_at(4, Fault.RESET), errors.ConnectionFailed),
    "cut off": (STREAM.broken_at(4), errors.ConnectionFailed),
    "error inside": (STREAM.broken_at(4, wire.error_event()), errors.Overloaded),
    "no stream": (
        Scripted(headers={"content-type": "text/html"}, body=b"<html>"),
        errors.InvalidReply,
    ),
}


def result(**more: Any) -> sdk.ResultMessage:
    """Return the end of an answer that failed."""
    given = {"subtype": "success", "is_error": True, "result": "It went wrong."}
    fixed = {"duration_ms": 1, "duration_api_ms": 1, "num_turns": 1, "session_id": "s"}
    return sdk.ResultMessage(**{**fixed, **given, **more})


async def failure(model: ClaudeCodeModel, request: ChatRequest) -> CallError:
    """Return the error that a call ends with."""
    with pytest.raises(CallError) as caught:
        await model.complete(request)
    return caught.value


@pytest.mark.parametrize("kind", BY_TYPE)
async def test_errors_of_the_api(
    open_model: OpenModel, server: FaultServer, hello: ChatRequest, kind: str
) -> None:
    """Each has its class by its status, and is met once: the policy repeats."""
    answer = Scripted.json(wire.error(kind), status=wire.STATUS[kind])
    server.respond(answer, answer)

    error = await failure(open_model(), hello)

    assert type(error) is BY_TYPE[kind]
    assert error.status == wire.STATUS[kind]
    assert not error.in_stream
    assert len(server.requests) == (2 if kind in ASKED_AGAIN else 1)


@pytest.mark.parametrize("name", BREAKS)
async def test_connections_that_break(
    open_model: OpenModel, server: FaultServer, hello: ChatRequest, name: str
) -> None:
    """A stream that breaks is no reply, however it breaks."""
    answer, expected = BREAKS[name]
    server.respond(answer)

    error = await failure(open_model(), hello)

    assert type(error) is expected
    assert len(server.requests) == 1


async def test_a_stream_that_broke_says_so(
    open_board: OpenBoard, server: FaultServer
) -> None:
    """What had arrived is kept, and nothing is repeated."""
    server.respond(STREAM.broken_at(4))

    with pytest.raises(errors.ConnectionFailed) as caught:
        async with open_board().llm().stream("Hello?") as stream:
            _ = [event async for event in stream]

    assert caught.value.in_stream
    assert caught.value.partial.text == "Hel"
    assert caught.value.attempts == 1


async def test_the_policy_repeats(open_board: OpenBoard, server: FaultServer) -> None:
    """A failure that may pass is tried again, in a process of its own."""
    server.respond(Scripted.json(wire.error(), status=529))

    reply = await open_board().llm().complete("Hello?")

    assert reply.text == "Hello."
    assert len(server.requests) == 2


async def test_what_tools_may_have_done_is_not_repeated(
    open_model: OpenModel, server: FaultServer, hello: ChatRequest
) -> None:
    """Once Claude has begun to work with tools, a second attempt could do it twice."""
    server.respond(STREAM.broken_at(4))

    error = await failure(open_model(tools=["Bash"]), hello)

    assert isinstance(error, errors.ConnectionFailed)
    assert not error.retryable


async def test_no_key_is_an_authentication_error(
    open_model: OpenModel, server: FaultServer, hello: ChatRequest
) -> None:
    """Nobody's login is used in its place, and nothing is sent."""
    error = await failure(open_model(api_key=None), hello)

    assert type(error) is errors.Authentication
    assert "api_key" in error.message
    assert server.requests == []


async def test_a_prompt_that_is_too_long(
    open_model: OpenModel, server: FaultServer, hello: ChatRequest
) -> None:
    """Claude Code says by a word of its own why it ended."""
    told = "prompt is too long: 250000 tokens > 200000 maximum"
    body = wire.error("invalid_request_error", told)
    server.respond(*[Scripted.json(body, status=400)] * 2)

    error = await failure(open_model(), hello)

    assert type(error) is errors.ContextLengthExceeded


async def test_turns_have_a_bound(
    open_model: OpenModel, server: FaultServer, hello: ChatRequest, tmp_path: Path
) -> None:
    """An agent that does not come to an end is ended, and the option is named."""
    reading = wire.tool_use_block("Read", f'{{"file_path": "{tmp_path}/a"}}')
    again = Scripted.events(
        wire.message_start(), *reading, *wire.message_end("tool_use")
    )
    server.respond(again, again, again)
    model = open_model(tools=["Read"], max_turns=2)

    error = await failure(model, hello)

    assert type(error) is errors.InvalidReply
    assert "max_turns" in error.message
    assert len(server.requests) == 2


async def test_money_has_a_bound(open_model: OpenModel, hello: ChatRequest) -> None:
    """What costs more than it may is an error that names the option."""
    error = await failure(open_model(max_budget_usd=0.0000001), hello)

    assert type(error) is errors.QuotaExceeded
    assert "max_budget_usd" in error.message


@pytest.mark.parametrize(
    ("options", "expected", "told"),
    [
        ({"cli_path": "/no/such/claude"}, errors.NotFound, "cli_path"),
        ({"cli_path": "/bin/false"}, errors.Unavailable, "did not start"),
        ({"cli_path": "/etc/passwd"}, errors.NotFound, "cli_path"),
        ({"cwd": "/no/such/folder"}, errors.Unavailable, "/no/such/folder"),
    ],
)
async def test_what_does_not_start(
    open_model: OpenModel,
    hello: ChatRequest,
    options: dict[str, Any],
    expected: type[CallError],
    told: str,
) -> None:
    """Nothing was sent, and the message names what is wrong."""
    error = await failure(open_model(**options), hello)

    assert type(error) is expected
    assert told in error.message
    assert error.request_sent == "no"


async def test_what_starts_too_slowly(open_board: OpenBoard, tmp_path: Path) -> None:
    """A program that says nothing is given up after the connect timeout."""
    program = tmp_path / "mute"
    program.write_text("#!/bin/sh\nexec sleep 1000\n")
    program.chmod(0o755)
    policy = {"connect_timeout": 0.2, "attempts": 1}
    board = open_board(cli_path=str(program), policy=policy)

    with pytest.raises(errors.Timeout, match="connect_timeout"):
        await board.llm().complete("Hello?")


async def test_a_program_that_talks_nonsense(
    open_model: OpenModel, hello: ChatRequest, tmp_path: Path
) -> None:
    """What cannot be read is an error, not a reply."""
    program = tmp_path / "nonsense"
    program.write_text("#!/bin/sh\necho '{nonsense'\nexec sleep 1000\n")
    program.chmod(0o755)

    error = await failure(open_model(cli_path=str(program)), hello)

    assert type(error) is errors.Unavailable
    assert "JSON" in error.message


async def test_health_is_the_version(open_model: OpenModel) -> None:
    """It costs no tokens."""
    assert "Claude Code" in await open_model().ping()


@pytest.mark.parametrize("path", ["/no/such/claude", "/bin/false", "/etc/passwd"])
async def test_health_is_told(open_model: OpenModel, path: str) -> None:
    """It raises what a call would raise."""
    with pytest.raises(CallError, match="did not start"):
        await open_model(cli_path=path).ping()


@pytest.mark.parametrize(
    "kind",
    [
        *(sdk.ClaudeSDKError, sdk.CLIConnectionError, sdk.CLINotFoundError),
        *(sdk.ProcessError, sdk.ResultError, sdk.CLIJSONDecodeError),
    ],
)
def test_every_error_of_the_sdk_has_a_class(kind: type[Exception]) -> None:
    """None passes as it is, and what it says is kept."""
    more = (ValueError(),) if kind is sdk.CLIJSONDecodeError else ()
    told = "no reason given" if kind is sdk.ResultError else "It went wrong"

    error = translated(kind("It went wrong", *more))

    assert isinstance(error, CallError)
    assert told in error.message


@pytest.mark.parametrize("named", BY_NAME)
def test_errors_without_a_status(named: str) -> None:
    """Claude Code has a name for what it did not get from the API."""
    assert type(reported(result(), named)) is BY_NAME[named]


@pytest.mark.parametrize("subtype", BY_SUBTYPE)
def test_ends_that_are_failures(subtype: str) -> None:
    """A failure may be told by the subtype alone."""
    end = result(subtype=subtype, is_error=False, result=None, errors=["why"])

    assert is_failure(end)
    assert type(reported(end)) is BY_SUBTYPE[subtype]


def test_success_may_be_a_failure() -> None:
    """The subtype says success and the flag that it is an error: the flag is right."""
    assert is_failure(result())
    assert not is_failure(result(is_error=False))


def test_an_empty_account_is_no_bad_request() -> None:
    """The API reports it with the status 400; the name is nearer to the truth."""
    error = reported(result(api_error_status=400), "billing_error")

    assert type(error) is errors.QuotaExceeded


def test_a_limit_says_when_it_is_lifted() -> None:
    """Who waits, waits long enough; other errors ask for no wait."""
    limited = reported(result(api_error_status=429), "rate_limit", wait=60.0)
    other = reported(result(api_error_status=500), wait=60.0)

    assert limited.retry_after == 60.0
    assert other.retry_after is None
