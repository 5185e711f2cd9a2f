"""Operations by name: called with JSON, the same call as in Python."""

import dataclasses
import datetime as dt
from collections.abc import AsyncIterator
from pkgutil import resolve_name
from typing import Annotated, Any, BinaryIO, Literal, Protocol

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from pegboard import (
    Context,
    IntegrationProvider,
    Messenger,
    Options,
    Pegboard,
    Posted,
    contract,
    errors,
    hookimpl,
    operation,
    sync,
)
from pegboard._operations import BoundOperation
from pegboard._settings.settings import TracingSettings
from pegboard._tracing.tracing import Tracing
from pegboard.builtin.plugin import pegboard_contracts
from pydantic import BaseModel, Field, SecretStr

KEY = "xoxb-very-secret"


class Block(BaseModel):
    """A part of a page."""

    text: str
    level: int = 0


@contract(family="integrations", version=1)
class Desk(Protocol):
    """What has an operation of every kind."""

    @operation(repeatable=True)
    async def plan_day(
        self,
        day: dt.date,
        hours: Annotated[int, Field(ge=1)] = 8,
        *,
        kind: Literal["work", "rest"] = "work",
        blocks: list[Block] | None = None,
    ) -> list[Any]:
        """
        Plan a day.

        It takes a while.

        Args:
            day: Which one.
            hours: How many.
            kind: Of which kind.
            blocks: What to do.

        """
        ...

    @operation(repeatable=True)
    async def numbers(self) -> dict[str, Any]:
        """Return numbers."""
        ...

    @operation(repeatable=True, tool=False)
    async def read_diary(self) -> SecretStr:
        """Return what is nobody's business."""
        ...

    @operation(repeatable=True)
    def listen(self) -> AsyncIterator[str]:
        """Yield what is said."""
        ...

    @operation(repeatable=False)
    async def scan(self, content: BinaryIO) -> None:
        """Read paper."""
        ...

    @operation(repeatable=True)
    async def drawer(self) -> object:
        """Return what is in the drawer."""
        ...


@contract(family="integrations", version=1)
class Gate(Protocol):
    """What has an operation that a door has, too."""

    @operation(repeatable=False)
    async def open_up(self) -> str:
        """Open."""
        ...


@contract(family="integrations", version=1)
class Door(Protocol):
    """What has an operation that a desk has, too."""

    @operation(repeatable=False)
    async def open_up(self) -> str:
        """Open."""
        ...

    @operation(repeatable=True)
    async def listen_in(self) -> str:
        """Listen."""
        ...

    @operation(repeatable=True)
    async def numbers(self) -> str:
        """Return the number of the house."""
        ...


class DeskOptions(Options):
    """Options of a desk."""

    key: SecretStr | None = None


class Service:
    """A desk, and what it was called with."""

    def __init__(self, _options: DeskOptions, _context: Context) -> None:
        self.calls: list[Any] = []

    async def post_message(self, channel, text):
        self.calls.append((channel, text))
        if channel == "#slow":
            msg = f"it took too long with {KEY}"
            raise errors.Timeout(msg, request_sent="maybe")
        return Posted(channel, str(len(self.calls)))

    async def plan_day(self, *arguments, **more):
        self.calls.append((arguments, more))
        return [*arguments, *more.values()]

    async def numbers(self):
        return {"some": (1, 2), "day": dt.date(2026, 7, 14), "none": float("nan")}

    async def read_diary(self):
        return SecretStr("dear diary")

    async def listen(self):
        yield "hush"

    async def scan(self, content):
        self.calls.append(content)

    async def drawer(self):
        return object()


class Part:
    """Keeps a contract whose operations have the names of others."""

    def __init__(self, number):
        self._number = number

    async def listen_in(self):
        return "knock"

    async def numbers(self):
        return self._number

    async def open_up(self):
        return self._number


class House(Service):
    """A desk with a door and a gate."""

    def __init__(self, options, context):
        super().__init__(options, context)
        self.parts = {"Door": Part("12b"), "Gate": Part("0")}


class Plugin:
    """Offers desks, and watches calls."""

    def __init__(self):
        self.exporter = InMemorySpanExporter()
        tracers = TracerProvider()
        tracers.add_span_processor(SimpleSpanProcessor(self.exporter))
        self._tracing = Tracing(TracingSettings(enabled=True), tracers)

    @hookimpl
    def pegboard_contracts(self):
        return [Desk, Door, Gate]

    @hookimpl
    def pegboard_integrations(self):
        own = {"Messenger": 1, "Desk": 1}
        one = IntegrationProvider(
            name="desk", factory=Service, options=DeskOptions, contracts=own
        )
        house = dataclasses.replace(
            one, name="house", factory=House, contracts={"Door": 1, **own, "Gate": 1}
        )
        return [one, house]

    @hookimpl
    def pegboard_observers(self):
        return [self._tracing]

    def spans(self):
        """Return all spans that have ended, by name."""
        return {span.name: span for span in self.exporter.get_finished_spans()}


