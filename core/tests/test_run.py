"""Runs: a model with tools, until it is done or a bound is reached."""

import asyncio
import threading
from dataclasses import replace

import pegboard
import pytest
from pegboard import (
    File,
    Image,
    LLMProvider,
    Message,
    Options,
    Pegboard,
    Reply,
    Text,
    Tool,
    ToolCall,
    ToolResult,
    Usage,
    deadline,
    errors,
)
from pegboard.prices import cost
from pegboard.testing import cancel_at_every_await, no_leaks, run_virtual
from pydantic import BaseModel

USAGE = Usage(input=10, output=2)
ENOUGH = "enough"
SERVICE, MODEL = "cohere", "command-r"
"""What has a price, and no plugin here."""


class City(BaseModel):
    name: str
    people: int


def weather(city: str) -> str:
    """Tell the weather."""
    return f"sunny in {city}"


def call(name="weather", call_id="1", /, **arguments):
    """Return what a model asks for."""
    return ToolCall(call_id, name, arguments)


class Script:
    """A model that replies with what it is given: words, calls, or an error."""

    def __init__(self, *replies, capabilities=("tools",), model="s-1", takes=0.0):
        self.replies = [*replies]
        self.capabilities = frozenset(capabilities)
        self.model = model
        self.takes = takes
        self.usage = USAGE
        self.requests = []

    @pegboard.hookimpl
    def pegboard_llm_providers(self):
        return [
            LLMProvider(
                name=SERVICE,
                factory=lambda _options, _context: self,
                options=ScriptOptions,
                contracts={"ChatModel": 1},
                capabilities=self.capabilities,
            )
        ]

    async def complete(self, request):
        self.requests.append(request)
        await asyncio.sleep(self.takes)
        reply = self.replies.pop(0)
        if isinstance(reply, Exception):
            raise reply
        parts = (Text(reply),) if isinstance(reply, str) else tuple(reply)
        calls = any(isinstance(part, ToolCall) for part in parts)
        return Reply(
            parts=parts,
            finish_reason="tool_calls" if calls else "stop",
            usage=self.usage,
            model=self.model,
        )


class ScriptOptions(Options):
    model: str = MODEL
    key: str = ""


def llm_of(script, **section):
    """Return the facade over *script*."""
    given = {"provider": SERVICE, **section}
    board = Pegboard.isolated({"llm": {"default": given}}, plugins=[script])
    return board.llm()


def results(request):
    """Return what the model was told last."""
    return [part for part in request.messages[-1].parts if isinstance(part, ToolResult)]


# --- the way of a run ---


async def test_model_gets_what_its_tools_return():
    """A tool is called with the model's arguments, and the answer goes back."""
    script = Script([call(city="Paris")], "It is sunny.")
    run = await llm_of(script).run("Weather?", tools=[weather])

    assert run.text == "It is sunny."
    assert run.messages == (
        Message.of("user", "Weather?"),
        Message("assistant", (call(city="Paris"),)),
        Message("tool", (ToolResult("1", "weather", "sunny in Paris"),)),
        Message.of("assistant", "It is sunny."),
    )
    assert script.requests[1].messages == run.messages[:-1]


async def test_run_tells_what_it_took():
    """Rounds, tokens of all replies, and what was called."""
    script = Script([call(city="Paris")], [call(city="Rome")], "done")
    run = await llm_of(script).run("Weather?", tools=[weather])

    assert (run.rounds, run.usage) == (3, USAGE + USAGE + USAGE)
    assert [use.call.arguments for use in run.tool_uses] == [
        {"city": "Paris"},
        {"city": "Rome"},
    ]
    assert [use.result.content for use in run.tool_uses] == [
        "sunny in Paris",
        "sunny in Rome",
    ]


async def test_model_is_told_of_the_tools():
    """Name, description and schema of each function go along in every round."""
    script = Script([call(city="Paris")], "done")
    await llm_of(script).run("Weather?", tools=[weather])

    for request in script.requests:
        (tool,) = request.tools
        assert (tool.name, tool.description) == ("weather", "Tell the weather.")


