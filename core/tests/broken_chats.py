"""
Models that each break one promise, and the kits run against them.

Not collected by itself: ``test_chat_kit.py`` runs it and looks at what fails.
"""

from __future__ import annotations

import asyncio
import socket
from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from opentelemetry import trace
from pegboard import (
    Finished,
    LLMProvider,
    PartDone,
    Source,
    Text,
    TextDelta,
    ToolCall,
    Usage,
    hookimpl,
)
from pegboard.builtin.fake import FakeModel, FakeOptions
from pegboard.errors import (
    Authentication,
    ConnectionFailed,
    InvalidRequest,
    Unsupported,
)
from pegboard.testing.chat import ChatModelContract, StreamingChatContract
from pydantic import SecretStr

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from pegboard import ChatRequest, Context, Reply, StreamEvent

    Events = AsyncGenerator[StreamEvent, None]


class Options(FakeOptions):
    api_key: SecretStr = SecretStr("right")


class Sound(FakeModel):
    """A model that keeps every promise."""

    caught_by: ClassVar[str] = ""
    """The test that has to fail."""

    def __init__(self, options: Options, context: Context) -> None:
        super().__init__(options, context)
        self.options = options
        self.calls = count(1)


class NamesNoModel(Sound):
    caught_by = "test_a_question_is_answered"

    async def complete(self, request: ChatRequest) -> Reply:
        return replace(await super().complete(request), model="")


class SaysNothing(Sound):
    caught_by = "test_a_question_is_answered"

    async def complete(self, request: ChatRequest) -> Reply:
        return replace(await super().complete(request), parts=())


class TakesOneMessage(Sound):
    caught_by = "test_a_conversation_is_answered"

    async def complete(self, request: ChatRequest) -> Reply:
        if len(request.messages) > 1:
            msg = "Only one message is understood."
            raise InvalidRequest(msg)
        return await super().complete(request)


class CountsBackwards(Sound):
    caught_by = "test_usage_is_sound"

    async def complete(self, request: ChatRequest) -> Reply:
        reply = await super().complete(request)
        return replace(reply, usage=replace(reply.usage, cache_write=-1))


class CountsNoOutput(Sound):
    caught_by = "test_usage_is_sound"

    async def complete(self, request: ChatRequest) -> Reply:
        reply = await super().complete(request)
        return replace(reply, usage=replace(reply.usage, output=0))


class Guesses(Sound):
    caught_by = "test_usage_is_counted"

    async def complete(self, request: ChatRequest) -> Reply:
        reply = await super().complete(request)
        return replace(reply, usage=replace(reply.usage, estimated=True))


class CountsTheCacheTwice(Sound):
    caught_by = "test_usage_buckets_do_not_overlap"

    async def complete(self, request: ChatRequest) -> Reply:
        reply = await super().complete(request)
        cached = reply.usage.input if next(self.calls) > 1 else 0
        return replace(reply, usage=replace(reply.usage, cache_read=cached))


class CountsReasoningTwice(Sound):
    caught_by = "test_max_tokens_is_a_bound"

    async def complete(self, request: ChatRequest) -> Reply:
        reply = await super().complete(request)
        return replace(reply, usage=replace(reply.usage, reasoning=5))


class IgnoresMaxTokens(Sound):
    caught_by = "test_max_tokens_is_a_bound"

    async def complete(self, request: ChatRequest) -> Reply:
        return await super().complete(replace(request, max_tokens=None))


class CutsInSilence(Sound):
    caught_by = "test_max_tokens_is_a_bound"

    async def complete(self, request: ChatRequest) -> Reply:
        return replace(await super().complete(request), finish_reason="stop")


class IgnoresSeed(Sound):
    caught_by = "test_seed_is_kept_or_refused"

    async def complete(self, request: ChatRequest) -> Reply:
        reply = await super().complete(request)
        return replace(reply, parts=(Text(f"Take {next(self.calls)}."),))


class IgnoresStop(Sound):
    caught_by = "test_stop_is_kept_or_refused"

    async def complete(self, request: ChatRequest) -> Reply:
        return await super().complete(replace(request, stop=()))


class AnswersInProse(Sound):
    caught_by = "test_json_schema_is_kept_or_refused"

    async def complete(self, request: ChatRequest) -> Reply:
        return await super().complete(replace(request, schema=None))


