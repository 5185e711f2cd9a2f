"""The whole stack: the real SDK under the policy, against a server that fails."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

import pytest
from pegboard import Pegboard, errors, hookimpl
from pegboard.observers import CallRetried
from pegboard.testing import anthropic_wire as wire
from pegboard.testing.fault_server import Fault, FaultServer, Scripted, retry_after

OpenBoard = Callable[..., Pegboard]
NOW = 1_800_000_000.0
ANSWER = Scripted.json(wire.message())
WORDS = ("Hel", "lo", ".")
STREAM = Scripted.events(*wire.message_stream(*WORDS))
SILENCE = Scripted.events(Fault.HANG)
HOPELESS = (400, 401, 402, 403, 404, 405, 409, 410, 412, 413, 422, 451)
HOPEFUL = (408, 425, 429, 500, 502, 503, 504, 520, 529)

parametrize_ways = pytest.mark.parametrize("way", ["complete", "stream"])


def refusal(status: int) -> Scripted:
    """Return the answer of a service that refuses with *status*."""
    return Scripted.json(wire.error("api_error"), status=status)


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


# --- attempts, counted where they arrive ---


@parametrize_ways
@pytest.mark.parametrize("status", HOPELESS)
async def test_hopeless_request_is_sent_once(
    server: FaultServer, open_board: OpenBoard, status: int, way: str
) -> None:
    """What the service refuses for good is not asked again."""
    server.respond(*[refusal(status)] * 9)

    _, error = await ask(open_board(), way)

    assert isinstance(error, errors.CallError)
    assert (error.status, error.attempts, len(server.requests)) == (status, 1, 1)


@parametrize_ways
@pytest.mark.parametrize("status", HOPEFUL)
async def test_hopeful_request_is_sent_as_often_as_the_policy_says(
    server: FaultServer, open_board: OpenBoard, status: int, way: str
) -> None:
    """The SDK adds nothing: it says itself that it has retried nothing."""
    server.respond(*[refusal(status)] * 9)

    _, error = await ask(open_board(policy={"attempts": 3, "backoff": 0}), way)

    assert isinstance(error, errors.CallError)
    assert (error.status, error.attempts, len(server.requests)) == (status, 3, 3)
    assert {"0"} == {r.headers["x-stainless-retry-count"] for r in server.requests}


async def test_service_cannot_make_the_sdk_retry(
    server: FaultServer, open_board: OpenBoard
) -> None:
    """The header by which the SDK lets itself be told counts for nothing."""
    server.respond(*[refusal(400).with_headers({"x-should-retry": "true"})] * 9)

    await ask(open_board())

    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "unusable",
    [
        ANSWER.shortened(40),
        Scripted(body=b"<html>", headers={"content-type": "text/html"}),
        Scripted.json([]),
        Scripted.json({}),
    ],
)
async def test_unusable_answer_is_not_asked_for_again(
    server: FaultServer, open_board: OpenBoard, unusable: Scripted
) -> None:
    """It is billed, and would likely be as unusable the next time."""
    server.respond(*[unusable] * 9)

    _, error = await ask(open_board())

    assert isinstance(error, errors.InvalidReply)
    assert len(server.requests) == 1


@pytest.mark.parametrize("fault", [Fault.RESET, Fault.CLOSE])
async def test_lost_connection_is_tried_again(
    server: FaultServer, open_board: OpenBoard, fault: Fault
) -> None:
    """Before the answer and within it, when it is a whole one."""
    cut = Scripted(body=[b'{"id"', fault])
    server.respond(Scripted(before=fault), cut, ANSWER)

    text, error = await ask(open_board())

    assert (text, error, len(server.requests)) == ("Hello.", None, 3)


# --- Retry-After ---


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
    server.respond(refusal(429).with_headers(retry_after(7, now=NOW)[spelling]))
    watcher = Watcher()
    board = open_board(plugins=[watcher], clock=lambda: NOW)

    call = asyncio.create_task(ask(board))
    await asyncio.wait([call, watcher.retried], return_when=asyncio.FIRST_COMPLETED)
    call.cancel()

    retried = watcher.retried.result()
    assert (retried.wait, retried.error.retry_after) == (7, 7)
    assert len(server.requests) == 1


@pytest.mark.parametrize("spelling", retry_after(7, now=NOW))
async def test_wait_that_the_deadline_forbids_is_not_begun(
    server: FaultServer, open_board: OpenBoard, spelling: str
) -> None:
    """The caller is told at once how long the service wants to be left alone."""
    server.respond(refusal(429).with_headers(retry_after(7, now=NOW)[spelling]))
    watcher = Watcher()
    policy = {"deadline": 6.5, "backoff": 0}
    board = open_board(plugins=[watcher], clock=lambda: NOW, policy=policy)

    _, error = await ask(board)

    assert isinstance(error, errors.RateLimited)
    assert (error.retry_after, len(server.requests)) == (7, 1)
    assert not watcher.retried.done()


async def test_second_attempt_comes_after_the_wait(
    server: FaultServer, open_board: OpenBoard
) -> None:
    """A short one is really waited for, and the call succeeds."""
    busy = refusal(503).with_headers(retry_after(0.05, now=NOW)["milliseconds"])
    server.respond(busy, ANSWER)

    assert await ask(open_board()) == ("Hello.", None)
    assert len(server.requests) == 2


# --- silence ---


async def warm(board: Pegboard, server: FaultServer) -> None:
    """Make the first call, so that what the SDK does but once is not in the way."""
    server.respond(STREAM)
    assert await ask(board, "stream") == ("Hello.", None)
    await server.next_request()


@pytest.mark.parametrize(
    "silence",
    {
        "before the head": Scripted(before=Fault.HANG),
        "after the head": Scripted(body=[Fault.HANG]),
        "in the middle": Scripted(body=[b'{"id"', Fault.HANG]),
        "slow drip": ANSWER.trickled(1, partial(asyncio.sleep, 0.05)),
    }.values(),
)
async def test_silent_service_is_left_by_the_deadline(
    server: FaultServer, open_board: OpenBoard, silence: Scripted
) -> None:
    """The connection is given up, so that the service can stop, too."""
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
    server.respond(STREAM.broken_at(4, Fault.HANG))

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
    start, ping, block, word, *_ = STREAM.steps
    drip = Scripted.events(start, ping, block, *[word] * 999)
    size = len(start)
    server.respond(drip.trickled(size, partial(asyncio.sleep, 0.01)))

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
    server.respond(SILENCE, ANSWER if way == "complete" else STREAM)

    assert await ask(board, way) == ("Hello.", None)
    request = await server.next_request()
    await request.left.wait()
    assert len(server.requests) == 3


# --- streams that break ---


def spoken(stream: Scripted, count: int) -> str:
    """Return the words in the first *count* chunks of *stream*."""
    told = b"".join(stream.steps[:count])
    quoted = [f'"{word}"'.encode() for word in WORDS]
    return "".join(
        word for word, quote in zip(WORDS, quoted, strict=True) if quote in told
    )


every_cut = pytest.mark.parametrize("count", range(len(STREAM.steps)))


@every_cut
async def test_stream_is_repeated_only_while_nothing_was_said(
    server: FaultServer, open_board: OpenBoard, count: int
) -> None:
    """No word comes twice and none is lost: the error has what had come."""
    whole = STREAM
    server.respond(whole.broken_at(count, Fault.CLOSE), whole)
    said = spoken(whole, count)

    text, error = await ask(open_board(), "stream")

    if not said:
        assert (text, error, len(server.requests)) == ("Hello.", None, 2)
    else:
        assert isinstance(error, errors.ConnectionFailed)
        assert (text, error.partial.text, error.in_stream) == (said, said, True)
        assert (error.attempts, len(server.requests)) == (1, 1)


@every_cut
async def test_reset_stream_says_nothing_twice(
    server: FaultServer, open_board: OpenBoard, count: int
) -> None:
    """A reset may swallow words that were under way; none is repeated for it."""
    whole = STREAM
    server.respond(whole.broken_at(count, Fault.RESET), whole)

    text, error = await ask(open_board(), "stream")

    if error is None:
        assert (text, len(server.requests)) == ("Hello.", 2)
    else:
        assert text
        assert spoken(whole, count).startswith(text)
        assert (error.partial.text, len(server.requests)) == (text, 1)


async def test_error_after_the_status_is_not_a_short_answer(
    server: FaultServer, open_board: OpenBoard
) -> None:
    """A service that breaks down while it speaks is heard to do so."""
    server.respond(STREAM.broken_at(4, wire.error_event("overloaded_error")))

    text, error = await ask(open_board(), "stream")

    assert isinstance(error, errors.Overloaded)
    assert (text, error.partial.text, error.in_stream) == ("Hel", "Hel", True)
    assert len(server.requests) == 1


async def test_stream_in_crumbs_is_the_same_stream(
    server: FaultServer, open_board: OpenBoard
) -> None:
    """Wherever the network cuts the bytes."""
    server.respond(STREAM.trickled(1))

    assert await ask(open_board(), "stream") == ("Hello.", None)