async def test_run_can_be_continued():
    """The conversation of one run is the beginning of the next."""
    script = Script([call(city="Paris")], "It is sunny.", "Very.")
    llm = llm_of(script)
    run = await llm.run("Weather?", tools=[weather])
    more = [*run.messages, Message.of("user", "Sure?")]

    assert (await llm.run(more, tools=[weather])).text == "Very."


async def test_forced_call_is_forced_once():
    """A model that is forced to call in each round could never answer."""
    script = Script([call(city="Paris")], "done")
    await llm_of(script).run("Weather?", tools=[weather], tool_choice="weather")

    assert [r.tool_choice for r in script.requests] == ["weather", "auto"]


async def test_tools_are_functions_async_ones_methods_and_tools():
    """Whatever can be called can be a tool."""

    class Thermometer:
        def read(self, city: str) -> float:
            """Read it."""
            return 20.5 + len(city)

    async def rain(city: str) -> dict[str, int]:
        """Tell the rain."""
        return {city: 3}

    hand = Tool("snow", "", {"type": "object"}, handler=lambda: None)
    script = Script(
        [call("read", city="Paris"), call("rain", city="Paris"), call("snow")], "done"
    )
    await llm_of(script).run("?", tools=[Thermometer().read, rain, hand])

    assert [one.content for one in results(script.requests[1])] == [
        "25.5",
        '{"Paris":3}',
        "null",
    ]


def test_plain_functions_do_not_block_the_loop():
    """They run in threads of their own, several at once."""
    meeting = threading.Barrier(2, timeout=10)

    def meet() -> str:
        """Wait for the other one."""
        meeting.wait()
        return threading.current_thread().name

    async def main():
        script = Script([call("meet", "1"), call("meet", "2")], "done")
        run = await llm_of(script).run("?", tools=[meet])
        return [use.result.content for use in run.tool_uses]

    names = asyncio.run(main())

    assert len({*names}) == 2
    assert all(name.startswith("pegboard-tool") for name in names)


async def test_threads_end_with_the_run():
    """No thread is left over."""
    before = {*threading.enumerate()}
    await llm_of(Script([call(city="Paris")], "done")).run("?", tools=[weather])
    new = [thread for thread in threading.enumerate() if thread not in before]
    for thread in new:
        thread.join(10)

    assert not [thread for thread in new if thread.is_alive()]


def test_as_many_run_at_once_as_may():
    """The rest waits its turn, and results keep the order of the calls."""
    running, most = 0, 0

    async def work(number: int) -> int:
        """Work."""
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(10 - number)
        running -= 1
        return number

    calls = [call("work", str(n), number=n) for n in range(5)]
    script = Script(calls, "done")
    run = run_virtual(llm_of(script).run("?", tools=[work], parallel=2))

    assert most == 2
    assert [use.result.content for use in run.tool_uses] == [*"01234"]


async def test_tools_are_refused_where_they_are_not_claimed():
    """A provider without tools is not asked."""
    script = Script("hi", capabilities=())

    with pytest.raises(errors.Unsupported, match="does not support tools") as caught:
        await llm_of(script).run("?", tools=[weather])

    assert (caught.value.operation, script.requests) == ("run", [])


async def test_tool_without_a_handler_is_refused():
    """A run needs something to call."""
    script = Script("hi")

    with pytest.raises(errors.InvalidRequest, match="The tool snow has no handler"):
        await llm_of(script).run("?", tools=[Tool("snow", "", {"type": "object"})])

    assert script.requests == []


async def test_two_tools_of_one_name_are_refused():
    """Nobody could say which is meant."""
    with pytest.raises(errors.InvalidRequest, match="Two tools are called 'weather'"):
        await llm_of(Script()).run("?", tools=[weather, weather])


# --- what goes wrong in tools ---


async def told(*calls, tools):
    """Return what a model is told of its *calls*."""
    script = Script(calls, "done")
    run = await llm_of(script, key="s3cret").run("?", tools=tools)
    assert run.text == "done"
    return run.tool_uses