class NeverCallsTools(Sound):
    caught_by = "test_tools_are_called_or_refused"

    async def complete(self, request: ChatRequest) -> Reply:
        return await super().complete(replace(request, tools=()))


class GivesCallsNoId(Sound):
    caught_by = "test_tools_are_called_or_refused"

    async def complete(self, request: ChatRequest) -> Reply:
        reply = await super().complete(request)
        return replace(
            reply,
            parts=tuple(
                replace(part, id="") if isinstance(part, ToolCall) else part
                for part in reply.parts
            ),
        )


class ClaimsMoreThanItCan(Sound):
    caught_by = "test_images_are_taken_or_refused"

    async def complete(self, request: ChatRequest) -> Reply:
        if len(request.messages[-1].parts) > 1:
            msg = "This model is blind."
            raise Unsupported(msg)
        return await super().complete(request)


class WritesArgumentsOfItsOwn(Sound):
    caught_by = "test_a_run_uses_tools_or_refuses_them"

    async def complete(self, request: ChatRequest) -> Reply:
        reply = await super().complete(request)
        return replace(
            reply,
            parts=tuple(
                replace(part, arguments={"answer": "both", "certain": "very"})
                if isinstance(part, ToolCall)
                else part
                for part in reply.parts
            ),
        )


class TracesItself(Sound):
    caught_by = "test_nobody_else_traces_calls"

    async def complete(self, request: ChatRequest) -> Reply:
        with trace.get_tracer("an-sdk").start_as_current_span("chat"):
            return await super().complete(request)


class CannotSeeWhatToolsShow(Sound):
    caught_by = "test_tool_media_is_taken_or_refused"

    async def complete(self, request: ChatRequest) -> Reply:
        parts = [part for message in request.messages for part in message.parts]
        if any(getattr(part, "media", ()) for part in parts):
            msg = "Tools answer in words."
            raise InvalidRequest(msg)
        return await super().complete(request)


class CannotTakeBackWhatItFound(Sound):
    caught_by = "test_web_search_is_done_or_refused"

    async def complete(self, request: ChatRequest) -> Reply:
        for message in request.messages:
            if any(getattr(part, "sources", ()) for part in message.parts):
                msg = "Such parts are unknown."
                raise InvalidRequest(msg)
        return await super().complete(request)


class FindsPagesWithoutAddress(Sound):
    caught_by = "test_web_search_is_done_or_refused"

    async def complete(self, request: ChatRequest) -> Reply:
        reply = await super().complete(request)
        if not request.web_search:
            return reply
        return replace(reply, parts=(Text(reply.text, sources=(Source(""),)),))


class ChokesOnOtherVendors(Sound):
    caught_by = "test_parameters_for_other_vendors_are_ignored"

    async def complete(self, request: ChatRequest) -> Reply:
        if request.extra:
            msg = f"Unknown: {request.extra}."
            raise InvalidRequest(msg)
        return await super().complete(request)


class ServesOneAtATime(Sound):
    caught_by = "test_calls_at_the_same_time_are_answered"
    busy = False

    async def complete(self, request: ChatRequest) -> Reply:
        if self.busy:
            msg = "One at a time."
            raise ConnectionFailed(msg)
        self.busy = True
        try:
            return await super().complete(request)
        finally:
            self.busy = False


class SwallowsCancellation(Sound):
    caught_by = "test_a_cancelled_call_leaves_nothing"

    async def complete(self, request: ChatRequest) -> Reply:
        try:
            return await super().complete(request)
        except asyncio.CancelledError:
            return await super().complete(request)


class TakesCancellationForAFailure(Sound):
    caught_by = "test_a_cancelled_call_leaves_nothing"

    async def complete(self, request: ChatRequest) -> Reply:
        try:
            return await super().complete(request)
        except asyncio.CancelledError as error:
            msg = "The connection broke."
            raise ConnectionFailed(msg) from error


class KeepsItsLock(Sound):
    caught_by = "test_a_cancelled_call_leaves_nothing"

    def __init__(self, options: Options, context: Context) -> None:
        super().__init__(options, context)
        self.lock = asyncio.Lock()

    async def complete(self, request: ChatRequest) -> Reply:
        await self.lock.acquire()
        reply = await super().complete(request)
        self.lock.release()
        return reply


class LeavesATaskWhenCancelled(Sound):
    caught_by = "test_a_cancelled_call_leaves_nothing"

    async def complete(self, request: ChatRequest) -> Reply:
        task = asyncio.ensure_future(asyncio.Event().wait())
        reply = await super().complete(request)
        task.cancel()
        return reply


