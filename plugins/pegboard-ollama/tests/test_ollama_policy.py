"""The whole stack: the SDK's client under the policy, against a server that fails."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

import pytest
from pegboard import Pegboard, errors, hookimpl
from pegboard.observers import CallRetried
from pegboard.testing import ollama_wire as wire
from pegboard.testing.fault_server import Fault, FaultServer, Scripted, retry_after

OpenBoard = Callable[..., Pegboard]
NOW = 1_800_000_000.0
ANSWER = Scripted.json(wire.chat())
WORDS = ("Hel", "lo", ".")
STREAM = Scripted.lines(*wire.chat_stream(*WORDS))
HOPELESS = (400, 401, 402, 403, 404, 405, 409, 410, 412, 413, 422, 451, 499)
HOPEFUL = (408, 425, 429, 500, 502, 503, 504, 520, 529)

parametrize_ways = pytest.mark.parametrize("way", ["complete", "stream"])


def refusal(status: int) -> Scripted:
    """Return the answer of a server that refuses with *status*."""
    return Scripted.json(wire.error("no"), status=status)


async def ask(board: Pegboard, way: str = "complete") -> tuple[str, Exception | None]:
    """Return the words that the board's model said, and the error that ended them."""
    words: list[str] = []
    try:
        if way == "complete":
            return (await board.llm().complete("Hi")).text, None
        async with board.llm().stream("Hi") as stream:
            async for word in stream.text:
                words.append(word)
    except errors.CallError as error:
        return "".join(words), error
    return "".join(words), None


@parametrize_ways
@pytest.mark.parametrize("status", HOPELESS)
async def test_hopeless_request_is_sent_once(
    server: FaultServer, open_board: OpenBoard, status: int, way: str
) -> None:
    """What the server refuses for good is not asked again."""
    server.respond(*[refusal(status)] * 9)

    _, error = await ask(open_board(), way)

    assert isinstance(error, errors.CallError)
    assert (error.status, error.attempts, len(server.requests)) == (status, 1, 1)


@parametrize_ways
@pytest.mark.parametrize("status", HOPEFUL)
async def test_hopeful_request_is_sent_as_often_as_the_policy_says(
    server: FaultServer, open_board: OpenBoard, status: int, way: str
) -> None:
    """No more and no less."""
    server.respond(*[refusal(status)] * 9)

    _, error = await ask(open_board(policy={"attempts": 3, "backoff": 0}), way)

    assert isinstance(error, errors.CallError)
    assert (error.status, error.attempts, len(server.requests)) == (status, 3, 3)


@pytest.mark.parametrize(
    "unusable",
    [
        Scripted.json(wire.chat()).shortened(40),
        Scripted(body=b"<html>", headers={"content-type": "text/html"}),
        Scripted.json([]),
        Scripted.json({}),
    ],
)
async def test_unusable_answer_is_not_asked_for_again(
    server: FaultServer, open_board: OpenBoard, unusable: Scripted
) -> None:
    """It would likely be as unusable the next time."""
    server.respond(*[unusable] * 9)

    _, error = await ask(open_board())

    assert isinstance(error, errors.InvalidReply)
    assert len(server.requests) == 1


@pytest.mark.parametrize("fault", [Fault.RESET, Fault.CLOSE])
async def test_lost_connection_is_tried_again(
    server: FaultServer, open_board: OpenBoard, fault: Fault
) -> None:
    """Before the answer and within it, when it is a whole one."""
    cut = Scripted(body=[b'{"model"', fault])
    server.respond(Scripted(before=fault), cut, ANSWER)

    text, error = await ask(open_board())

    assert (text, error, len(server.requests)) == ("Hello.", None, 3)


class Watcher:
    """Hears of the first retry, before its wait."""

    def __init__(self) -> None:
        self.retried: asyncio.Future[CallRetried] = asyncio.Future()

    @hookimpl
    def pegboard_observers(self) -> list[Watcher]:
        """Return itself."""
        return [self]

    def notify(self, event: object) -> None:
        """Keep what was said of a retry."""
        if isinstance(event, CallRetried):
            self.retried.set_result(event)


@pytest.mark.parametrize("spelling", retry_after(7, now=NOW))
async def test_retry_after_is_waited_for(
    server: FaultServer, open_board: OpenBoard, spelling: str
) -> None:
    """In each spelling, and nothing is sent meanwhile."""
    server.respond(refusal(503).with_headers(retry_after(7, now=NOW)[spelling]))
    watcher = Watcher()
    board = open_board(plugins=[watcher], clock=lambda: NOW)

    call = asyncio.create_task(ask(board))
    await asyncio.wait([call, watcher.retried], return_when=asyncio.FIRST_COMPLETED)
    call.cancel()

    retried = watcher.retried.result()
    assert (retried.wait, retried.error.retry_after) == (7, 7)
    assert len(server.requests) == 1


async def warm(board: Pegboard, server: FaultServer) -> None:
    """Make the first call, so that what is done but once is not in the way."""
    server.respond(STREAM)
    assert await ask(board, "stream") == ("Hello.", None)
    await server.next_request()


