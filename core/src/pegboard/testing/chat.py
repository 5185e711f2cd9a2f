"""
Prove that a provider keeps the contracts of language models.

    from pegboard.testing.chat import ChatModelContract, StreamingChatContract


    class TestOpenAI(ChatModelContract, StreamingChatContract):
        @pytest.fixture
        def settings(self, server):
            return {"provider": "openai", "model": "gpt-5-nano", "base_url": server.url}

The fixture ``settings`` returns what stands in the settings of an instance. The tests
look at the shape of replies, never at what they say, so that a tiny model will do.
Each ability is either claimed and honoured or not claimed and refused. What cannot be
kept is left out with a reason; see ``pegboard.testing.standard``.
"""

from __future__ import annotations

import asyncio
import pickle
import threading
import traceback
from typing import TYPE_CHECKING, Any, ClassVar, Literal, cast, get_args, get_origin

import pytest

from pegboard import (
    LLM,
    File,
    Finished,
    Image,
    Message,
    Pegboard,
    Reply,
    Run,
    StreamEvent,
    Text,
    TextDelta,
    Tool,
    ToolCall,
    ToolResult,
    Usage,
    make_tool,
)
from pegboard.contracts.chat import FinishReason
from pegboard.errors import (
    BoundReached,
    CallError,
    InvalidRequest,
    PegboardError,
    Unsupported,
)
from pegboard.options import Options, secret_fields

from ._media import DOCUMENT, PICTURE
from ._model_kit import ONCE, THREADS, MakeBoard, ModelKit, nothing
from .cancellation import cancel_at_every_await
from .leaks import no_leaks
from .spans import no_spans

if TYPE_CHECKING:
    from collections.abc import Mapping

QUESTION = "Which of the two is warmer, ice or fire? Answer in one short sentence."
LONG_TASK = (
    "Write a story of three hundred words about a small dog that gets lost in the snow "
    "and finds its way home, with everything that it sees and smells on the way."
)
SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "properties": {
        "answer": {"type": "string", "enum": ["ice", "fire"]},
        "certain": {"type": "boolean"},
    },
    "required": ["answer", "certain"],
    "additionalProperties": False,
}
TOOL = Tool("measure", "Measure how warm something is.", SCHEMA)
SECRET = "sentinel-5ec2e7-of-the-kit"  # noqa: S105 - it must be none


class _Kit(ModelKit):
    """What both kits need."""

    enough_tokens: ClassVar[int] = 100
    """What any short answer takes, reasoning included."""
    few_tokens: ClassVar[int] = 16
    """Not enough for a story, but as much as the service demands at least."""
    tool_choice: ClassVar[str] = "required"
    """What makes the model call a tool: "auto" where none can be demanded."""

    async def ask(self, llm: LLM, prompt: Any = QUESTION, **parameters: Any) -> Reply:
        """Return the reply to a question that is as good as any."""
        parameters.setdefault("max_tokens", self.enough_tokens)
        reply: Reply = await llm.complete(prompt, **parameters)
        return reply

    async def listen(
        self, llm: LLM, prompt: Any = QUESTION, **parameters: Any
    ) -> tuple[list[StreamEvent], Reply]:
        """Return the events of a whole stream, and the reply that they make."""
        parameters.setdefault("max_tokens", self.enough_tokens)
        async with llm.stream(prompt, **parameters) as stream:
            return [event async for event in stream], stream.reply


