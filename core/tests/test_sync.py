"""The blocking board."""

import asyncio
import inspect
import threading
from pkgutil import resolve_name

import pegboard
import pytest
from pegboard import KeyValue, errors, sync
from pegboard.contracts.declare import contract_info
from pegboard.sync import Pegboard

TWINS = [twin for twin in sync.TWINS if getattr(twin.__twin_of__, "__contract__", None)]


@pytest.fixture
def board():
    """Return a blocking board of the fake model and a memory."""
    settings = {
        "llm": {"default": {"provider": "fake", "replies": ["one two three"]}},
        "storage": {"notes": {"provider": "memory"}},
    }
    with Pegboard.isolated(settings) as board:
        yield board


def test_complete_blocks(board):
    """A reply is there when the call returns."""
    assert board.llm().complete("hi").text == "one two three"


def test_stream_is_a_plain_iterator(board):
    """Words arrive in a for loop."""
    with board.llm().stream("hi") as stream:
        assert "".join(stream.text) == "one two three"

    assert stream.reply.finish_reason == "stop"


def test_left_stream_is_cut(board):
    """Leaving the loop ends the stream."""
    with board.llm().stream("hi") as stream:
        for _ in stream:
            break

    assert stream.reply.finish_reason == "cut"


def test_tools_may_use_the_board():
    """A plain tool calls the blocking board of its run; async ones mix with it."""
    script = [
        {"tool": "ask", "arguments": {"question": "Why?"}},
        {"tool": "wait", "arguments": {}},
        "done",
    ]
    settings = {
        "llm": {
            "default": {"provider": "fake", "replies": script},
            "other": {"provider": "fake"},
        }
    }
    with Pegboard.isolated(settings) as board:

        def ask(question: str) -> str:
            """Ask the other one."""
            return board.llm("other").complete(question).text

        async def wait() -> str:
            """Wait."""
            await asyncio.sleep(0)
            return "waited"

        run = board.llm().run("Go.", tools=[ask, wait])

    assert run.text == "done"
    assert [use.result.content for use in run.tool_uses] == ["Why?", "waited"]


def test_storage_blocks(board):
    """Storage has the same operations, blocking."""
    notes = board.storage("notes", sync.KeyValue)
    notes.set("a", {"b": 1})

    assert notes.get("a") == {"b": 1}


def test_errors_are_the_same(board):
    """An error of the async original reaches the blocking caller as it is."""
    with pytest.raises(errors.InvalidRequest, match="ttl is 0"):
        board.storage("notes", sync.KeyValue).set("a", 1, ttl=0)


def test_threads_may_share_a_board(board):
    """Several threads use one board at once."""
    notes = board.storage("notes", sync.KeyValue)
    threads = [
        threading.Thread(target=lambda: [notes.incr("n") for _ in range(50)])
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert notes.get("n") == 200


def test_async_contract_is_refused(board):
    """Who passes the async contract is told of the blocking one."""
    with pytest.raises(errors.PluginError, match=r"pegboard\.sync has KeyValue"):
        board.storage("notes", KeyValue)


def test_closing_stops_the_thread():
    """A closed board leaves no thread, and closing again is harmless."""
    before = threading.active_count()
    board = Pegboard.isolated({"storage": {"x": {"provider": "memory"}}})
    board.storage("x", sync.KeyValue).set("a", 1)
    board.close()
    board.close()

    assert threading.active_count() == before


@pytest.mark.parametrize("twin", TWINS)
def test_twins_have_every_operation_with_its_signature(twin):
    """A blocking twin is its contract, operation by operation."""
    operations = contract_info(twin.__twin_of__).operations

    assert operations.keys() <= set(dir(twin))
    for name, operation in operations.items():
        expected = inspect.signature(operation.method).parameters
        assert list(inspect.signature(getattr(twin, name)).parameters) == list(expected)


def test_every_contract_that_blocks_has_a_twin():
    """No contract of core is forgotten."""
    from pegboard.builtin.plugin import pegboard_contracts  # noqa: PLC0415

    contracts = map(resolve_name, pegboard_contracts())
    assert {twin.__twin_of__ for twin in TWINS} == {
        # Those of models are behind the facade.
        contract
        for contract in contracts
        if contract.__contract__.family != "llm"
    }


@pytest.mark.parametrize("kind", ["Pegboard", "LLM"])
def test_blocking_surface_is_the_async_one(kind):
    """Each public name of the async class is on the blocking one, closing aside."""

    def public(cls):
        return {name for name in dir(cls) if not name.startswith("_")}

    assert public(getattr(pegboard, kind)) - {"aclose"} <= public(getattr(sync, kind))