class LeavesATask(Sound):
    caught_by = "test_a_closed_board_leaves_nothing"

    async def complete(self, request: ChatRequest) -> Reply:
        self.task = asyncio.ensure_future(asyncio.Event().wait())
        return await super().complete(request)


class LeavesASocket(Sound):
    caught_by = "test_a_closed_board_leaves_nothing"
    left: ClassVar[list[socket.socket]] = []

    async def complete(self, request: ChatRequest) -> Reply:
        self.left.append(socket.socket())
        return await super().complete(request)


class BelongsToItsFirstLoop(Sound):
    caught_by = "test_event_loops_may_follow_each_other"
    loop: asyncio.AbstractEventLoop | None = None

    async def complete(self, request: ChatRequest) -> Reply:
        self.loop = self.loop or asyncio.get_running_loop()
        answered = self.loop.create_future()
        self.loop.call_soon(answered.set_result, None)
        await answered
        return await super().complete(request)


class BelongsToOneThread(Sound):
    caught_by = "test_threads_may_share_a_board"

    def __init__(self, options: Options, context: Context) -> None:
        super().__init__(options, context)
        self.loops: set[asyncio.AbstractEventLoop] = set()

    async def complete(self, request: ChatRequest) -> Reply:
        self.loops.add(asyncio.get_running_loop())
        if len(self.loops) > 2:
            msg = "Too many loops."
            raise ConnectionFailed(msg)
        return await super().complete(request)


class TellsItsKey(Sound):
    caught_by = "test_secrets_are_shown_nowhere"

    async def complete(self, request: ChatRequest) -> Reply:
        key = self.options.api_key.get_secret_value()
        if key != "right":
            msg = "The key is wrong."
            raise Authentication(msg, code=key)
        return await super().complete(request)


class PrintsItsKey(Sound):
    caught_by = "test_secrets_are_shown_nowhere"

    async def complete(self, request: ChatRequest) -> Reply:
        print("Using", self.options.api_key.get_secret_value())  # noqa: T201 - the fault
        return await super().complete(request)


class NeverFinishes(Sound):
    caught_by = "test_a_stream_ends_with_finished"

    async def stream(self, request: ChatRequest) -> Events:
        async for event in super().stream(request):
            if not isinstance(event, Finished):
                yield event


class FinishesTwice(Sound):
    caught_by = "test_a_stream_ends_with_finished"

    async def stream(self, request: ChatRequest) -> Events:
        async for event in super().stream(request):
            yield event
        yield event


class GoesOnAfterTheEnd(Sound):
    caught_by = "test_a_stream_ends_with_finished"

    async def stream(self, request: ChatRequest) -> Events:
        async for event in super().stream(request):
            yield event
        yield TextDelta(" One more thing.")


class DropsAPiece(Sound):
    caught_by = "test_a_stream_says_the_same"

    async def stream(self, request: ChatRequest) -> Events:
        pieces = count(1)
        async for event in super().stream(request):
            if not isinstance(event, TextDelta) or next(pieces) != 2:
                yield event


class CountsNothingInStreams(Sound):
    caught_by = "test_a_stream_costs_the_same"

    async def stream(self, request: ChatRequest) -> Events:
        async for event in super().stream(request):
            if isinstance(event, Finished):
                yield replace(event, usage=None)
            else:
                yield event


class CountsStreamsBackwards(Sound):
    caught_by = "test_a_stream_makes_a_reply"

    async def stream(self, request: ChatRequest) -> Events:
        async for event in super().stream(request):
            if isinstance(event, Finished):
                yield replace(event, usage=Usage(input=5, output=-1))
            else:
                yield event


class StreamsWithoutLimit(Sound):
    caught_by = "test_a_stream_keeps_max_tokens"

    def stream(self, request: ChatRequest) -> Events:
        return super().stream(replace(request, max_tokens=None))


class StreamsPastStop(Sound):
    caught_by = "test_a_stream_keeps_or_refuses_stop"

    def stream(self, request: ChatRequest) -> Events:
        return super().stream(replace(request, stop=()))


class StreamsProse(Sound):
    caught_by = "test_a_stream_keeps_or_refuses_json_schema"

    def stream(self, request: ChatRequest) -> Events:
        return super().stream(replace(request, schema=None))


