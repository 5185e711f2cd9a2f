"""Replies that are values of a type, whole and growing."""

import asyncio
import json
from dataclasses import dataclass

import pegboard
import pytest
from pegboard import (
    Finished,
    LLMProvider,
    Message,
    Options,
    PartDone,
    Pegboard,
    Reply,
    Text,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    ToolResult,
    Usage,
    errors,
    sync,
)
from pegboard.schema import portable
from pegboard.testing import run_virtual
from pydantic import BaseModel, Field, TypeAdapter
from typing_extensions import TypedDict

USAGE = Usage(input=10, output=2)


class City(BaseModel):
    """A place where many live."""

    name: str
    people: int = Field(ge=0)
    twin: "City | None" = None


PARIS = City(name="Paris", people=2_100_000)


class Script:
    """A model that replies with what it is given, in turn."""

    def __init__(self, *replies, capabilities=("json_schema",), takes=0.0):
        self.replies = [*replies]
        self.capabilities = frozenset(capabilities)
        self.takes = takes
        self.requests = []

    @pegboard.hookimpl
    def pegboard_llm_providers(self):
        return [
            LLMProvider(
                name="script",
                factory=lambda _options, _context: self,
                options=Options,
                contracts={"ChatModel": 1, "StreamingChat": 1},
                capabilities=self.capabilities,
            )
        ]

    async def complete(self, request):
        self.requests.append(request)
        await asyncio.sleep(self.takes)
        reply = self.replies.pop(0)
        if isinstance(reply, Reply):
            return reply
        if isinstance(reply, Exception):
            raise reply
        parts = (reply if isinstance(reply, ToolCall) else Text(reply),)
        return Reply(parts=parts, finish_reason="stop", usage=USAGE, model="s-1")

    async def stream(self, request):
        self.requests.append(request)
        for event in self.replies:
            yield event if not isinstance(event, str) else TextDelta(event)
        yield Finished(finish_reason="stop", model="s-1", usage=USAGE)


def llm_of(script, **section):
    """Return the facade over *script*."""
    given = {"llm": {"default": {"provider": "script", **section}}}
    return Pegboard.isolated(given, plugins=[script]).llm()


# --- whole values ---


async def test_reply_has_the_value():
    """The reply is one like any other, and has the value besides."""
    text = PARIS.model_dump_json()
    reply = await llm_of(Script(text)).complete("Where?", output=City)

    assert reply.output == PARIS
    assert (reply.text, reply.usage, reply.model) == (text, USAGE, "s-1")


class Town(TypedDict):
    name: str


@dataclass
class Village:
    name: str


@pytest.mark.parametrize(
    ("form", "text", "expected"),
    [
        (Town, '{"name": "Ulm"}', {"name": "Ulm"}),
        (Village, '{"name": "Ulm"}', Village("Ulm")),
        (list[int], '{"value": [1, 2]}', [1, 2]),
        (int, '{"value": 3}', 3),
        (int | None, '{"value": null}', None),
        (Village | int, '{"value": {"name": "Ulm"}}', Village("Ulm")),
        (list[int], "[1, 2]", [1, 2]),
        (dict[str, int], '{"value": 3}', {"value": 3}),
    ],
)
async def test_value_may_be_of_any_type(form, text, expected):
    """Whatever pydantic knows can be asked for; the service is asked for an object."""
    script = Script(text)
    reply = await llm_of(script).complete("?", output=form)

    assert reply.output == expected
    assert script.requests[0].schema["type"] == "object"


async def test_schema_is_what_strict_services_take():
    """All is required and nothing else allowed, recursive types included."""
    script = Script(PARIS.model_dump_json())
    await llm_of(script).complete("Where?", output=City)
    schema = script.requests[0].schema

    assert schema["additionalProperties"] is False
    assert schema["required"] == ["name", "people", "twin"]
    assert schema != portable(TypeAdapter(City).json_schema())


class Opaque:
    """What JSON has no words for."""


@pytest.mark.parametrize("form", [Opaque, list[Opaque], type(Opaque.__init__)])
async def test_type_that_json_cannot_hold_is_refused(form):
    """It is said before anything is sent."""
    script = Script()

    with pytest.raises(errors.InvalidRequest, match="Pass a type that JSON") as caught:
        await llm_of(script).complete("?", output=form)

    assert caught.value.address == "llm.default"
    assert script.requests == []