@pytest.mark.parametrize(
    "silence",
    {
        "before the head": Scripted(before=Fault.HANG),
        "after the head": Scripted(body=[Fault.HANG]),
        "in the middle": Scripted(body=[b'{"model"', Fault.HANG]),
        "slow drip": ANSWER.trickled(1, partial(asyncio.sleep, 0.05)),
    }.values(),
)
async def test_silent_server_is_left_by_the_deadline(
    server: FaultServer, open_board: OpenBoard, silence: Scripted
) -> None:
    """The SDK would wait for ever; the connection is given up at the other end too."""
    board = open_board(policy={"deadline": 0.5})
    await warm(board, server)
    server.respond(silence)

    _, error = await ask(board)
    request = await server.next_request()
    await request.left.wait()

    assert isinstance(error, errors.DeadlineExceeded)
    assert (error.attempts, len(server.requests)) == (1, 2)


async def test_stream_that_falls_silent_is_left_by_the_deadline(
    server: FaultServer, open_board: OpenBoard
) -> None:
    """What it had said is in the error, and it is not asked again."""
    board = open_board(policy={"deadline": 0.5})
    await warm(board, server)
    server.respond(STREAM.broken_at(1, Fault.HANG))

    text, error = await ask(board, "stream")
    request = await server.next_request()
    await request.left.wait()

    assert isinstance(error, errors.DeadlineExceeded)
    assert (text, error.partial.text, error.in_stream) == ("Hel", "Hel", True)
    assert len(server.requests) == 2


async def test_stream_that_never_ends_is_left_by_the_deadline(
    server: FaultServer, open_board: OpenBoard
) -> None:
    """Though each word comes soon: no pause is long enough to be noticed."""
    board = open_board(policy={"deadline": 0.5})
    await warm(board, server)
    word = STREAM.steps[0]
    drip = Scripted.lines(*[word] * 999)
    server.respond(drip.trickled(len(word), partial(asyncio.sleep, 0.01)))

    text, error = await ask(board, "stream")
    request = await server.next_request()
    await request.left.wait()

    assert isinstance(error, errors.DeadlineExceeded)
    assert text == error.partial.text
    assert len(server.requests) == 2


@parametrize_ways
async def test_silent_attempt_is_given_up_and_made_again(
    server: FaultServer, open_board: OpenBoard, way: str
) -> None:
    """The second one is answered, and the first one's connection is closed."""
    board = open_board(policy={"attempt_timeout": 0.5, "backoff": 0})
    await warm(board, server)
    server.respond(Scripted.lines(Fault.HANG), ANSWER if way == "complete" else STREAM)

    assert await ask(board, way) == ("Hello.", None)
    request = await server.next_request()
    await request.left.wait()
    assert len(server.requests) == 3


@pytest.mark.parametrize("count", range(len(STREAM.steps)))
async def test_stream_is_repeated_only_while_nothing_was_said(
    server: FaultServer, open_board: OpenBoard, count: int
) -> None:
    """No word comes twice and none is lost: the error has what had come."""
    server.respond(STREAM.broken_at(count, Fault.CLOSE), STREAM)
    said = "".join(WORDS[:count])

    text, error = await ask(open_board(), "stream")

    if not said:
        assert (text, error, len(server.requests)) == ("Hello.", None, 2)
    else:
        assert isinstance(error, errors.ConnectionFailed)
        assert (text, error.partial.text, error.in_stream) == (said, said, True)
        assert (error.attempts, len(server.requests)) == (1, 1)


async def test_error_after_the_status_is_not_a_short_answer(
    server: FaultServer, open_board: OpenBoard
) -> None:
    """A server that breaks down while it speaks is heard to do so."""
    server.respond(STREAM.broken_at(1, wire.error_line("out of memory")))

    text, error = await ask(open_board(), "stream")

    assert isinstance(error, errors.Unavailable)
    assert (text, error.partial.text, error.in_stream) == ("Hel", "Hel", True)
    assert len(server.requests) == 1


async def test_key_that_the_server_repeats_is_hidden(
    server: FaultServer, open_board: OpenBoard
) -> None:
    """It is nowhere in the error or its causes."""
    server.respond(Scripted.json(wire.error("Wrong key: ol-sentinel"), status=401))

    with pytest.raises(errors.Authentication, match="Wrong key") as caught:
        await open_board().llm().complete("Hi")

    error = caught.value
    assert "ol-sentinel" not in f"{error} {error!r} {error.__cause__} {error.__dict__}"


async def test_models_fail_apart(server: FaultServer, open_board: OpenBoard) -> None:
    """One that does not load does not keep the others from being asked."""
    server.respond(refusal(500), ANSWER)
    policy = {"attempts": 1, "breaker": {"failures": 1}}
    llm = open_board(policy=policy).llm()

    with pytest.raises(errors.Unavailable):
        await llm.complete("Hi", model="broken")
    with pytest.raises(errors.CircuitOpen):
        await llm.complete("Hi", model="broken")

    assert (await llm.complete("Hi")).text == "Hello."