SETTINGS = {
    "integrations": {
        "alerts": {"provider": "desk", "key": KEY},
        "house": {"provider": "house"},
        "vault": {"provider": "environment"},
        "storage": {"provider": "desk"},
    },
    "storage": {"notes": {"provider": "memory"}},
    "llm": {"default": {"provider": "fake"}},
}
HELLO = {"channel": "#ops", "text": "hi"}


@pytest.fixture
def plugin():
    """Return the plugin that offers desks."""
    return Plugin()


@pytest.fixture
async def board(plugin):
    """Return a board with desks."""
    async with Pegboard.isolated(SETTINGS, plugins=[plugin]) as board:
        yield board


def calls(board, address="integrations.alerts"):
    """Return what the desk at *address* was called with."""
    return board.provider(address).calls


async def test_result_is_json(board):
    """What the method returns comes as JSON says it."""
    assert await board.call("alerts.post_message", HELLO) == {
        "channel": "#ops",
        "id": "1",
    }
    assert await board.call("alerts.numbers") == {
        "some": [1, 2],
        "day": "2026-07-14",
        "none": None,
    }


@pytest.mark.parametrize(
    "name",
    ["alerts.post_message", "integrations.alerts.post_message"],
)
async def test_family_may_be_said(board, name):
    """Of integrations it goes without saying."""
    assert (await board.call(name, HELLO))["channel"] == "#ops"


async def test_instance_may_be_called_like_a_family(board):
    """Then the family must be said."""
    assert await board.call("integrations.storage.post_message", HELLO)
    assert calls(board, "integrations.storage") == [("#ops", "hi")]
    (tool,) = board.tools("integrations.storage.post_message")
    assert tool.name == "integrations-storage-post_message"


async def test_storage_is_called_likewise(board):
    """With its family."""
    version = await board.call("storage.notes.set", {"key": "a", "value": {"b": [1]}})

    assert await board.call("storage.notes.get_entry", {"key": "a"}) == {
        "value": {"b": [1]},
        "version": version,
    }


async def test_method_gets_what_its_contract_says(board):
    """JSON becomes dates and models; what is not given is left to the method."""
    given = {"day": "2026-07-14", "kind": "rest", "blocks": [{"text": "sleep"}]}
    await board.call("alerts.plan_day", given)

    assert calls(board) == [
        (
            (dt.date(2026, 7, 14),),
            {"kind": "rest", "blocks": [Block(text="sleep")]},
        )
    ]


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"channel": "#ops"}, "text: Field required"),
        ({**HELLO, "txt": "x"}, "txt: Extra inputs are not permitted"),
        ({**HELLO, "text": 3}, "text: Input should be a valid string"),
        ({**HELLO, "text": object()}, "Unable to serialize unknown type"),
    ],
)
async def test_arguments_that_do_not_fit_are_refused(board, given, reason):
    """What is wrong is said, and what it takes; nothing is called."""
    with pytest.raises(errors.InvalidRequest) as caught:
        await board.call("alerts.post_message", given)

    told = str(caught.value)
    assert told.startswith("integrations.alerts post_message: The arguments do not fit")
    assert reason in told
    assert told.endswith("Takes: channel, text.")
    assert caught.value.request_sent == "no"
    assert calls(board) == []


async def test_refused_arguments_are_not_shown(board):
    """They may be secret: neither the message nor a cause has them."""
    with pytest.raises(errors.InvalidRequest) as caught:
        await board.call("alerts.post_message", {"channel": "#ops", "text": [KEY]})

    assert KEY not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


@pytest.mark.parametrize(
    ("name", "kind", "told"),
    [
        (
            "alerts.pots_message",
            errors.InvalidRequest,
            "There is no operation 'pots_message'. Did you mean 'post_message'? Known:",
        ),
        ("alerts", errors.InvalidRequest, "integrations.alerts: Say which one. Known:"),
        ("alrets.post_message", errors.SettingsError, "Did you mean 'alerts'?"),
        (
            "llm.default.complete",
            errors.InvalidRequest,
            "llm.default: It is a language model.",
        ),
        ("alerts.listen", errors.InvalidRequest, "alerts listen: It yields items"),
        (
            "alerts.scan",
            errors.InvalidRequest,
            "alerts scan: JSON cannot say what it takes (content). Use it in Python.",
        ),
        (
            "house.Door.nubmers",
            errors.InvalidRequest,
            "Did you mean 'Door.numbers'? Known: Door.numbers, Gate.open_up, drawer,",
        ),
    ],
)
async def test_unknown_names_are_told_what_exists(board, name, kind, told):
    """Each part of a name that leads nowhere says what would."""
    with pytest.raises(kind) as caught:
        await board.call(name, {})

    assert told in str(caught.value)


