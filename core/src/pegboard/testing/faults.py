"""
Prove that a model of a service over HTTP fails as it should, whatever the service does.

    from pegboard.testing import anthropic_wire as wire
    from pegboard.testing.faults import FaultyServiceContract
    from pegboard.testing.scripted import Scripted


    class TestFaults(FaultyServiceContract):
        whole = Scripted.json(wire.message(wire.text("Hello.")))
        stream = Scripted.events(*wire.message_stream("Hel", "lo."))

        @pytest.fixture
        def settings(self, server):
            return {"provider": "anthropic", "base_url": server.url, ...}

``whole`` and ``stream`` are answers that say "Hello."; ``refusal`` says how the service
puts its errors. Requests are counted where they arrive, so that an SDK that retries by
itself is found out. What cannot be kept is left out with a reason; see
``pegboard.testing.standard``.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
import pytest_asyncio

from pegboard import Pegboard, Reply
from pegboard.errors import CallError, ConnectionFailed, InvalidReply, Timeout

from ._model_kit import ONCE, MakeBoard, ModelKit
from .fault_server import FaultServer
from .leaks import no_leaks
from .scripted import MEANINGLESS_RETRY_AFTER, Fault, Scripted, retry_after

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable, Mapping

    from pegboard import LLM

SAID = "Hello."
SECRET = "sentinel-5ec2e7-of-the-kit"  # noqa: S105 - it must be none
HOPELESS = (400, 401, 403, 404, 422)
HOPEFUL = (408, 429, 500, 502, 503, 504, 529)
NOW = 1_800_000_000.0
SOON: Mapping[str, Any] = {"attempts": 1, "deadline": 0.5}
"""The policy where something hangs."""
OFTEN: Mapping[str, Any] = {"attempts": 3, "backoff": 0}
"""The policy where something is to be repeated."""
ways = pytest.mark.parametrize("way", ["complete", "stream"])


class Heard:
    """What came of a call: the words, and the error if there was one."""

    def __init__(self) -> None:
        self.text = ""
        self.error: CallError | None = None


@pytest.mark.asyncio
class FaultyServiceContract(ModelKit):
    """What every model of a service over HTTP must do. Inherit it; see the module."""

    whole: ClassVar[Scripted]
    """A whole reply that says "Hello."."""
    stream: ClassVar[Scripted]
    """The same as a stream, in more than one piece."""

    def refusal(self, status: int) -> Scripted:
        """Return how the service refuses with *status*."""
        return Scripted.json({"error": {"message": "It went wrong."}}, status=status)

    @pytest_asyncio.fixture
    async def server(self) -> AsyncGenerator[FaultServer]:
        """Run the server, for the fixture ``settings`` to tell where it is."""
        async with FaultServer() as running:
            yield running

    def answer(self, way: str) -> Scripted:
        """Return what a service in order answers."""
        return self.whole if way == "complete" else self.stream

    async def hear(self, board: Pegboard, way: str) -> Heard:
        """Return what comes of asking."""
        heard, llm = Heard(), board.llm("kit")
        try:
            if way == "complete":
                heard.text = (await llm.complete("Hi.", max_tokens=100)).text
                return heard
            async with llm.stream("Hi.", max_tokens=100) as stream:
                async for word in stream.text:
                    heard.text += word
        except CallError as error:
            heard.error = error
        return heard

    @ways
    async def test_a_sound_service_is_heard(
        self, server: FaultServer, make_board: MakeBoard, way: str
    ) -> None:
        """The answers of the kit are read as what they say."""
        server.respond(self.answer(way))
        async with make_board() as board:
            heard = await self.hear(board, way)

        assert (heard.text, heard.error) == (SAID, None)

    @ways
    @pytest.mark.parametrize("status", HOPELESS)
    async def test_what_is_hopeless_is_sent_once(
        self, server: FaultServer, make_board: MakeBoard, status: int, way: str
    ) -> None:
        """What the service refuses for good is not asked again, by no layer."""
        server.respond(*[self.refusal(status)] * 9)
        async with make_board(policy=OFTEN) as board:
            error = (await self.hear(board, way)).error

        assert error is not None
        assert not error.retryable
        assert (error.status, error.attempts) == (status, 1)
        assert len(server.requests) == 1, "Something besides the policy retries."

    @ways
    @pytest.mark.parametrize("status", HOPEFUL)
    async def test_what_may_pass_is_sent_as_often_as_the_policy_says(
        self, server: FaultServer, make_board: MakeBoard, status: int, way: str
    ) -> None:
        """The policy repeats, and nothing else does."""
        server.respond(*[self.refusal(status)] * 9)
        async with make_board(policy=OFTEN) as board:
            error = (await self.hear(board, way)).error

        assert error is not None
        assert error.retryable
        assert (error.status, error.attempts) == (status, 3)
        assert len(server.requests) == 3, "Something besides the policy retries."

    @pytest.mark.parametrize("spelling", retry_after(7, now=NOW))
    async def test_wait_that_is_asked_for_is_known(
        self,
        server: FaultServer,
        settings: dict[str, Any],
        plugins: Iterable[object],
        spelling: str,
    ) -> None:
        """Retry-After is read in each of its spellings."""
        asked = retry_after(7, now=NOW)[spelling]
        server.respond(self.refusal(429).with_headers(asked))
        error = await self._refused(settings, plugins)

        assert error.retry_after == 7

    @pytest.mark.parametrize("value", MEANINGLESS_RETRY_AFTER)
    async def test_senseless_wait_is_ignored(
        self,
        server: FaultServer,
        settings: dict[str, Any],
        plugins: Iterable[object],
        value: str,
    ) -> None:
        """A header that says nothing breaks nothing."""
        server.respond(self.refusal(429).with_headers({"retry-after": value}))
        error = await self._refused(settings, plugins)

        assert error.retry_after is None

    @ways
    async def test_nobody_there_is_told(
        self, server: FaultServer, make_board: MakeBoard, way: str
    ) -> None:
        """A connection that is refused has sent nothing, and is worth repeating."""
        await server.__aexit__(None, None, None)
        async with make_board(policy=ONCE) as board:
            error = (await self.hear(board, way)).error

        assert isinstance(error, ConnectionFailed)
        assert (error.retryable, error.request_sent) == (True, "no")

    @ways
    @pytest.mark.parametrize("fault", [Fault.RESET, Fault.CLOSE])
    async def test_lost_connection_is_told(
        self, server: FaultServer, make_board: MakeBoard, way: str, fault: Fault
    ) -> None:
        """The service may have acted on a request that it did not answer."""
        server.respond(*[Scripted(before=fault)] * 9)
        async with make_board(policy=ONCE) as board:
            error = (await self.hear(board, way)).error

        assert isinstance(error, ConnectionFailed)
        assert error.request_sent != "no"
        assert len(server.requests) == 1, "Something besides the policy retries."

    @ways
    @pytest.mark.parametrize("place", ["head", "body"])
    async def test_silence_is_left(
        self, server: FaultServer, make_board: MakeBoard, way: str, place: str
    ) -> None:
        """A silent service is given up, and its connection closed."""
        headless = Scripted(before=Fault.HANG)
        bodiless = self.answer(way).broken_at(0, Fault.HANG)
        server.respond(headless if place == "head" else bodiless)
        async with make_board(policy=SOON) as board:
            error = (await self.hear(board, way)).error
            request = await server.next_request()
            await request.left.wait()

        assert isinstance(error, Timeout)

    async def test_half_an_answer_is_an_error(
        self, server: FaultServer, make_board: MakeBoard
    ) -> None:
        """JSON that ends in its middle is no reply, though HTTP finds it whole."""
        server.respond(self.whole.shortened(len(self.whole.steps[0]) // 2))  # type: ignore[arg-type]  # one chunk of bytes
        async with make_board(policy=ONCE) as board:
            error = (await self.hear(board, "complete")).error

        assert isinstance(error, InvalidReply)

    @ways
    @pytest.mark.parametrize(
        "page",
        [
            Scripted(body=b"<html>", headers={"content-type": "text/html"}),
            Scripted.json([]),
            Scripted.json({}),
        ],
        ids=["a page", "a list", "an empty object"],
    )
    async def test_something_else_is_an_error(
        self, server: FaultServer, make_board: MakeBoard, way: str, page: Scripted
    ) -> None:
        """What is no answer of the service is never taken for one."""
        server.respond(*[page] * 9)
        async with make_board(policy=ONCE) as board:
            heard = await self.hear(board, way)

        assert heard.error is not None
        assert type(heard.error) is not CallError, "The plugin let it through."

    async def test_stream_says_nothing_twice(
        self, server: FaultServer, make_board: MakeBoard
    ) -> None:
        """Cut anywhere, it is repeated only while nothing was said."""
        for count in range(len(self.stream.steps)):
            cut = self.stream.broken_at(count, Fault.CLOSE)
            server.respond(cut, self.stream)
            before = len(server.requests)
            async with make_board(policy=OFTEN) as board:
                heard = await self.hear(board, "stream")
            asked = len(server.requests) - before
            self._check_cut(heard, asked, count)
            if asked == 1:  # take the answer that was not needed off the script
                async with make_board() as board:
                    await self.hear(board, "stream")

    async def test_stream_that_falls_silent_is_left(
        self, server: FaultServer, make_board: MakeBoard
    ) -> None:
        """What it had said is in the error, and the connection is closed."""
        for count in range(1, len(self.stream.steps)):
            server.respond(self.stream.broken_at(count, Fault.HANG))
            async with make_board(policy=SOON) as board:
                heard = await self.hear(board, "stream")
                request = await server.next_request()
                if heard.error is None:
                    continue  # all that matters had been said
                await request.left.wait()

            assert isinstance(heard.error, Timeout)
            assert _partial(heard.error) == heard.text

    async def test_drops_are_a_stream(
        self, server: FaultServer, make_board: MakeBoard
    ) -> None:
        """However the network cuts it, a stream says the same."""
        server.respond(self.stream.trickled(1))
        async with make_board() as board:
            heard = await self.hear(board, "stream")

        assert (heard.text, heard.error) == (SAID, None)

    async def test_left_stream_is_closed(
        self, server: FaultServer, make_board: MakeBoard
    ) -> None:
        """The service sees at once that nobody listens any more."""
        server.respond(self.stream.broken_at(len(self.stream.steps) - 1, Fault.HANG))
        bounded = {"attempts": 1, "deadline": self.patience}
        async with make_board(policy=bounded) as board:
            await _leave(board.llm("kit"))
            request = await server.next_request()
            async with asyncio.timeout(self.patience):
                await request.left.wait()

    @ways
    async def test_cancelled_call_is_closed(
        self, server: FaultServer, make_board: MakeBoard, way: str
    ) -> None:
        """The service sees that nobody waits any more, and nothing is left open."""
        server.respond(Scripted(before=Fault.HANG))
        async with no_leaks(patience=self.patience), make_board() as board:
            call = asyncio.create_task(self.hear(board, way))
            request = await server.next_request()
            call.cancel()
            await asyncio.wait([call])
            async with asyncio.timeout(self.patience):
                await request.left.wait()

        assert call.cancelled()

    async def test_errors_show_no_secret(
        self, server: FaultServer, make_board: MakeBoard, settings: dict[str, Any]
    ) -> None:
        """Not even if the service repeats the key that it was sent."""
        keys = [name for name in ("api_key", "token") if name in settings]
        echo = Scripted.json({"error": {"message": f"Bad key {SECRET}."}}, status=401)
        server.respond(echo)
        async with make_board(policy=ONCE, **dict.fromkeys(keys, SECRET)) as board:
            error = (await self.hear(board, "complete")).error

        assert error is not None
        assert not keys or SECRET not in f"{error} {vars(error)}"

    async def _refused(
        self, settings: dict[str, Any], plugins: Iterable[object]
    ) -> CallError:
        """Return the error of a call that is made at ``NOW``."""
        kit = {"llm": {"kit": {**settings, "policy": ONCE}}}
        board = Pegboard.isolated(kit, plugins=plugins, clock=lambda: NOW)
        async with board:
            error = (await self.hear(board, "complete")).error
        assert error is not None
        return error

    def _check_cut(self, heard: Heard, asked: int, count: int) -> None:
        """Assert that a stream that was cut before step *count* ended rightly."""
        at = f"Cut before step {count}"
        if heard.error is None:
            assert heard.text == SAID, f"{at}, words came twice or were lost."
            return
        assert asked == 1, f"{at}, it was repeated after its first word."
        assert heard.error.in_stream, f"{at}, the error does not say where it was."
        assert SAID.startswith(heard.text), f"{at}, words came twice."
        assert _partial(heard.error) == heard.text, f"{at}, what had come is lost."


def _partial(error: CallError) -> str:
    return error.partial.text if isinstance(error.partial, Reply) else ""


async def _leave(llm: LLM) -> None:
    async with llm.stream("Hi.", max_tokens=100) as stream:
        async for _ in stream.text:
            break
