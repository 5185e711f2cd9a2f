"""Runs as they happen."""

import asyncio

import pytest
from pegboard import (
    Finished,
    LLMProvider,
    PartDone,
    Pegboard,
    TextDelta,
    ToolCall,
    ToolUse,
    errors,
    hookimpl,
    sync,
)
from pegboard.builtin.fake import FakeModel, FakeOptions
from pegboard.testing import cancel_at_every_await, no_leaks, run_virtual
from pydantic import BaseModel

SCRIPT = [{"tool": "weather", "arguments": {"city": "Paris"}}, "It is sunny."]


class City(BaseModel):
    name: str


def weather(city: str) -> str:
    """Tell the weather."""
    return f"sunny in {city}"


def llm_of(*replies, **options):
    """Return a model that plays *replies*."""
    fake = {"provider": "fake", "replies": replies, **options}
    return Pegboard.isolated({"llm": {"default": fake}}).llm()


async def test_events_come_as_they_happen():
    """First what the model asks for, then what the tool says, then the answer."""
    async with llm_of(*SCRIPT).run_stream("?", tools=[weather]) as stream:
        seen = [event async for event in stream]

    kinds = [type(event) for event in seen]
    call = next(event.part for event in seen if isinstance(event, PartDone))
    use = next(event for event in seen if isinstance(event, ToolUse))
    assert kinds.index(PartDone) < kinds.index(ToolUse) < kinds.index(TextDelta)
    assert (use.call, use.result.content) == (call, "sunny in Paris")
    assert kinds.count(Finished) == 2


def test_each_tool_is_told_when_it_has_ended():
    """Those that are quick do not wait for the slow."""

    class Both(FakeModel):
        """Asks for two tools at once."""

        async def stream(self, request):
            if len(request.messages) == 1:
                for seconds in (5, 1):
                    given = {"seconds": seconds}
                    yield PartDone(ToolCall(f"id-{seconds}", "sleep", given))
            yield Finished(finish_reason="stop", model="both")

    async def sleep(seconds: float) -> float:
        """Sleep."""
        await asyncio.sleep(seconds)
        return seconds

    async def main():
        clock = asyncio.get_running_loop().time
        model = LLMProvider(
            name="both",
            factory=Both,
            options=FakeOptions,
            contracts={"ChatModel": 1, "StreamingChat": 1},
            capabilities=frozenset({"tools"}),
        )
        board = Pegboard.isolated(
            {"llm": {"default": {"provider": "both"}}}, plugins=[Offer(model)]
        )
        stream = board.llm().run_stream("?", tools=[sleep])
        return [(e.call.id, clock()) async for e in stream if isinstance(e, ToolUse)]

    assert run_virtual(main()) == [("id-1", 1), ("id-5", 5)]


class Offer:
    """A plugin with one model."""

    def __init__(self, model):
        self._model = model

    @hookimpl
    def pegboard_llm_providers(self):
        return [self._model]


async def test_run_is_there_at_the_end():
    """It is the one that run would have returned."""
    async with llm_of(*SCRIPT).run_stream("?", tools=[weather]) as stream:
        words = [text async for text in stream.text]
    expected = await llm_of(*SCRIPT).run("?", tools=[weather])

    assert "".join(words) == "It is sunny."
    assert stream.run.messages == expected.messages
    assert stream.run.usage == expected.usage


async def test_run_is_not_there_before_the_end():
    """Half a run is none."""
    stream = llm_of(*SCRIPT).run_stream("?", tools=[weather])

    with pytest.raises(errors.InvalidReply, match="Read the stream to its end"):
        _ = stream.run


async def test_values_come_at_the_end():
    """With a type as output, the run has the value."""
    script = [{"tool": "final_answer", "arguments": {"name": "Ulm"}}]
    async with llm_of(*script).run_stream("?", output=City) as stream:
        async for _ in stream:
            pass

    assert stream.run.output == City(name="Ulm")


async def test_bounds_hold():
    """An error of the run reaches the reader, with what was done."""
    stream = llm_of(*SCRIPT[:1]).run_stream("?", tools=[weather], max_rounds=2)

    with pytest.raises(errors.BoundReached) as caught:
        async for _ in stream:
            pass

    assert caught.value.operation == "run_stream"
    assert caught.value.partial.rounds == 2


def test_timeout_is_that_of_the_run():
    """It ends what the run does; the reader may take all the time there is."""

    async def sleep(seconds: float) -> None:
        """Sleep."""
        await asyncio.sleep(seconds)

    async def read(seconds):
        script = [{"tool": "sleep", "arguments": {"seconds": seconds}}, "done"]
        stream = llm_of(*script).run_stream("?", tools=[sleep], timeout=10)
        async for _ in stream:
            await asyncio.sleep(8)
        return stream.run.text

    assert run_virtual(read(1)) == "done"
    with pytest.raises(errors.DeadlineExceeded):
        run_virtual(read(11))


def test_left_run_is_ended():
    """Who leaves the loop ends the tools that run."""
    ended = []

    async def sleep() -> None:
        """Sleep long."""
        try:
            await asyncio.sleep(100)
        finally:
            ended.append(asyncio.get_running_loop().time())

    async def main():
        stream = llm_of({"tool": "sleep"}).run_stream("?", tools=[sleep])
        async with no_leaks(), stream:
            async for event in stream:
                if isinstance(event, Finished):
                    await asyncio.sleep(3)
                    break

    run_virtual(main())

    assert ended == [3]


def test_cancelled_reader_leaves_nothing():
    """Cancelled wherever it waits, the reader takes the run with it."""

    async def check():
        assert len(asyncio.all_tasks()) <= 2

    def make():
        async def read():
            stream = llm_of(*SCRIPT, delay=1).run_stream("?", tools=[weather])
            async with stream:
                return [event async for event in stream]

        return read()

    assert run_virtual(cancel_at_every_await(make, check)) >= 3


async def test_refusals_come_at_once():
    """What cannot be is said before the first event is asked for."""
    with pytest.raises(errors.Unsupported, match="does not support tools"):
        llm_of(capabilities=[]).run_stream("?", tools=[weather])


def test_blocking_twin():
    """The same events, in a plain loop."""
    settings = {"llm": {"default": {"provider": "fake", "replies": SCRIPT}}}
    with (
        sync.Pegboard.isolated(settings) as board,
        board.llm().run_stream("?", tools=[weather]) as stream,
    ):
        seen = [event for event in stream if isinstance(event, ToolUse)]

    assert [use.result.content for use in seen] == ["sunny in Paris"]
    assert stream.run.text == "It is sunny."