class SaysAgainWhatItFound(Sound):
    caught_by = "test_a_stream_searches_or_refuses_to"

    async def stream(self, request: ChatRequest) -> Events:
        async for event in super().stream(request):
            if isinstance(event, PartDone) and isinstance(event.part, Text):
                yield PartDone(replace(event.part, text=event.part.text * 2))
            else:
                yield event


class StreamsNoCalls(Sound):
    caught_by = "test_a_stream_calls_or_refuses_tools"

    def stream(self, request: ChatRequest) -> Events:
        return super().stream(replace(request, tools=()))


class TalksOnWhenLeft(Sound):
    """Lets a task write on after the reader has gone."""

    caught_by = "test_a_stream_can_be_left"

    async def stream(self, request: ChatRequest) -> Events:
        written: asyncio.Queue[StreamEvent] = asyncio.Queue(maxsize=1)
        self.writer = asyncio.ensure_future(self.write(request, written))
        while True:
            event = await written.get()
            yield event
            if isinstance(event, Finished):
                return

    async def write(
        self, request: ChatRequest, written: asyncio.Queue[StreamEvent]
    ) -> None:
        async for event in super().stream(request):
            await written.put(event)


class RefusesToBeLeft(Sound):
    caught_by = "test_a_stream_can_be_left"

    async def stream(self, request: ChatRequest) -> Events:
        async for event in super().stream(request):
            try:
                yield event
            except GeneratorExit:
                yield TextDelta("Wait!")


class StaysBusyWhenLeft(Sound):
    caught_by = "test_a_left_stream_disturbs_no_other"
    busy = False

    async def stream(self, request: ChatRequest) -> Events:
        if self.busy:
            msg = "Another stream is open."
            raise ConnectionFailed(msg)
        self.busy = True
        async for event in super().stream(request):
            yield event
        self.busy = False


class StreamsThroughCancellation(Sound):
    caught_by = "test_a_cancelled_stream_leaves_nothing"

    async def stream(self, request: ChatRequest) -> Events:
        events = super().stream(request)
        try:
            async for event in events:
                yield event
        except asyncio.CancelledError:
            async for event in super().stream(request):
                yield event


class MixesStreams(Sound):
    caught_by = "test_streams_at_the_same_time_do_not_mix"

    def __init__(self, options: Options, context: Context) -> None:
        super().__init__(options, context)
        self.open = 0

    async def stream(self, request: ChatRequest) -> Events:
        self.open += 1
        try:
            async for event in super().stream(request):
                if self.open == 1 or not isinstance(event, TextDelta):
                    yield event
        finally:
            self.open -= 1


class StreamsInItsFirstLoop(Sound):
    caught_by = "test_streams_of_several_event_loops_are_whole"
    loop: asyncio.AbstractEventLoop | None = None

    async def stream(self, request: ChatRequest) -> Events:
        self.loop = self.loop or asyncio.get_running_loop()
        answered = self.loop.create_future()
        self.loop.call_soon(answered.set_result, None)
        await answered
        async for event in super().stream(request):
            yield event


class Offer:
    """The plugin that offers one of them."""

    def __init__(self, model: type[Sound]) -> None:
        self.model = model

    @hookimpl
    def pegboard_llm_providers(self) -> Sequence[LLMProvider]:
        """Offer the model under a name of its own."""
        return [
            LLMProvider(
                name="sample",
                factory=self.model,
                options=Options,
                contracts={"ChatModel": 1, "StreamingChat": 1},
                capabilities=lambda options: options.capabilities,
            )
        ]


class Kits(ChatModelContract, StreamingChatContract):
    """Both kits, for one of the models."""

    __test__ = False
    patience = 0.2
    model: ClassVar[type[Sound]]

    @pytest.fixture
    def plugins(self) -> list[Offer]:
        """Return what offers the model."""
        return [Offer(self.model)]

    @pytest.fixture
    def settings(self) -> dict[str, Any]:
        """Return settings that do not wait long for what hangs."""
        return {"provider": "sample", "policy": {"attempts": 1, "deadline": 1}}


MODELS = [kind for kind in [*vars().values()] if isinstance(kind, type)]
globals().update(
    {
        f"Test{model.__name__}": type(
            f"Test{model.__name__}", (Kits,), {"model": model, "__test__": True}
        )
        for model in MODELS
        if issubclass(model, Sound)
    }
)
