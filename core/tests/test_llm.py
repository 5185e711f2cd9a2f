"""The facade over language models."""

import json

import pegboard
import pytest
from pegboard import (
    ChatRequest,
    Finished,
    Image,
    Message,
    Options,
    PartDone,
    Pegboard,
    Reasoning,
    Reply,
    Text,
    TextDelta,
    Tool,
    ToolCall,
    ToolResult,
    Usage,
    UsageSoFar,
    errors,
)

USAGE = Usage(input=3, output=2)
TOOL = Tool("weather", "Tell the weather.", {"type": "object"})
CITY = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
}


class Script:
    """A model that answers with what it is given, and remembers what it was asked."""

    def __init__(self, *, text="", events=(), capabilities=(), streams=True):
        self.text = text
        self.events = events
        self.capabilities = frozenset(capabilities)
        self.streams = streams
        self.usage = USAGE
        self.requests = []
        self.closed = 0

    @pegboard.hookimpl
    def pegboard_llm_providers(self):
        contracts = {"ChatModel": 1} | ({"StreamingChat": 1} if self.streams else {})
        return [
            pegboard.LLMProvider(
                name="script",
                factory=lambda _options, _context: self,
                options=Options,
                contracts=contracts,
                capabilities=self.capabilities,
            )
        ]

    async def complete(self, request):
        self.requests.append(request)
        return Reply(
            parts=(Text(self.text),),
            finish_reason="stop",
            usage=self.usage,
            model="s-1",
        )

    async def stream(self, request):
        self.requests.append(request)
        try:
            for event in self.events:
                if isinstance(event, Exception):
                    raise event
                yield event
        finally:
            self.closed += 1


def llm_of(script, **section):
    """Return the facade over *script*."""
    given = {"llm": {"default": {"provider": "script", **section}}}
    return Pegboard.isolated(given, plugins=[script]).llm()


# --- requests ---


@pytest.mark.parametrize(
    ("prompt", "messages"),
    [
        ("hi", (Message.of("user", "hi"),)),
        (Message.of("user", "hi"), (Message.of("user", "hi"),)),
        ([Message.of("user", "a")], (Message.of("user", "a"),)),
    ],
)
async def test_prompt_is_words_a_message_or_a_conversation(prompt, messages):
    """However it is given, the prompt becomes messages."""
    script = Script()

    await llm_of(script).complete(prompt)

    assert script.requests == [ChatRequest(messages=messages)]


async def test_system_comes_first():
    """The system text is the first message."""
    script = Script()

    await llm_of(script).complete("hi", system="be brief")

    first, second = script.requests[0].messages
    assert (first.role, first.text, second.role) == ("system", "be brief", "user")


async def test_empty_conversation_is_refused():
    """There must be something to answer."""
    script = Script()

    with pytest.raises(errors.InvalidRequest, match="The conversation is empty"):
        await llm_of(script).complete([])

    assert script.requests == []


async def test_none_leaves_a_parameter_out():
    """Who has nothing to say of a parameter may say so."""
    script = Script(text="hi")
    nothing = dict.fromkeys(["schema", "temperature", "max_tokens", "system"])

    assert (await llm_of(script).complete("hi", **nothing)).text == "hi"
    assert script.requests == [ChatRequest(messages=(Message.of("user", "hi"),))]


async def test_misspelt_parameter_is_refused():
    """A parameter that does not exist is named, with the nearest that does."""
    with pytest.raises(errors.InvalidRequest, match="Did you mean 'max_tokens'"):
        await llm_of(Script()).complete("hi", max_token=3)


@pytest.mark.parametrize(
    ("name", "ours"),
    [
        ("max_completion_tokens", "max_tokens"),
        ("max_output_tokens", "max_tokens"),
        ("num_predict", "max_tokens"),
        ("stop_sequences", "stop"),
        ("system_prompt", "system"),
        ("response_format", "output"),
        ("thinking", "reasoning_effort"),
    ],
)
@pytest.mark.parametrize("ask", ["complete", "complete_json", "stream", "run"])
async def test_parameter_of_another_world_is_named_as_ours(ask, name, ours):
    """Who comes from an SDK is told what it is called here; nothing is sent."""
    script = Script(capabilities={"json_schema"})

    with pytest.raises(
        errors.InvalidRequest, match=f"{name}'. Here it is called '{ours}'"
    ):
        asked = getattr(llm_of(script), ask)("hi", **{name: 3})
        await asked

    assert script.requests == []


async def test_reasoning_effort_is_one_that_some_service_knows():
    """A slip is told with the nearest that there is."""
    with pytest.raises(errors.InvalidRequest, match="Did you mean 'high'"):
        await llm_of(Script()).complete("hi", reasoning_effort="hgih")


async def test_tool_choice_is_one_of_the_tools():
    """A choice that there is not is told before anything is sent."""
    script = Script(capabilities={"tools"})

    with pytest.raises(errors.InvalidRequest, match="Did you mean 'weather'"):
        await llm_of(script).complete("hi", tools=[TOOL], tool_choice="wether")

    assert script.requests == []