# --- corrections ---


async def test_model_corrects_what_does_not_fit():
    """It sees its reply and what is wrong; the usage is that of both."""
    wrong = '{"name": "Paris", "people": -1}'
    script = Script(wrong, PARIS.model_dump_json())
    reply = await llm_of(script).complete("Where?", output=City)

    assert reply.output == PARIS
    assert reply.usage == USAGE + USAGE
    asked, said, told = script.requests[1].messages
    assert (asked, said) == (
        script.requests[0].messages[0],
        Message.of("assistant", wrong),
    )
    assert "people: Input should be greater than or equal to 0" in told.text


async def test_corrections_are_bounded():
    """What never fits is an error, with the last reply and what all of them took."""
    script = Script(*["Paris"] * 9)

    with pytest.raises(errors.InvalidReply, match="does not fit: Invalid JSON") as got:
        await llm_of(script).complete("Where?", output=City)

    assert len(script.requests) == 3
    assert (got.value.partial.text, got.value.partial.usage) == (
        "Paris",
        USAGE + USAGE + USAGE,
    )
    assert (got.value.address, got.value.operation) == ("llm.default", "complete")


@pytest.mark.parametrize("ask", ["complete", "complete_json"])
async def test_schemas_are_corrected_too(ask):
    """What is asked for by a schema is as good as what is asked for by a type."""
    script = Script("Paris", '{"name": "Paris"}')
    schema = {"type": "object", "required": ["name"]}
    await getattr(llm_of(script), ask)("Where?", schema=schema)

    assert len(script.requests) == 2


async def test_corrections_may_be_switched_off():
    """Who asks once gets the first reply or its error."""
    script = Script(*["Paris"] * 9)

    with pytest.raises(errors.InvalidReply):
        await llm_of(script).complete("Where?", output=City, corrections=0)

    assert len(script.requests) == 1


@pytest.mark.parametrize(
    ("reason", "hint"),
    [("length", "raise max_tokens"), ("content_filter", "did not want to say more")],
)
async def test_hopeless_reply_is_not_corrected(reason, hint):
    """What was cut off would be cut off again."""
    cut = Reply(
        parts=(Text('{"name": "Pa'),), finish_reason=reason, usage=USAGE, model="s-1"
    )
    script = Script(cut)

    with pytest.raises(errors.InvalidReply, match=hint):
        await llm_of(script).complete("Where?", output=City)

    assert len(script.requests) == 1


async def test_silence_is_corrected_too():
    """A reply without parts is no turn of a conversation."""
    nothing = Reply(parts=(), finish_reason="stop", usage=USAGE, model="s-1")
    script = Script(nothing, PARIS.model_dump_json())
    await llm_of(script).complete("Where?", output=City)

    assert [m.role for m in script.requests[1].messages] == ["user", "user"]


async def test_failed_correction_keeps_what_was_paid():
    """The error of the service holds the reply before it."""
    script = Script("Paris", errors.Authentication("no"))

    with pytest.raises(errors.Authentication) as caught:
        await llm_of(script).complete("Where?", output=City)

    assert (caught.value.partial.text, caught.value.partial.usage) == ("Paris", USAGE)


def test_corrections_share_one_deadline():
    """A call takes no longer because it is corrected."""
    script = Script(*["Paris"] * 99, takes=3)

    async def main():
        llm = llm_of(script, policy={"deadline": 10})
        with pytest.raises(errors.DeadlineExceeded):
            await llm.complete("Where?", output=City, corrections=98)
        return asyncio.get_running_loop().time()

    assert run_virtual(main()) == 10


# --- models without schemas ---


async def test_model_with_tools_only_is_made_to_call_one():
    """What cannot be held to a schema gives the value as arguments of a tool."""
    answer = ToolCall("1", "final_answer", PARIS.model_dump())
    script = Script(answer, capabilities={"tools"})
    reply = await llm_of(script).complete("Where?", output=City)
    (request,) = script.requests

    assert reply.output == PARIS
    assert (request.schema, request.tool_choice) == (None, "final_answer")
    assert [tool.name for tool in request.tools] == ["final_answer"]