@pytest.mark.asyncio
class ChatModelContract(_Kit):
    """What every ChatModel must do. Inherit it and give the fixture ``settings``."""

    async def test_a_question_is_answered(self, llm: LLM) -> None:
        """A reply has words, a reason why it ended, and the name of its model."""
        reply = await self.ask(llm)

        assert reply.text.strip()
        assert reply.finish_reason in get_args(FinishReason)
        assert reply.finish_reason != "cut", "A whole reply was not cut."
        assert reply.model

    async def test_a_conversation_is_answered(self, llm: LLM) -> None:
        """Instructions and several turns are taken."""
        turns = [
            Message.of("user", "My name is Ada."),
            Message.of("assistant", "Hello, Ada."),
            Message.of("user", "What is my name?"),
        ]
        reply = await self.ask(llm, turns, system="Answer in one word.")

        assert reply.text.strip()

    async def test_a_reply_can_be_answered(self, llm: LLM) -> None:
        """A reply goes back into the conversation as it came."""
        first = await self.ask(llm)
        turns = [
            Message.of("user", QUESTION),
            first.message,
            Message.of("user", "Are you sure?"),
        ]

        assert (await self.ask(llm, turns)).text.strip()

    async def test_an_empty_conversation_is_refused(self, llm: LLM) -> None:
        """Without a message there is nothing to answer."""
        with pytest.raises(InvalidRequest):
            await self.ask(llm, [])

    async def test_usage_is_sound(self, llm: LLM) -> None:
        """No bucket is negative, and something was read and written."""
        _assert_sound((await self.ask(llm)).usage)

    async def test_usage_is_counted(self, llm: LLM) -> None:
        """The service says what was used; nothing is guessed."""
        assert not (await self.ask(llm)).usage.estimated

    async def test_usage_buckets_do_not_overlap(self, llm: LLM) -> None:
        """A question has the same length, however much of it comes from a cache."""
        lengths = {_read((await self.ask(llm)).usage) for _ in range(3)}

        assert len(lengths) == 1, f"Input and cache buckets overlap: {lengths}."

    async def test_max_tokens_is_a_bound(self, llm: LLM) -> None:
        """A long reply is cut at the limit, reasoning included, and says so."""
        reply = await self.ask(llm, LONG_TASK, max_tokens=self.few_tokens)

        assert _written(reply.usage) <= self.few_tokens
        assert reply.finish_reason == "length"

    async def test_temperature_is_kept_or_refused(self, llm: LLM) -> None:
        """Claimed, it is taken; not claimed, nothing is sent."""
        if await _is_refused(llm, "temperature", temperature=0.0):
            return

        assert (await self.ask(llm, temperature=0.0)).text

    async def test_top_p_is_kept_or_refused(self, llm: LLM) -> None:
        """Claimed, it is taken; not claimed, nothing is sent."""
        if await _is_refused(llm, "top_p", top_p=0.5):
            return

        assert (await self.ask(llm, top_p=0.5)).text

    async def test_seed_is_kept_or_refused(self, llm: LLM) -> None:
        """Claimed, the same seed gives the same words; not claimed, nothing is sent."""
        if await _is_refused(llm, "seed", seed=7):
            return
        calm = _calm(llm)
        texts = {(await self.ask(llm, **calm)).text for _ in range(3)}

        assert len(texts) == 1, f"The same seed gave {len(texts)} replies: {texts}."

    async def test_stop_is_kept_or_refused(self, llm: LLM) -> None:
        """Claimed, the reply ends before the text; not claimed, nothing is sent."""
        if await _is_refused(llm, "stop", stop=["e"]):
            return
        reply = await self.ask(llm, stop=["e"])

        assert "e" not in reply.text
        assert reply.finish_reason == "stop"

    async def test_reasoning_effort_is_kept_or_refused(self, llm: LLM) -> None:
        """Claimed, it is taken; not claimed, nothing is sent."""
        if await _is_refused(llm, "reasoning_effort", reasoning_effort="low"):
            return

        assert (await self.ask(llm, reasoning_effort="low")).parts

    async def test_json_schema_is_kept_or_refused(self, llm: LLM) -> None:
        """Claimed, the reply fits the schema; not claimed, nothing is sent."""
        if await _is_refused(llm, "json_schema", schema=SCHEMA):
            return
        value = await llm.complete_json(
            QUESTION, schema=SCHEMA, max_tokens=self.enough_tokens
        )

        assert value.keys() == {"answer", "certain"}

    async def test_tools_are_called_or_refused(self, llm: LLM) -> None:
        """Claimed, a demanded tool is called; not claimed, nothing is sent."""
        if await _is_refused(llm, "tools", tools=[TOOL]):
            return

        _assert_measures(
            await self.ask(llm, tools=[TOOL], tool_choice=self.tool_choice)
        )

    async def test_tool_results_are_taken_or_refused(self, llm: LLM) -> None:
        """Claimed, a tool's answer is answered; not claimed, nothing is sent."""
        call = ToolCall("call-1", TOOL.name, {"answer": "fire", "certain": True})
        turns = [
            Message.of("user", QUESTION),
            Message("assistant", (call,)),
            Message("tool", (ToolResult(call.id, call.name, "1200 degrees"),)),
        ]
        if await _is_refused(llm, "tools", turns):
            return
        reply = await self.ask(llm, turns, tools=[TOOL])

        assert reply.text or reply.tool_calls

    async def test_a_call_can_be_answered(self, llm: LLM) -> None:
        """A tool call goes back with its result as it came; or tools are refused."""
        if await _is_refused(llm, "tools", tools=[TOOL]):
            return
        asked = await self.ask(llm, tools=[TOOL], tool_choice=self.tool_choice)
        results = tuple(
            ToolResult(call.id, call.name, "1200 degrees") for call in asked.tool_calls
        )
        turns = [
            Message.of("user", QUESTION),
            asked.message,
            Message("tool", results),
        ]
        reply = await self.ask(llm, turns, tools=[TOOL])

        assert reply.text or reply.tool_calls

    async def test_a_run_uses_tools_or_refuses_them(self, llm: LLM) -> None:
        """Claimed, a function is called as it wants to be, and its answer goes back."""
        heard: list[object] = []

        def measure(answer: Literal["ice", "fire"], certain: bool) -> str:  # noqa: FBT001 - a tool's
            """Measure how warm something is."""
            heard.append((answer, certain))
            return "1200 degrees"

        if "tools" not in llm.capabilities:
            with pytest.raises(Unsupported):
                await llm.run(QUESTION, tools=[measure])
            return
        run = await self._run(llm, make_tool(measure))

        assert heard, f"No call fits the function: {run.tool_uses}."
        assert {message.role for message in run.messages} >= {"assistant", "tool"}
        assert run.usage.total >= run.reply.usage.total

    async def _run(self, llm: LLM, tool: Tool) -> Run:
        """Return a run of two rounds, whether it came to an end or not."""
        try:
            return await llm.run(
                QUESTION,
                tools=[tool],
                tool_choice=self.tool_choice,
                max_tokens=self.enough_tokens,
                max_rounds=2,
            )
        except BoundReached as error:
            return cast("Run", error.partial)

    async def test_tool_media_is_taken_or_refused(self, llm: LLM) -> None:
        """Claimed, a tool may answer with a picture; not claimed, nothing is sent."""
        call = ToolCall("call-1", TOOL.name, {"answer": "fire", "certain": True})
        shown = ToolResult(call.id, call.name, "It looks so.", media=(Image(PICTURE),))
        turns = [
            Message.of("user", QUESTION),
            Message("assistant", (call,)),
            Message("tool", (shown,)),
        ]
        if await _is_refused(llm, "tool_media", turns):
            return
        reply = await self.ask(llm, turns, tools=[TOOL])

        assert reply.text or reply.tool_calls

    async def test_images_are_taken_or_refused(self, llm: LLM) -> None:
        """Claimed, a picture is taken; not claimed, nothing is sent."""
        prompt = Message("user", (Text("What colour is this?"), Image(PICTURE)))
        if await _is_refused(llm, "images", prompt):
            return

        assert (await self.ask(llm, prompt)).text

    async def test_files_are_taken_or_refused(self, llm: LLM) -> None:
        """Claimed, a document is taken; not claimed, nothing is sent."""
        prompt = Message("user", (Text("What does this say?"), File(DOCUMENT)))
        if await _is_refused(llm, "files", prompt):
            return

        assert (await self.ask(llm, prompt)).text

    async def test_web_search_is_done_or_refused(self, llm: LLM) -> None:
        """Claimed, what was found can be talked about; not claimed, nothing is sent."""
        if await _is_refused(llm, "web_search", web_search=True):
            return
        found = await self.ask(llm, web_search=True)
        turns = [
            Message.of("user", QUESTION),
            found.message,
            Message.of("user", "Where did you read that?"),
        ]

        assert found.text.strip()
        assert all(source.url for source in found.sources)
        assert (await self.ask(llm, turns, web_search=True)).text.strip()

    async def test_parameters_for_other_vendors_are_ignored(self, llm: LLM) -> None:
        """A program may say something to each vendor that it might meet."""
        extra = {"another-vendor": {"no_such_parameter": 1}}

        assert (await self.ask(llm, extra=extra)).text

    async def test_calls_at_the_same_time_are_answered(self, llm: LLM) -> None:
        """Several calls of one loop do not disturb each other."""
        replies = await asyncio.gather(*(self.ask(llm) for _ in range(THREADS)))

        assert all(reply.text for reply in replies)

    async def test_a_cancelled_call_leaves_nothing(self, make_board: MakeBoard) -> None:
        """Wherever a call is cancelled, it stops and leaves nothing behind."""
        async with no_leaks(patience=self.patience), make_board() as board:
            llm = board.llm("kit")
            await cancel_at_every_await(
                lambda: self.ask(llm, max_tokens=self.few_tokens), nothing
            )

            assert (await self.ask(llm)).text

    async def test_a_closed_board_leaves_nothing(self, make_board: MakeBoard) -> None:
        """What calls opened is closed with the board."""
        async with no_leaks(patience=self.patience), make_board() as board:
            await self.ask(board.llm("kit"))

    async def test_event_loops_may_follow_each_other(
        self, make_board: MakeBoard
    ) -> None:
        """One board serves several ``asyncio.run``, and nothing is left of any."""
        board = make_board(policy=ONCE)

        def run_twice() -> list[Reply]:
            return [asyncio.run(self.ask(board.llm("kit"))) for _ in range(2)]

        async with no_leaks(patience=self.patience):
            replies = await asyncio.to_thread(run_twice)
            await board.aclose()

        assert all(reply.text for reply in replies)

    async def test_threads_may_share_a_board(self, make_board: MakeBoard) -> None:
        """Several threads call at once, each from a loop of its own."""
        board = make_board(policy=ONCE)
        together = threading.Barrier(THREADS)

        def run() -> Reply:
            together.wait()
            return asyncio.run(self.ask(board.llm("kit")))

        async with no_leaks(patience=self.patience):
            work = [asyncio.to_thread(run) for _ in range(THREADS)]
            replies = await asyncio.gather(*work)
            await board.aclose()

        assert all(reply.text for reply in replies)

    async def test_nobody_else_traces_calls(self, llm: LLM) -> None:
        """An SDK makes no spans of its own: traced calls would be there twice."""
        with no_spans():
            reply = await self.ask(llm)

        assert reply.text

    async def test_closing_twice_is_harmless(self, make_board: MakeBoard) -> None:
        """A board that was used can be closed again."""
        async with make_board() as board:
            await self.ask(board.llm("kit"))
            await board.aclose()

    async def test_use_after_closing_is_an_error(self, make_board: MakeBoard) -> None:
        """A model of a closed board says so, before anything is sent."""
        async with make_board() as board:
            llm = board.llm("kit")

        with pytest.raises(PegboardError, match="closed"):
            await self.ask(llm)

    async def test_secrets_are_shown_nowhere(
        self,
        make_board: MakeBoard,
        capfd: pytest.CaptureFixture[str],
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        """A secret is in no error, output or log, nor in what can be pickled."""
        secrets = _secrets_of(make_board())
        async with make_board(**secrets) as board:
            llm = board.llm("kit")
            shown = [repr(board), repr(llm), str(board.explain("llm.kit"))]
            shown += [await self._outcome(llm), *map(_pickled, (board, llm))]
        shown += [*capfd.readouterr(), caplog.text]

        assert not [text for text in shown if SECRET in text]

    async def _outcome(self, llm: LLM) -> str:
        try:
            return repr(await self.ask(llm))
        except CallError as error:
            fields = {**vars(error), "partial": repr(error.partial)}
            return f"{traceback.format_exception(error)} {fields} {_pickled(error)}"


@pytest.mark.asyncio
class StreamingChatContract(_Kit):
    """What every StreamingChat must do. Inherit it besides ChatModelContract."""

    async def test_a_stream_ends_with_finished(self, llm: LLM) -> None:
        """The last event, and no other, says that the reply is complete."""
        events, _ = await self.listen(llm)
        ends = [isinstance(event, Finished) for event in events]

        assert ends == [False] * (len(events) - 1) + [True]

    async def test_a_stream_makes_a_reply(self, llm: LLM) -> None:
        """The pieces are a reply like any other."""
        _, reply = await self.listen(llm)

        assert reply.text.strip()
        assert reply.finish_reason in get_args(FinishReason)
        assert reply.model
        _assert_sound(reply.usage)

    async def test_a_streamed_conversation_is_answered(self, llm: LLM) -> None:
        """A streamed reply goes back into the conversation as it came."""
        _, first = await self.listen(llm)
        turns = [
            Message.of("user", QUESTION),
            first.message,
            Message.of("user", "Are you sure?"),
        ]
        _, second = await self.listen(llm, turns, system="Answer in one word.")

        assert second.text.strip()

    async def test_a_stream_says_the_same(self, llm: LLM) -> None:
        """Where words can be repeated, a stream has those of the whole reply."""
        calm = _calm(llm)
        if "seed" not in calm:
            return
        whole = await self.ask(llm, **calm)
        _, streamed = await self.listen(llm, **calm)

        assert streamed.text == whole.text
        assert streamed.finish_reason == whole.finish_reason

    async def test_a_stream_costs_the_same(self, llm: LLM) -> None:
        """The question is as long for a stream, and its usage is counted as well."""
        whole = await self.ask(llm)
        _, streamed = await self.listen(llm)

        assert _read(streamed.usage) == _read(whole.usage)
        assert streamed.usage.estimated == whole.usage.estimated

    async def test_a_stream_keeps_max_tokens(self, llm: LLM) -> None:
        """A long stream is cut at the limit, reasoning included, and says so."""
        _, reply = await self.listen(llm, LONG_TASK, max_tokens=self.few_tokens)

        assert _written(reply.usage) <= self.few_tokens
        assert reply.finish_reason == "length"

    async def test_a_stream_keeps_or_refuses_stop(self, llm: LLM) -> None:
        """Claimed, a stream ends before the text; not claimed, nothing is sent."""
        if await _is_refused(llm, "stop", stop=["e"]):
            return
        _, reply = await self.listen(llm, stop=["e"])

        assert "e" not in reply.text

    async def test_a_stream_keeps_or_refuses_json_schema(self, llm: LLM) -> None:
        """Claimed, a stream fits the schema; not claimed, nothing is sent."""
        if await _is_refused(llm, "json_schema", schema=SCHEMA):
            return

        await self.listen(llm, schema=SCHEMA)

    async def test_a_stream_calls_or_refuses_tools(self, llm: LLM) -> None:
        """Claimed, a demanded call arrives whole; not claimed, nothing is sent."""
        if await _is_refused(llm, "tools", tools=[TOOL]):
            return
        _, reply = await self.listen(llm, tools=[TOOL], tool_choice=self.tool_choice)

        _assert_measures(reply)

    async def test_a_stream_searches_or_refuses_to(self, llm: LLM) -> None:
        """Claimed, a stream has words and pages; not claimed, nothing is sent."""
        if await _is_refused(llm, "web_search", web_search=True):
            return
        events, reply = await self.listen(llm, web_search=True)
        words = "".join(one.text for one in events if isinstance(one, TextDelta))

        assert reply.text == words, "PartDone of a text changed its words."
        assert all(source.url for source in reply.sources)

    async def test_a_stream_can_be_left(self, make_board: MakeBoard) -> None:
        """Who leaves keeps what has arrived, and the work stops."""
        async with no_leaks(patience=self.patience), make_board() as board:
            stream = board.llm("kit").stream(LONG_TASK, max_tokens=self.enough_tokens)
            async with stream:
                async for text in stream.text:
                    heard = text
                    break

            assert stream.reply.text == heard
            assert stream.reply.finish_reason == "cut"
            assert stream.reply.usage.total > 0

    async def test_a_left_stream_disturbs_no_other(self, llm: LLM) -> None:
        """After a stream was left, the next one is whole."""
        async with llm.stream(LONG_TASK, max_tokens=self.enough_tokens) as stream:
            await anext(aiter(stream))
        events, _ = await self.listen(llm)

        assert isinstance(events[-1], Finished)

    async def test_a_cancelled_stream_leaves_nothing(
        self, make_board: MakeBoard
    ) -> None:
        """Wherever a stream is cancelled, it stops and leaves nothing behind."""
        async with no_leaks(patience=self.patience), make_board() as board:
            llm = board.llm("kit")
            await cancel_at_every_await(
                lambda: self.listen(llm, max_tokens=self.few_tokens), nothing
            )

            assert (await self.listen(llm))[1].text

    async def test_streams_at_the_same_time_do_not_mix(self, llm: LLM) -> None:
        """Several streams of one loop each come to their own end."""
        heard = await asyncio.gather(*(self.listen(llm) for _ in range(THREADS)))

        assert all(reply.text for _, reply in heard)

    async def test_streams_of_several_event_loops_are_whole(
        self, make_board: MakeBoard
    ) -> None:
        """One board streams in several ``asyncio.run``, and nothing is left of any."""
        board = make_board(policy=ONCE)

        def run_twice() -> list[Reply]:
            return [asyncio.run(self.listen(board.llm("kit")))[1] for _ in range(2)]

        async with no_leaks(patience=self.patience):
            replies = await asyncio.to_thread(run_twice)
            await board.aclose()

        assert all(reply.text for reply in replies)


async def _is_refused(
    llm: LLM, capability: str, prompt: Any = QUESTION, **parameters: Any
) -> bool:
    """Return whether *capability* is not claimed, after proof that nothing is sent."""
    if capability in llm.capabilities:
        return False
    with pytest.raises(Unsupported) as caught:
        await llm.complete(prompt, **parameters)
    assert caught.value.request_sent == "no"
    assert caught.value.attempts == 0, "The provider was called."
    return True


def _calm(llm: LLM) -> dict[str, Any]:
    """Return the parameters that make replies repeatable, as far as claimed."""
    wishes = {"temperature": 0.0, "seed": 7}
    return {name: wishes[name] for name in wishes.keys() & llm.capabilities}


def _read(usage: Usage) -> int:
    return usage.input + usage.cache_read + usage.cache_write


def _written(usage: Usage) -> int:
    return usage.output + usage.reasoning


def _assert_sound(usage: Usage) -> None:
    buckets = ("input", "cache_read", "cache_write", "output", "reasoning")
    assert not [name for name in buckets if getattr(usage, name) < 0], usage
    assert _read(usage) > 0, usage
    assert _written(usage) > 0, usage


def _assert_measures(reply: Reply) -> None:
    assert reply.tool_calls, f"No tool was called: {reply.parts}."
    assert reply.finish_reason == "tool_calls"
    for call in reply.tool_calls:
        assert call.id
        assert call.name == TOOL.name
        assert call.arguments.keys() == {"answer", "certain"}


def _secrets_of(board: Pegboard) -> dict[str, Any]:
    """Return a sentinel for each secret option, be it a text, a list or a table."""
    options = _options_of(board)
    shapes: dict[Any, Any] = {
        list: [SECRET],
        tuple: [SECRET],
        dict: {"x": SECRET},
    }
    return {
        name: shapes.get(get_origin(options.model_fields[name].annotation), SECRET)
        for name in secret_fields(options)
    }


def _options_of(board: Pegboard) -> type[Options]:
    name = board.explain("llm.kit").provider
    providers = (one for plugin in board.plugins() for one in plugin.providers)
    found: type[Options] = next(
        one.load_options()
        for one in providers
        if (one.family, one.name) == ("llm", name)
    )
    return found


def _pickled(thing: object) -> str:
    try:
        return pickle.dumps(thing).decode("latin-1")
    except (TypeError, AttributeError, pickle.PicklingError) as error:
        return str(error)