async def test_functions_are_tools():
    """A plain function may be given as a tool; its caller makes the call."""

    def rain(city: str) -> str:
        """Tell the rain."""
        return city

    script = Script(capabilities={"tools"})
    await llm_of(script).complete("hi", tools=[rain, TOOL])

    assert [tool.name for tool in script.requests[0].tools] == ["rain", "weather"]


# --- what is not claimed ---

NEEDS = {
    "temperature": {"temperature": 0.0},
    "top_p": {"top_p": 0.5},
    "seed": {"seed": 0},
    "stop": {"stop": "x"},
    "reasoning_effort": {"reasoning_effort": "low"},
    "json_schema": {"schema": CITY},
    "tools": {"tools": [TOOL]},
    "web_search": {"web_search": True},
}


@pytest.mark.parametrize("capability", NEEDS)
async def test_unclaimed_parameter_is_refused_before_the_provider(capability):
    """What a provider does not claim is refused by name, and nothing is sent."""
    script = Script(capabilities=NEEDS.keys() - {capability})

    with pytest.raises(errors.Unsupported) as caught:
        await llm_of(script).complete("hi", **NEEDS[capability])

    error = caught.value
    assert next(iter(NEEDS[capability])) in str(error)
    assert (error.address, error.request_sent) == ("llm.default", "no")
    assert script.requests == []


@pytest.mark.parametrize("capability", NEEDS)
async def test_claimed_parameter_is_sent(capability):
    """What a provider claims reaches it."""
    script = Script(text='{"city": "Paris"}', capabilities={capability})

    await llm_of(script).complete("hi", **NEEDS[capability])

    assert len(script.requests) == 1


@pytest.mark.parametrize(
    ("part", "capability"),
    [
        (Image(b"x"), "images"),
        (ToolResult("1", "weather", "sunny"), "tools"),
        (ToolResult("1", "weather", "", media=(Image(b"x"),)), "tool_media"),
    ],
)
async def test_unclaimed_part_is_refused(part, capability):
    """A message with a part that the provider cannot take is refused."""
    script = Script()

    with pytest.raises(errors.Unsupported, match=capability):
        await llm_of(script).complete(Message("user", (part,)))

    assert script.requests == []


async def test_settings_may_drop_what_is_not_claimed():
    """With on_unsupported = "drop" a hint is left out, and the reply says so."""
    script = Script()
    llm = llm_of(script, on_unsupported="drop")

    reply = await llm.complete("hi", seed=1, stop=["x"])

    assert reply.dropped == ("seed", "stop")
    assert (script.requests[0].seed, script.requests[0].stop) == (None, ())


async def test_what_the_reply_depends_on_is_never_dropped():
    """A schema or tools are no hints: without them the reply is another one."""
    script = Script()

    with pytest.raises(errors.Unsupported, match="schema"):
        await llm_of(script, on_unsupported="drop").complete("hi", schema=CITY)


async def test_stream_of_a_model_that_cannot_is_refused():
    """Without StreamingChat there is no stream, and the error says what to do."""
    with pytest.raises(errors.Unsupported, match="Use complete instead"):
        llm_of(Script(streams=False)).stream("hi")


# --- JSON ---


async def test_json_reply_is_an_object():
    """complete_json returns the parsed object."""
    script = Script(text='{"city": "Paris"}', capabilities={"json_schema"})

    value = await llm_of(script).complete_json("where?", schema=CITY)

    assert value == {"city": "Paris"}
    assert script.requests[0].schema == CITY


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Paris", "is not JSON"),
        ('{"town": "Paris"}', "does not fit its schema"),
        ('{"city": 3}', "does not fit its schema"),
    ],
)
@pytest.mark.parametrize("ask", ["complete", "complete_json"])
async def test_reply_that_breaks_its_schema_is_an_error(ask, text, expected):
    """What the schema does not allow is not handed on; the reply is in the error."""
    llm = llm_of(Script(text=text, capabilities={"json_schema"}))

    with pytest.raises(errors.InvalidReply, match=expected) as caught:
        await getattr(llm, ask)("where?", schema=CITY)

    assert caught.value.partial.text == text
    assert caught.value.address == "llm.default"


async def test_json_that_is_no_object_is_an_error():
    """complete_json promises a dict."""
    llm = llm_of(Script(text="[1]", capabilities={"json_schema"}))

    with pytest.raises(errors.InvalidReply, match="is a JSON list"):
        await llm.complete_json("x", schema={"type": "array"})


async def test_broken_schema_is_refused_before_the_provider():
    """A schema that is none is the caller's fault."""
    script = Script(capabilities={"json_schema"})

    with pytest.raises(errors.InvalidRequest, match="is not a JSON Schema"):
        await llm_of(script).complete("x", schema={"type": "objekt"})

    assert script.requests == []