async def test_arguments_that_do_not_fit_are_corrected():
    """The call is answered, as services demand."""
    wrong = ToolCall("1", "final_answer", {"name": "Paris"})
    right = ToolCall("2", "final_answer", PARIS.model_dump())
    script = Script(wrong, right, capabilities={"tools"})
    await llm_of(script).complete("Where?", output=City)
    (result,) = script.requests[1].messages[-1].parts

    assert isinstance(result, ToolResult)
    assert (result.call_id, result.is_error) == ("1", True)
    assert "people: Field required" in result.content


async def test_model_with_neither_is_refused():
    """Nothing is sent to who can only chat."""
    script = Script(capabilities=())

    with pytest.raises(errors.Unsupported, match=r"schema \(json_schema\)"):
        await llm_of(script).complete("Where?", output=City)

    assert script.requests == []


@pytest.mark.parametrize("other", [{"tools": []}, {"schema": {"type": "object"}}])
async def test_output_stands_alone(other):
    """With tools or a schema it would be unclear what is wanted."""
    with pytest.raises(errors.InvalidRequest, match="do not go together"):
        await llm_of(Script()).complete("Where?", output=City, **other)


# --- growing values ---


async def test_value_grows():
    """What has arrived of the JSON is there as plain values, the whole last."""
    text = '{"name": "Paris", "people": 21, "twin": null}'
    script = Script(text[:12], text[12:20], text[20:], "\n")
    async with llm_of(script).stream("Where?", output=City) as stream:
        seen = [partial async for partial in stream.partial]

    assert seen == [
        {"name": "Pa"},
        {"name": "Paris"},
        {"name": "Paris", "people": 21, "twin": None},
    ]
    assert stream.output == City(name="Paris", people=21)
    assert stream.reply.usage == USAGE


async def test_wrapped_value_grows_unwrapped():
    """What was put into an object only for the service is shown without it."""
    script = Script('{"val', 'ue": [1', ", 2]}")
    async with llm_of(script).stream("?", output=list[int]) as stream:
        seen = [partial async for partial in stream.partial]

    assert (seen[-1], stream.output) == ([1, 2], [1, 2])
    assert all(isinstance(partial, list) for partial in seen)


async def test_value_grows_through_a_tool():
    """The arguments of the tool are the JSON where there are no schemas."""
    value = PARIS.model_dump()
    text = json.dumps(value)
    script = Script(
        TextDelta("{This is no JSON.}"),
        ToolCallDelta("1", "final_answer", text[:11]),
        ToolCallDelta("1", "final_answer", text[11:]),
        PartDone(ToolCall("1", "final_answer", value)),
        capabilities={"tools"},
    )
    async with llm_of(script).stream("Where?", output=City) as stream:
        seen = [partial async for partial in stream.partial]

    assert (seen[0], seen[-1]) == ({"name": "P"}, value)
    assert stream.output == PARIS


async def test_streamed_value_that_does_not_fit_is_an_error():
    """What was shown cannot be taken back, so nothing is corrected."""
    script = Script('{"name": "Paris"}')

    with pytest.raises(errors.InvalidReply, match="people: Field required") as caught:
        async with llm_of(script).stream("Where?", output=City) as stream:
            async for _ in stream.partial:
                pass

    assert caught.value.operation == "stream"
    assert len(script.requests) == 1


async def test_value_is_not_there_before_the_end():
    """Half a value is none."""
    script = Script('{"name": "Paris",', '"people": 3, "twin": null}')
    async with llm_of(script).stream("Where?", output=City) as stream:
        async for _ in stream.partial:
            break

    with pytest.raises(errors.InvalidReply, match="Read the stream to its end"):
        _ = stream.output


async def test_events_serve_as_well():
    """The value is there whichever way the stream was read."""
    stream = llm_of(Script(PARIS.model_dump_json())).stream("?", output=City)

    assert [text async for text in stream.text] == [PARIS.model_dump_json()]
    assert stream.output == PARIS


# --- without async ---


def test_blocking_twins_return_values():
    """Values, growing values and runs, without await."""
    value = PARIS.model_dump_json()
    fake = {"provider": "fake", "replies": [value]}
    with sync.Pegboard.isolated({"llm": {"default": fake}}) as board:
        llm = board.llm()
        with llm.stream("Where?", output=City) as stream:
            seen = [*stream.partial]

        assert llm.complete("Where?", output=City).output == PARIS
        assert (seen[-1], stream.output) == (PARIS.model_dump(), PARIS)
        assert llm.run("Where?", output=City).output == PARIS