async def test_contracts_tell_equal_names_apart(board):
    """What a part keeps is spelled with its contract, where its name is taken."""
    assert await board.call("house.Door.numbers") == "12b"
    assert (await board.call("house.numbers"))["some"] == [1, 2]
    assert await board.call("house.listen_in") == "knock"
    assert await board.call("house.open_up") == "12b"
    assert await board.call("house.Gate.open_up") == "0"


async def test_types_that_are_not_there_are_the_fault_of_the_contract():
    """It is told what to do about it."""

    @operation(repeatable=True)
    async def shelve(self, book: "Book") -> None:  # noqa: F821 - that is the point
        """Put a book away."""

    bound = BoundOperation("integrations.x", "shelve", shelve.__operation__, print)
    with pytest.raises(errors.PluginError, match=r"'Book' is not defined[.] It must"):
        bound.read({})


async def test_what_json_cannot_say_is_told_after_the_call(board):
    """The call was made, so the error says so."""
    with pytest.raises(errors.InvalidReply, match="The call was made") as caught:
        await board.call("alerts.drawer")

    assert caught.value.request_sent == "yes"
    assert caught.value.operation == "drawer"


async def test_secret_comes_as_stars(board, monkeypatch):
    """It never leaves as JSON."""
    monkeypatch.setenv("TOKEN", KEY)

    assert await board.call("vault.get_secret", {"name": "TOKEN"}) == "**********"


async def test_closed_board_calls_nothing(board):
    """Not even what it had found before."""
    await board.call("alerts.post_message", HELLO)
    await board.aclose()

    with pytest.raises(errors.PegboardError, match="the board is closed"):
        await board.call("alerts.post_message", HELLO)


async def test_call_is_under_the_same_policy(board):
    """Attempts, redaction and numbers are those of the call in Python."""
    slow = {"channel": "#slow", "text": "x"}
    with pytest.raises(errors.Timeout) as by_name:
        await board.call("alerts.post_message", slow)
    with pytest.raises(errors.Timeout) as in_python:
        await board.integration("alerts", Messenger).post_message(**slow)

    assert str(by_name.value) == str(in_python.value)
    assert KEY not in str(by_name.value)
    assert calls(board) == [("#slow", "x")] * 2  # once each: it may have arrived
    assert board.stats()["integrations.alerts"].calls == 2


async def test_call_is_traced_as_in_python(plugin):
    """One span, with the same name and attributes."""
    async with Pegboard.isolated(SETTINGS, plugins=[plugin]) as board:
        await board.call("alerts.post_message", HELLO)
        await board.integration("alerts", Messenger).post_message("#ops", "hi")
    by_name, in_python = plugin.exporter.get_finished_spans()

    assert by_name.name == "post_message integrations.alerts"
    assert (by_name.name, by_name.attributes) == (in_python.name, in_python.attributes)


async def test_observers_see_the_same_request(plugin):
    """The first argument comes first on both ways: it tells breakers apart."""
    seen = []
    plugin._tracing.notify = lambda event: seen.append(event.call.request)
    async with Pegboard.isolated(SETTINGS, plugins=[plugin]) as board:
        await board.call("alerts.post_message", {"text": "hi", "channel": "#ops"})
        await board.integration("alerts", Messenger).post_message("#ops", "hi")

    assert set(seen) == {"#ops"}


def test_blocking_board_calls_likewise(plugin):
    """The twin has both ways."""
    replies = [{"tool": "alerts-post_message", "arguments": HELLO}, "done"]
    settings = {
        **SETTINGS,
        "llm": {"default": {"provider": "fake", "replies": replies}},
    }
    with sync.Pegboard.isolated(settings, plugins=[plugin]) as board:
        assert board.call("alerts.post_message", HELLO)["id"] == "1"
        run = board.llm().run("Go.", tools=board.tools("alerts.post_message"))

    assert run.tool_uses[0].result.content == '{"channel":"#ops","id":"2"}'


def names(tools):
    """Return what *tools* are called."""
    return [tool.name for tool in tools]


async def test_tools_are_unique_across_instances(board):
    """Each has the name of its instance in its own, and services take it."""
    tools = board.tools("alerts.post_message", "house.post_message", "storage.notes")

    assert names(tools)[:3] == [
        "alerts-post_message",
        "house-post_message",
        "storage-notes-get",
    ]
    assert names(board.tools("house.Door.numbers")) == ["house-Door-numbers"]


async def test_tool_is_described_by_its_contract(board):
    """Docstring and signature say what it does and takes."""
    (tool,) = board.tools("alerts.plan_day")

    assert tool.description == "Plan a day.\n\nIt takes a while."
    assert tool.parameters["required"] == ["day"]
    assert tool.parameters["properties"]["day"]["description"] == "Which one."
    assert tool.parameters["properties"]["hours"]["minimum"] == 1