# --- streams ---

CALL = ToolCall("1", "weather", {"city": "Paris"})
EVENTS = (
    PartDone(Reasoning("hm")),
    TextDelta("Hel"),
    TextDelta("lo"),
    PartDone(CALL),
    Finished(finish_reason="tool_calls", usage=USAGE, model="s-1"),
)


async def test_stream_adds_up_to_the_reply():
    """The events make the same reply that complete would return."""
    script = Script(events=EVENTS)

    async with llm_of(script).stream("hi") as stream:
        seen = [event async for event in stream]

    assert seen == list(EVENTS)
    assert stream.reply == Reply(
        parts=(Reasoning("hm"), Text("Hello"), CALL),
        finish_reason="tool_calls",
        usage=USAGE,
        model="s-1",
    )


async def test_text_is_the_words_alone():
    """stream.text leaves everything but the words out."""
    stream = llm_of(Script(events=EVENTS)).stream("hi")

    assert [text async for text in stream.text] == ["Hel", "lo"]
    assert stream.reply.tool_calls == (CALL,)


async def test_left_stream_is_closed_and_has_a_partial_reply():
    """Leaving early closes the source; words and usage so far are kept."""
    so_far = Usage(input=3, output=1)
    script = Script(events=(TextDelta("Hel"), UsageSoFar(so_far), *EVENTS[2:]))

    async with llm_of(script).stream("hi") as stream:
        async for event in stream:
            if isinstance(event, UsageSoFar):
                break

    assert script.closed == 1
    reply = stream.reply
    assert (reply.text, reply.finish_reason, reply.usage) == ("Hel", "cut", so_far)


async def test_break_closes_even_without_the_context_manager():
    """A loop that is left closes the source also when the stream is still held."""
    script = Script(events=EVENTS)
    stream = llm_of(script).stream("hi")
    async for _ in stream.text:
        break
    while not script.closed:
        await pegboard_loop_turn()

    assert stream.reply.finish_reason == "cut"


async def pegboard_loop_turn():
    """Let the loop run what it has scheduled."""
    import asyncio  # noqa: PLC0415

    await asyncio.sleep(0)


async def test_usage_is_estimated_where_nobody_counts():
    """Without a count from the service the usage is an estimate, and says so."""
    script = Script(events=(TextDelta("four char"),))

    async with llm_of(script).stream("12345678") as stream:
        async for _ in stream:
            break

    assert stream.reply.usage == Usage(input=2, output=3, estimated=True)


async def test_usage_of_a_whole_reply_is_estimated_too():
    """A provider whose service does not count need not count either."""
    script = Script(text="four char")
    script.usage = Usage(estimated=True)

    reply = await llm_of(script).complete("12345678")

    assert reply.usage == Usage(input=2, output=3, estimated=True)


async def test_stream_without_an_end_is_an_error():
    """A stream that just stops was cut off; nobody may take it for whole."""
    script = Script(events=EVENTS[:3])

    with pytest.raises(errors.InvalidReply, match="ended before") as caught:
        async with llm_of(script).stream("hi") as stream:
            async for _ in stream:
                pass

    assert caught.value.in_stream
    assert caught.value.partial.text == "Hello"


async def test_error_in_a_stream_carries_what_had_arrived():
    """The partial reply is in the error."""
    broke = errors.ConnectionFailed("broke")
    script = Script(events=(TextDelta("Hel"), broke))

    with pytest.raises(errors.ConnectionFailed) as caught:
        async with llm_of(script).stream("hi") as stream:
            async for _ in stream.text:
                pass

    assert (caught.value.in_stream, caught.value.partial.text) == (True, "Hel")
    assert caught.value.address == "llm.default"


async def test_streamed_reply_is_held_against_its_schema():
    """A streamed reply that does not fit its schema is an error at its end."""
    events = (TextDelta("Paris"), Finished(finish_reason="stop", model="s-1"))
    llm = llm_of(Script(events=events, capabilities={"json_schema"}))

    with pytest.raises(errors.InvalidReply, match="is not JSON"):
        async with llm.stream("where?", schema=CITY) as stream:
            async for _ in stream:
                pass


# --- values ---


def test_usage_buckets_add_up():
    """Usage adds bucket by bucket; one estimate makes the sum one."""
    one = Usage(input=1, cache_read=2, cache_write=3, output=4, reasoning=5)

    total = one + Usage(output=1, estimated=True)

    assert total == Usage(
        input=1, cache_read=2, cache_write=3, output=5, reasoning=5, estimated=True
    )
    assert total.total == 16


def test_reply_can_be_sent_back():
    """A reply is the next turn of the conversation, all its parts included."""
    reply = Reply(parts=(Text("a"), CALL), finish_reason="stop", usage=USAGE, model="m")

    assert reply.message == Message("assistant", (Text("a"), CALL))
    assert json.dumps(reply.text) == '"a"'
