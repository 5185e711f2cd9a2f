from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from pegboard import (
    ChatRequest,
    Context,
    Finished,
    Image,
    Message,
    PartDone,
    Pegboard,
    TextDelta,
    Tool,
    ToolCall,
    ToolCallDelta,
    Usage,
)
from pegboard.builtin.fake import FakeModel, FakeOptions
from pegboard.errors import RateLimited, SettingsError, Unsupported
from pegboard.testing.chat import ChatModelContract, StreamingChatContract
from pegboard.testing.clock import run_virtual

CITY = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "people": {"type": "integer"}},
    "required": ["name", "people"],
}
WEATHER = Tool("get_weather", "Tell the weather.", CITY)


def _model(**options: Any) -> FakeModel:
    context = Context("llm.pretender", Path())
    return FakeModel(FakeOptions.model_validate(options), context)


def _asking(text: str = "How are you?", **parameters: Any) -> ChatRequest:
    return ChatRequest(messages=(Message.of("user", text),), **parameters)


class TestFakeKeepsTheContract(ChatModelContract, StreamingChatContract):
    @pytest.fixture
    def settings(self) -> dict[str, Any]:
        """Return a fake that echoes."""
        return {"provider": "fake"}


class TestModestFakeKeepsTheContract(ChatModelContract, StreamingChatContract):
    @pytest.fixture
    def settings(self) -> dict[str, Any]:
        """Return a fake that claims nothing."""
        return {"provider": "fake", "capabilities": []}


class TestScript:
    async def test_without_a_script_it_echoes(self) -> None:
        """The last words of the user come back."""
        messages = (
            Message.of("user", "One."),
            Message.of("assistant", "Yes?"),
            Message.of("user", "Two."),
            Message.of("assistant", "And?"),
        )
        reply = await _model().complete(ChatRequest(messages=messages))

        assert reply.text == "Two."

    async def test_without_words_it_says_so(self) -> None:
        """A reply is never empty for want of a question."""
        picture = Message("user", (Image(b"png"),))
        reply = await _model().complete(ChatRequest(messages=(picture,)))

        assert reply.text == "(nothing was said)"

    async def test_replies_come_in_turn_and_again(self) -> None:
        """After the last reply the first one follows."""
        model = _model(replies=["one", "two"])
        texts = [(await model.complete(_asking())).text for _ in range(3)]

        assert texts == ["one", "two", "one"]

    async def test_an_empty_reply_can_be_scripted(self) -> None:
        """Models do answer with nothing at times."""
        assert (await _model(replies=[""]).complete(_asking())).text == ""

    async def test_a_tool_call_can_be_scripted(self) -> None:
        """A reply may ask for a tool; each call has its own id."""
        script = [{"tool": "add", "arguments": {"a": 1}}]
        model = _model(replies=script)
        first, second = [await model.complete(_asking()) for _ in range(2)]

        assert first.tool_calls == (ToolCall("call-1", "add", {"a": 1}),)
        assert first.finish_reason == "tool_calls"
        assert second.tool_calls[0].id == "call-2"

    async def test_calls_can_be_made_together(self) -> None:
        """A list in the script is one reply with all of its calls."""
        script = [[{"tool": "add"}, {"tool": "take"}], "Done."]
        model = _model(replies=script)
        reply = await model.complete(_asking())
        streamed = [e async for e in _model(replies=script).stream(_asking())]

        assert [call.name for call in reply.tool_calls] == ["add", "take"]
        assert [call.id for call in reply.tool_calls] == ["call-1", "call-2"]
        assert [e.part for e in streamed if isinstance(e, PartDone)] == [
            *reply.tool_calls
        ]

    async def test_a_demanded_tool_is_called(self) -> None:
        """Without a script, tool_choice gets a call whose arguments fit."""
        request = _asking(tools=(WEATHER,), tool_choice="required")
        reply = await _model().complete(request)

        assert reply.tool_calls[0].name == "get_weather"
        assert reply.tool_calls[0].arguments == {"name": "x", "people": 0}

    async def test_a_named_tool_is_called(self) -> None:
        """The tool that tool_choice names is the one."""
        other = Tool("other", "Do something else.", {"type": "object"})
        request = _asking(tools=(other, WEATHER), tool_choice="get_weather")
        reply = await _model().complete(request)

        assert reply.tool_calls[0].name == "get_weather"

    async def test_a_schema_is_met(self) -> None:
        """Without a script, the reply is a small value that fits."""
        reply = await _model().complete(_asking(schema=CITY))

        assert reply.text == '{"name": "x", "people": 0}'

    async def test_the_script_wins_over_the_schema(self) -> None:
        """A scripted reply is given even where it does not fit."""
        reply = await _model(replies=["prose"]).complete(_asking(schema=CITY))

        assert reply.text == "prose"

    async def test_it_answers_under_its_name(self) -> None:
        """The reply names the model of the request, else of the settings."""
        model = _model(model="a")

        assert (await model.complete(_asking())).model == "a"
        assert (await model.complete(_asking(model="b"))).model == "b"