async def test_arguments_that_do_not_fit_are_told_and_nothing_is_called():
    """The model learns what is wrong; the function does not run."""
    called = []

    def note(number: int) -> None:
        """Note it."""
        called.append(number)

    (use,) = await told(call("note", number="many"), tools=[note])

    assert called == []
    assert use.result.is_error
    assert "do not fit note, which was not called: number: Input" in use.result.content


async def test_unknown_tool_is_told_with_what_exists():
    """A model that makes a name up learns the right ones."""
    (use,) = await told(call("wether", city="Paris"), tools=[weather])

    assert use.result.is_error
    assert use.result.content == (
        "There is no tool 'wether'. Did you mean 'weather'? Known: weather."
    )


def broken(city: str) -> str:
    """Fail."""
    raise LookupError(city)


def next_of_none() -> str:
    """Raise what no future can carry."""
    return next(iter([]))


def no_json() -> object:
    """Return what JSON has no words for."""
    return object()


@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        ("broken", {"city": "Paris"}, "LookupError: Paris"),
        ("next_of_none", {}, "RuntimeError: the function raised StopIteration"),
        ("no_json", {}, "PydanticSerializationError: Unable to serialize"),
    ],
)
async def test_failure_is_told_without_a_traceback(name, arguments, expected):
    """What happened goes to the model, where it happened does not."""
    tools = [broken, next_of_none, no_json]
    (use,) = await told(call(name, **arguments), tools=tools)

    assert use.result.is_error
    assert use.result.content.startswith(expected)
    assert "Traceback" not in use.result.content
    assert __file__ not in use.result.content


async def test_program_sees_the_error_itself():
    """What the model is told is text; the run keeps the exception."""
    (use,) = await told(call("broken", city="Paris"), tools=[broken])

    assert isinstance(use.error, LookupError)


async def test_secrets_of_the_board_are_not_told():
    """An error that holds a key is told without it."""

    class Keyed(ScriptOptions):
        key: pegboard.options.SecretStr = pegboard.options.SecretStr("s3cret")

    def leak() -> None:
        """Fail with a secret."""
        msg = "https://example.com/?key=s3cret refused"
        raise OSError(msg)

    class KeyedScript(Script):
        @pegboard.hookimpl
        def pegboard_llm_providers(self):
            (provider,) = super().pegboard_llm_providers()
            provider = pegboard.LLMProvider(
                name=SERVICE,
                factory=provider.factory,
                options=Keyed,
                contracts=provider.contracts,
                capabilities=self.capabilities,
            )
            return [provider]

    script = KeyedScript([call("leak")], "done")
    run = await llm_of(script, key="s3cret").run("?", tools=[leak])

    assert run.tool_uses[0].result.content == (
        "OSError: https://example.com/?key=*** refused"
    )


async def test_reply_that_cannot_be_read_is_asked_for_again():
    """Such as a call whose arguments are no JSON: the model is told, twice at most."""
    garbled = errors.InvalidReply("The arguments are not JSON.")
    script = Script([call(city="Paris")], garbled, garbled, "done")
    run = await llm_of(script).run("?", tools=[weather])

    assert (run.text, run.rounds) == ("done", 2)
    assert script.requests[2].messages[-1].text == (
        "Your reply cannot be used. The arguments are not JSON. Try again."
    )
    with pytest.raises(errors.InvalidReply):
        await llm_of(Script(*[garbled] * 9)).run("?", tools=[weather])


async def test_one_failure_leaves_the_others_be():
    """Calls of one round fail for themselves."""
    uses = await told(
        call("broken", "1", city="x"),
        call("weather", "2", city="y"),
        tools=[broken, weather],
    )

    assert [use.result.is_error for use in uses] == [True, False]


async def test_run_stopped_stops():
    """A tool may end the run; the error holds what was done."""

    def stop() -> None:
        """Stop."""
        raise errors.RunStopped(ENOUGH)

    script = Script([call(city="Paris")], [call("stop")])

    with pytest.raises(errors.RunStopped, match="enough") as caught:
        await llm_of(script).run("?", tools=[weather, stop])

    assert caught.value.partial.rounds == 2
    assert len(caught.value.partial.tool_uses) == 1


