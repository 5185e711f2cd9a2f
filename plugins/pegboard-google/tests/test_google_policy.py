"""The whole stack: the real SDK under the policy, against a server that fails."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

import pytest
from pegboard import Pegboard, errors, hookimpl
from pegboard.observers import CallRetried
from pegboard.testing import gemini_wire as wire
from pegboard.testing.fault_server import Fault, FaultServer, Scripted, retry_after

OpenBoard = Callable[..., Pegboard]
NOW = 1_800_000_000.0
ANSWER = Scripted.json(wire.response())
WORDS = ("Hel", "lo", ".")
STREAM = Scripted.events(*wire.content_stream(*WORDS))
SILENCE = Scripted.events(Fault.HANG)
HOPELESS = (400, 401, 403, 404, 409, 412, 422, 451)
HOPEFUL = (408, 425, 429, 500, 502, 503, 504, 529)

parametrize_ways = pytest.mark.parametrize("way", ["complete", "stream"])


def refusal(status: int) -> Scripted:
    """Return the answer of a gateway that refuses with *status*."""
    return Scripted(status=status, body=b"No.")


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
    """The SDK adds nothing."""
    server.respond(*[refusal(status)] * 9)

    _, error = await ask(open_board(policy={"attempts": 3, "backoff": 0}), way)

    assert isinstance(error, errors.CallError)
    assert (error.status, error.attempts, len(server.requests)) == (status, 3, 3)


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


async def test_call_that_was_written_wrongly_is_asked_for_again(
    server: FaultServer, open_board: OpenBoard
) -> None:
    """It is a slip of the model, which another try mends. Shape from the SDK."""
    slip = Scripted.json(wire.response(finish_reason="MALFORMED_FUNCTION_CALL"))
    server.respond(slip, ANSWER)

    assert await ask(open_board()) == ("Hello.", None)
    assert len(server.requests) == 2


async def test_reply_that_is_to_be_continued_is_one_request(
    server: FaultServer, open_board: OpenBoard
) -> None:
    """The SDK would go on by itself. Shape from the SDK."""
    more = wire.response(finish_reason="CONTINUATION")
    more["candidates"][0]["continuationToken"] = "bW9yZQ=="
    server.respond(Scripted.json(more))

    reply = await open_board().llm().complete("Hi")

    assert reply.finish_reason == "length"
    assert reply.provider_metadata["gemini"]["continuationToken"] == "bW9yZQ=="
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


# --- how long to wait ---


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


BUSY = {
    "in the body": Scripted.json(
        wire.error("RESOURCE_EXHAUSTED", "Slow.", wire.retry_info(7)), status=429
    ),
    **{
        spelling: refusal(429).with_headers(headers)
        for spelling, headers in retry_after(7, now=NOW).items()
    },
}


@pytest.mark.parametrize("spelling", BUSY)
async def test_wait_of_the_service_is_kept(
    server: FaultServer, open_board: OpenBoard, spelling: str
) -> None:
    """In each spelling, and nothing is sent meanwhile."""
    server.respond(BUSY[spelling])
    watcher = Watcher()
    board = open_board(plugins=[watcher], clock=lambda: NOW)

    call = asyncio.create_task(ask(board))
    await asyncio.wait([call, watcher.retried], return_when=asyncio.FIRST_COMPLETED)
    call.cancel()

    retried = watcher.retried.result()
    assert (retried.wait, retried.error.retry_after) == (7, 7)
    assert len(server.requests) == 1


@pytest.mark.parametrize("spelling", BUSY)
async def test_wait_that_the_deadline_forbids_is_not_begun(
    server: FaultServer, open_board: OpenBoard, spelling: str
) -> None:
    """The caller is told at once how long the service wants to be left alone."""
    server.respond(BUSY[spelling])
    policy = {"deadline": 6.5, "backoff": 0}
    board = open_board(clock=lambda: NOW, policy=policy)

    _, error = await ask(board)

    assert isinstance(error, errors.RateLimited)
    assert (error.retry_after, len(server.requests)) == (7, 1)


# --- silence ---


async def warm(board: Pegboard, server: FaultServer) -> None:
    """Make the first call, so that what the SDK does but once is not in the way."""
    server.respond(STREAM, ANSWER)
    assert await ask(board, "stream") == ("Hello.", None)
    assert await ask(board) == ("Hello.", None)
    await server.next_request()
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
    assert (error.attempts, len(server.requests)) == (1, 3)


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
    assert len(server.requests) == 3


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
    assert len(server.requests) == 4


@parametrize_ways
async def test_cancelled_call_stops_the_service(
    server: FaultServer, open_board: OpenBoard, way: str
) -> None:
    """The connection is closed, whatever was being waited for."""
    board = open_board()
    await warm(board, server)
    server.respond(SILENCE)
    call = asyncio.create_task(ask(board, way))
    request = await server.next_request()

    call.cancel()
    await request.left.wait()

    with pytest.raises(asyncio.CancelledError):
        await call


async def test_stream_that_is_left_stops_the_service(
    server: FaultServer, open_board: OpenBoard
) -> None:
    """Before the next statement of the program runs."""
    server.respond(STREAM.broken_at(1, Fault.HANG))

    async with open_board().llm().stream("Hi") as stream:
        async for word in stream.text:
            assert word == "Hel"
            break

    await (await server.next_request()).left.wait()


# --- streams that break ---


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


async def test_stream_that_ends_too_soon_is_no_reply(
    server: FaultServer, open_board: OpenBoard
) -> None:
    """In good order as HTTP has it, but without a reason why it ended."""
    server.respond(STREAM.broken_at(2))

    text, error = await ask(open_board(), "stream")

    assert isinstance(error, errors.ConnectionFailed)
    assert (text, error.partial.text, error.in_stream) == ("Hello", "Hello", True)


@pytest.mark.parametrize("count", range(len(STREAM.steps)))
async def test_reset_stream_says_nothing_twice(
    server: FaultServer, open_board: OpenBoard, count: int
) -> None:
    """A reset may swallow words that were under way; none is repeated for it."""
    server.respond(STREAM.broken_at(count, Fault.RESET), STREAM)

    text, error = await ask(open_board(), "stream")

    if error is None:
        assert (text, len(server.requests)) == ("Hello.", 2)
    else:
        assert text
        assert "".join(WORDS[:count]).startswith(text)
        assert (error.partial.text, len(server.requests)) == (text, 1)


async def test_error_after_the_status_is_not_a_short_answer(
    server: FaultServer, open_board: OpenBoard
) -> None:
    """A service that breaks down while it speaks is heard to do so."""
    server.respond(STREAM.broken_at(1, wire.error_event("UNAVAILABLE")))

    text, error = await ask(open_board(), "stream")

    assert isinstance(error, errors.Unavailable)
    assert (text, error.partial.text, error.in_stream) == ("Hel", "Hel", True)
    assert len(server.requests) == 1


@pytest.mark.parametrize("size", [1, 7])
async def test_stream_in_crumbs_is_the_same_stream(
    server: FaultServer, open_board: OpenBoard, size: int
) -> None:
    """Wherever the network cuts the bytes, also within a letter."""
    first, *rest = wire.content_stream("Gr~", "e", ".")
    whole = Scripted.events(first.replace(b"~", "\u00fc\u00df".encode()), *rest)
    server.respond(whole.trickled(size))

    assert await ask(open_board(), "stream") == ("Gr\u00fc\u00dfe.", None)


async def test_letters_that_end_lines_elsewhere_end_none_here(
    server: FaultServer, open_board: OpenBoard
) -> None:
    """The service sends them as they are, within its JSON."""
    chunk = wire.content_stream("one~two")[0].replace(b"~", "\u2028".encode())
    server.respond(Scripted.events(chunk))

    assert await ask(open_board(), "stream") == ("one\u2028two", None)


async def test_stream_under_another_type_is_no_reply(
    server: FaultServer, open_board: OpenBoard
) -> None:
    """Something in between has answered."""
    server.respond(STREAM.of_type("text/plain"))

    text, error = await ask(open_board(), "stream")

    assert (text, type(error)) == ("", errors.InvalidReply)
    assert len(server.requests) == 1