class TestLimits:
    async def test_max_tokens_counts_words(self) -> None:
        """A word is a token."""
        reply = await _model().complete(_asking("a b c d", max_tokens=2))

        assert reply.text == "a b "
        assert reply.finish_reason == "length"

    async def test_a_reply_that_just_fits_is_whole(self) -> None:
        """As many words as allowed is not too many."""
        reply = await _model().complete(_asking("a b", max_tokens=2))

        assert reply.finish_reason == "stop"

    async def test_it_stops_where_told(self) -> None:
        """The first stop text in the reply ends it, and is left out."""
        reply = await _model().complete(_asking("a, b. c", stop=(".", ",")))

        assert reply.text == "a"
        assert reply.finish_reason == "stop"

    async def test_usage_counts_words_and_things(self) -> None:
        """Input is all words and pictures of the conversation."""
        messages = (
            Message.of("system", "Be brief."),
            Message("user", (Image(b"png"), *Message.of("user", "a b c").parts)),
        )
        reply = await _model().complete(ChatRequest(messages=messages))

        assert reply.usage == Usage(input=6, output=3)


class TestStream:
    async def test_it_speaks_word_by_word(self) -> None:
        """Pieces are words with the space after them, then the end."""
        events = [event async for event in _model().stream(_asking(" a  b\nc"))]

        assert events == [
            TextDelta(" "),
            TextDelta("a  "),
            TextDelta("b\n"),
            TextDelta("c"),
            Finished(
                finish_reason="stop", model="fake", usage=Usage(input=4, output=4)
            ),
        ]

    async def test_tool_calls_are_streamed(self) -> None:
        """A call arrives in pieces of JSON and then whole."""
        model = _model(replies=[{"tool": "add", "arguments": {"a": 1}}])
        events = [event async for event in model.stream(_asking())]

        assert events[:2] == [
            ToolCallDelta("call-1", "add", '{"a": 1}'),
            PartDone(ToolCall("call-1", "add", {"a": 1})),
        ]

    async def test_streams_that_are_left_are_counted(self) -> None:
        """Closing a stream before its end is seen; reading it whole is not."""
        model = _model()
        whole = [event async for event in model.stream(_asking())]
        left = model.stream(_asking())
        await anext(left)
        assert model.streams_left == 0

        await left.aclose()
        assert len(whole) > 1
        assert model.streams_left == 1

    async def test_streams_that_are_cancelled_are_counted(self) -> None:
        """A cancelled stream was left as well."""
        model = _model(delay=60)
        reading = asyncio.ensure_future(anext(model.stream(_asking())))
        await asyncio.sleep(0)
        reading.cancel()
        await asyncio.wait([reading])

        assert model.streams_left == 1

    def test_words_take_their_time(self) -> None:
        """The delay applies to each word, whole replies included."""

        async def main() -> list[float]:
            now = asyncio.get_running_loop().time
            model = _model(delay=2)
            times = [now() async for _ in model.stream(_asking("a b c"))]
            await model.complete(_asking("a b c"))
            return [*times, now()]

        assert run_virtual(main()) == [2, 4, 6, 6, 12]


class TestFailures:
    async def test_failures_come_first(self) -> None:
        """The first calls fail as scripted, the next one succeeds."""
        model = _model(failures=["RateLimited"], replies=["ok"])

        with pytest.raises(RateLimited, match=r"\[llm\.pretender\]"):
            await model.complete(_asking())
        assert (await model.complete(_asking())).text == "ok"

    async def test_streams_fail_too(self) -> None:
        """A scripted failure is raised before the first piece."""
        with pytest.raises(RateLimited):
            await anext(_model(failures=["RateLimited"]).stream(_asking()))

    async def test_every_request_is_recorded(self) -> None:
        """Also those that failed are kept, in order."""
        model = _model(failures=["RateLimited"])
        with pytest.raises(RateLimited):
            await model.complete(_asking("a"))
        await model.complete(_asking("b"))

        assert model.requests == [_asking("a"), _asking("b")]

    def test_retries_get_over_them(self) -> None:
        """Under a policy, two failures are one slower call."""
        fake = {"provider": "fake", "failures": ["Overloaded", "ConnectionFailed"]}

        async def main() -> str:
            async with Pegboard.isolated({"llm": {"default": fake}}) as board:
                return (await board.llm().complete("Hello.")).text

        assert run_virtual(main()) == "Hello."

    def test_an_unknown_failure_is_refused(self) -> None:
        """A misspelt error is found with the settings, and the right ones named."""
        fake = {"provider": "fake", "failures": ["RateLimit"]}
        board = Pegboard.isolated({"llm": {"default": fake}})

        with pytest.raises(SettingsError, match=r"no error 'RateLimit'.*RateLimited"):
            board.llm()


class TestCapabilities:
    def test_all_are_claimed(self) -> None:
        """The fake goes along with everything."""
        board = Pegboard.isolated({"llm": {"default": {"provider": "fake"}}})

        assert {"tools", "json_schema", "images"} <= board.llm().capabilities

    async def test_they_can_be_taken_away(self) -> None:
        """A program can be tried with a model that cannot do much."""
        fake = {"provider": "fake", "capabilities": ["stop"]}
        async with Pegboard.isolated({"llm": {"default": fake}}) as board:
            with pytest.raises(Unsupported, match="does not support seed"):
                await board.llm().complete("Hello.", seed=1)


def test_its_name_says_what_it_is() -> None:
    """In logs and debuggers a fake is seen to be one."""
    assert repr(_model(model="gpt-5")) == "<fake model 'gpt-5'>"