def test_run_stopped_cancels_the_other_tools():
    """Nothing goes on behind the back of a run that has ended."""
    ended = []

    async def stop() -> None:
        """Stop."""
        await asyncio.sleep(1)
        raise errors.RunStopped(ENOUGH)

    async def work() -> None:
        """Work long."""
        try:
            await asyncio.sleep(100)
        finally:
            ended.append(asyncio.get_running_loop().time())

    async def main():
        script = Script([call("stop", "1"), call("work", "2")])
        async with no_leaks():
            with pytest.raises(errors.RunStopped):
                await llm_of(script).run("?", tools=[stop, work])

    run_virtual(main())

    assert ended == [1]


async def test_cancelled_tool_cancels_the_run():
    """A cancellation is no failure to be told."""

    async def cancelled() -> None:
        """Be cancelled."""
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await llm_of(Script([call("cancelled")])).run("?", tools=[cancelled])


# --- bounds ---


async def test_rounds_are_bounded():
    """A model that never stops is stopped, and what it asked last is not done."""
    called = []

    def again(number: int) -> None:
        """Do it again."""
        called.append(number)

    script = Script(*([call("again", number=n)] for n in range(9)))

    with pytest.raises(errors.BoundReached, match="max_rounds = 3") as caught:
        await llm_of(script).run("?", tools=[again], max_rounds=3)

    assert (len(script.requests), called) == (3, [0, 1])
    assert caught.value.address == "llm.default"
    partial = caught.value.partial
    assert (partial.rounds, len(partial.tool_uses)) == (3, 2)
    assert partial.messages[-1].role == "tool"


async def test_reply_in_the_last_round_is_in_time():
    """A bound is only reached if the model wants more."""
    script = Script([call(city="Paris")], "done")

    assert (await llm_of(script).run("?", tools=[weather], max_rounds=2)).text == "done"


def timed(script, tools, **bounds):
    """Return the error of a run, and when it came."""

    async def main():
        with pytest.raises(errors.CallError) as caught:
            await llm_of(script).run("?", tools=tools, **bounds)
        return caught.value, asyncio.get_running_loop().time()

    return run_virtual(main())


async def sleep(seconds: float) -> str:
    """Sleep."""
    await asyncio.sleep(seconds)
    return "slept"


def test_tools_end_by_the_timeout():
    """A tool that takes too long is cancelled; the error holds the run so far."""
    script = Script([call("sleep", seconds=3)], [call("sleep", seconds=30)])
    error, ended = timed(script, [sleep], timeout=10)

    assert isinstance(error, errors.DeadlineExceeded)
    assert "The run took longer than timeout = 10 s" in str(error)
    assert (ended, error.partial.rounds, len(error.partial.tool_uses)) == (10, 2, 1)


def test_replies_end_by_the_timeout():
    """A model that takes too long is left."""
    script = Script([call("sleep", seconds=3)], "late", takes=8)
    error, ended = timed(script, [sleep], timeout=10)

    assert isinstance(error, errors.DeadlineExceeded)
    assert "The run took longer than timeout = 10 s" in str(error)
    assert (ended, error.partial.rounds) == (10, 1)


def test_nothing_begins_after_the_timeout():
    """Attempts do not go on after the time of the run."""
    script = Script(*[errors.Overloaded("busy")] * 50)
    _, ended = timed(script, [sleep], timeout=1)

    assert ended <= 1


def test_calls_within_tools_share_the_timeout():
    """What a tool calls knows how long it may take."""
    seen = []

    async def look() -> None:
        """Look at the clock."""
        seen.append(deadline.time_left())

    script = Script([call("sleep", seconds=3)], [call("look")], "done")
    run_virtual(llm_of(script).run("?", tools=[sleep, look], timeout=10))

    assert seen == [7]