async def test_tools_leave_out_what_is_not_for_models(board):
    """Secrets, streams and files are not among the tools of an instance."""
    assert set(names(board.tools("alerts"))) == {
        "alerts-post_message",
        "alerts-plan_day",
        "alerts-numbers",
        "alerts-drawer",
    }
    with pytest.raises(errors.InvalidRequest, match="vault: No operation of it is for"):
        board.tools("vault")
    with pytest.raises(errors.InvalidRequest, match="read_diary: It is not for models"):
        board.tools("alerts.read_diary")
    with pytest.raises(errors.InvalidRequest, match="listen: It yields items"):
        board.tools("alerts.listen")


async def test_tool_that_is_named_twice_is_one(board):
    """By its instance and by itself."""
    once = board.tools("storage.notes")

    assert names(board.tools("storage.notes", "storage.notes.get")) == names(once)


@pytest.mark.parametrize(
    ("instance", "tool"),
    [("2nd", "_2nd-post_message"), ("a-b_c", "a-b_c-post_message")],
)
async def test_any_instance_has_a_name_for_tools(instance, tool):
    """Names of tools begin with a letter, which names of instances need not."""
    settings = {"integrations": {instance: {"provider": "console"}}}
    async with Pegboard.isolated(settings) as board:
        assert names(board.tools(instance)) == [tool]


async def test_name_that_is_too_long_for_a_tool_is_told():
    """It can still be called."""
    name = "x" * 60
    settings = {"integrations": {name: {"provider": "console"}}}
    async with Pegboard.isolated(settings) as board:
        assert await board.call(f"{name}.post_message", HELLO)
        with pytest.raises(errors.InvalidRequest, match="Give the instance a shorter"):
            board.tools(name)


async def test_model_uses_operations_as_tools(plugin):
    """Their failures are told to the model, without secrets; others work."""
    replies = [
        [
            {"tool": "alerts-post_message", "arguments": {"channel": "#ops"}},
            {
                "tool": "alerts-post_message",
                "arguments": {"channel": "#slow", "text": "x"},
            },
            {"tool": "alerts-post_message", "arguments": HELLO},
        ],
        "done",
    ]
    settings = {
        **SETTINGS,
        "llm": {"default": {"provider": "fake", "replies": replies}},
    }
    async with Pegboard.isolated(settings, plugins=[plugin]) as board:
        tools = board.tools("alerts.post_message")
        run = await board.llm().run("Tell them.", tools=tools)
        sent = calls(board)
    told = [use.result.content for use in run.tool_uses]

    assert told[0].endswith("which was not called: text: Field required")
    assert told[1].startswith("Timeout: integrations.alerts post_message: it took too")
    assert told[2] == '{"channel":"#ops","id":"2"}'
    assert KEY not in str(told)
    assert sent == [("#slow", "x"), ("#ops", "hi")]


async def test_model_and_operation_are_one_tree(plugin):
    """The call of the operation is within its tool, that within the run."""
    replies = [{"tool": "alerts-post_message", "arguments": HELLO}, "done"]
    settings = {
        **SETTINGS,
        "llm": {"default": {"provider": "fake", "replies": replies}},
    }
    async with Pegboard.isolated(settings, plugins=[plugin]) as board:
        await board.llm().run("Go.", tools=board.tools("alerts.post_message"))
    spans = plugin.spans()
    run = spans["invoke_agent llm.default"]
    tool = spans["execute_tool alerts-post_message"]

    assert spans["chat fake"].parent.span_id == run.context.span_id
    assert tool.parent.span_id == run.context.span_id
    posted = spans["post_message integrations.alerts"]
    assert posted.parent.span_id == tool.context.span_id
    assert {span.context.trace_id for span in spans.values()} == {run.context.trace_id}


NOT_FOR_MODELS = {
    *("get_secret", "set_secret", "delete_secret", "list_secrets"),
    *("receive", "ack", "nack", "extend", "redrive", "discard", "forget_reader"),
    "flush",
}
"""What tells or changes secrets, takes work from who does it, or is plumbing."""


@pytest.mark.parametrize(
    "found",
    [
        one
        for reference in pegboard_contracts()
        for one in resolve_name(reference).__contract__.operations.values()
        if resolve_name(reference).__contract__.family == "integrations"
    ],
    ids=lambda found: found.name,
)
def test_built_in_contracts_can_be_called_by_name(found):
    """What core offers can be spelled in JSON; what has secrets in it is no tool."""
    assert found.tool == (found.name not in NOT_FOR_MODELS)
    assert "SecretStr" not in str(found.method.__annotations__) or not found.tool
    if not found.streams:
        assert BoundOperation("integrations.x", found.name, found, print).declared