def test_run_shares_the_deadline_around_it():
    """A run in a call ends with the call."""

    async def main():
        script = Script([call("sleep", seconds=3)], "late", takes=4)
        clock = asyncio.get_running_loop().time
        with (
            deadline.shared_deadline(clock() + 5),
            pytest.raises(errors.DeadlineExceeded, match="the call around it"),
        ):
            await llm_of(script).run("?", tools=[sleep], timeout=100)
        return clock()

    assert run_virtual(main()) == 5


async def test_cost_is_bounded():
    """The run ends when it has cost more."""
    script = Script(*[[call(city="x")]] * 20)
    each = cost(
        Reply(parts=(), finish_reason="stop", usage=USAGE, model=MODEL), SERVICE
    )

    with pytest.raises(errors.BoundReached) as caught:
        await llm_of(script).run("?", tools=[weather], max_cost=float(each) * 2.5)

    assert "has cost 0.0000081 US dollars, more than max_cost" in str(caught.value)
    assert caught.value.partial.rounds == 3
    assert len(caught.value.partial.tool_uses) == 2


async def test_cost_that_the_service_tells_is_the_one_that_is_bounded():
    """Whatever a price list says of its tokens."""
    script = Script(*[[call(city="x")]] * 20)
    script.usage = replace(USAGE, cost=1.0)

    with pytest.raises(errors.BoundReached, match="cost 3 US dollars") as caught:
        await llm_of(script).run("?", tools=[weather], max_cost=2.5)

    assert caught.value.partial.rounds == 3
    assert caught.value.partial.usage.cost == 3


async def test_dated_model_has_the_price_of_its_name():
    """A service may answer under a longer name than the settings have."""
    script = Script("done", model="another")

    assert (await llm_of(script).run("?", max_cost=1)).text == "done"


async def test_unknown_price_refuses_the_bound():
    """A bound that cannot be kept is no bound; nothing is sent."""
    script = Script("done")

    with pytest.raises(errors.InvalidRequest, match="Nobody knows what 'own'") as got:
        await llm_of(script, model="own").run("?", max_cost=1)

    assert (got.value.request_sent, script.requests) == ("no", [])


@pytest.mark.parametrize("bound", ["max_rounds", "timeout", "max_cost", "parallel"])
async def test_bound_without_room_is_refused(bound):
    """Nothing can be done in no time."""
    with pytest.raises(errors.InvalidRequest, match=f"{bound} is 0"):
        await llm_of(Script()).run("?", **{bound: 0})


async def test_failed_call_holds_the_run_so_far():
    """An error of the service does not lose what was done."""
    script = Script([call(city="Paris")], errors.Authentication("no"))

    with pytest.raises(errors.Authentication) as caught:
        await llm_of(script).run("?", tools=[weather])

    assert caught.value.partial.rounds == 1
    assert caught.value.partial.messages[-1].role == "tool"


def test_cancelled_run_leaves_nothing():
    """Cancelled wherever it waits, a run ends with all its tools."""

    async def check():
        await asyncio.sleep(0)
        assert len(asyncio.all_tasks()) <= 2

    def make():
        script = Script(
            [call("sleep", "1", seconds=1), call("weather", "2", city="x")],
            "done",
            takes=0.5,
        )
        return llm_of(script).run("?", tools=[sleep, weather])

    async def main():
        async with no_leaks():
            return await cancel_at_every_await(make, check)

    assert run_virtual(main()) >= 3


# --- values ---

PARIS = {"name": "Paris", "people": 2_100_000}


async def test_run_returns_a_value():
    """The model gives the value by a tool for it."""
    script = Script([call(city="Paris")], [call("final_answer", **PARIS)])
    run = await llm_of(script).run("?", tools=[weather], output=City)

    assert run.output == City(**PARIS)
    assert run.rounds == 2
    assert [tool.name for tool in script.requests[0].tools] == [
        "weather",
        "final_answer",
    ]


async def test_value_that_does_not_fit_is_told():
    """The model corrects itself, as with any tool."""
    script = Script(
        [call("final_answer", name="Paris", people="many")],
        [call("final_answer", **PARIS)],
    )
    run = await llm_of(script).run("?", output=City)

    assert run.output == City(**PARIS)
    assert "people: Input should be a valid integer" in (
        results(script.requests[1])[0].content
    )


async def test_tools_beside_the_value_are_called():
    """What was asked for together is done, and all of it is answered."""
    called = []

    def note(text: str) -> None:
        """Note it."""
        called.append(text)

    script = Script([call("final_answer", "1", **PARIS), call("note", "2", text="x")])
    run = await llm_of(script).run("?", tools=[note], output=City, max_rounds=1)

    assert (run.output, called) == (City(**PARIS), ["x"])
    assert [part.call_id for part in run.messages[-1].parts] == ["1", "2"]


async def test_value_in_words_is_taken():
    """A model that writes the value instead of calling the tool is understood."""
    script = Script('{"name": "Paris", "people": 2100000}')

    assert (await llm_of(script).run("?", output=City)).output == City(**PARIS)


async def test_words_instead_of_a_value_are_sent_back():
    """A model that chats is told what to do, within the rounds."""
    script = Script("It is Paris.", [call("final_answer", **PARIS)])
    run = await llm_of(script).run("?", output=City)

    assert run.output == City(**PARIS)
    assert script.requests[1].messages[-1].text.endswith("Call final_answer to answer.")
    with pytest.raises(errors.BoundReached):
        await llm_of(Script("Paris.", "Paris.")).run("?", output=City, max_rounds=2)


async def test_value_may_be_of_any_type():
    """What is no object is put into one on the way."""
    script = Script([call("final_answer", value=[1, 2])])

    assert (await llm_of(script).run("?", output=list[int])).output == [1, 2]


async def test_schema_is_refused():
    """A run has a type instead."""
    with pytest.raises(errors.InvalidRequest, match="Pass a type as output"):
        await llm_of(Script()).run("?", schema={"type": "object"})


def test_interrupt_in_a_tool_ends_the_program():
    """Ctrl-C is for the program, wherever it arrives."""

    def interrupt() -> None:
        """Do what Ctrl-C does."""
        raise KeyboardInterrupt

    script = Script([call("interrupt")], "done")

    with pytest.raises(KeyboardInterrupt):
        asyncio.run(llm_of(script).run("?", tools=[interrupt]))

    assert len(script.requests) == 1


def test_run_within_a_tool_shares_the_timeout():
    """A tool may run a model with tools of its own; the outer bound holds."""
    inner = Script([call("sleep", seconds=30)], "late")

    async def delegate() -> str:
        """Have another one do it."""
        return (await llm_of(inner).run("?", tools=[sleep])).text

    error, ended = timed(Script([call("delegate")]), [delegate], timeout=10)

    assert isinstance(error, errors.DeadlineExceeded)
    assert ended == 10


# --- pictures ---

PICTURE = Image(b"\x89PNG")
SEEING = ("tools", "tool_media")


@pytest.mark.parametrize(
    ("answer", "words", "media"),
    [
        (PICTURE, "", (PICTURE,)),
        ((PICTURE, File(b"%PDF")), "", (PICTURE, File(b"%PDF"))),
        (["A board.", PICTURE, {"holes": 2}], 'A board.\n{"holes":2}', (PICTURE,)),
        (["no", "picture"], '["no","picture"]', ()),
    ],
)
async def test_tool_may_answer_with_pictures(answer, words, media):
    """Alone, several, or among words; a list without any is JSON as ever."""

    def look():
        """Look at the board."""
        return answer

    script = Script([call("look")], "I see.", capabilities=SEEING)
    await llm_of(script).run("Look.", tools=[look])

    assert results(script.requests[1]) == [ToolResult("1", "look", words, media=media)]


async def test_picture_for_a_model_that_is_not_shown_any_is_refused():
    """By name, with the run so far; nothing more is asked."""

    async def look():
        """Look at the board."""
        return PICTURE

    script = Script([call("look")], "I see.")
    with pytest.raises(errors.Unsupported, match=r"look .* tool_media") as caught:
        await llm_of(script).run("Look.", tools=[look])

    assert len(script.requests) == 1
    assert caught.value.partial.rounds == 1
