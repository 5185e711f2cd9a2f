"""The typed surface, as mypy must see it. Checked, never run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, TypedDict, assert_type

import pegboard
from pegboard import (
    LLM,
    Conversations,
    Document,
    DocumentPage,
    Documents,
    DocumentStore,
    Entry,
    Index,
    Key,
    KeyPage,
    KeyValue,
    Message,
    Messenger,
    Namespaced,
    Pegboard,
    Posted,
    Reply,
    Run,
    SecretStore,
    SecretVault,
    Sessions,
    StreamEvent,
    Tool,
    ToolUse,
    Tracing,
    TypedReply,
    TypedRun,
    Usage,
    Values,
    Webhooks,
    make_tool,
    sync,
)
from pydantic import BaseModel

if TYPE_CHECKING:
    from pegboard.builtin._memory_documents import MemoryDocuments
    from pegboard.builtin._sqlite_documents import SqliteDocuments
    from pegboard.builtin.memory import MemoryKeyValue
    from pegboard.builtin.sqlite import SqliteKeyValue


class Template(BaseModel):
    """Something to store."""

    name: Annotated[str, Key()]
    uses: Annotated[int, Index()] = 0


async def board_is_typed(board: Pegboard) -> None:
    """Each contract comes back as itself."""
    assert_type(board.llm(), LLM)
    assert_type(board.storage("x", KeyValue), KeyValue)
    assert_type(board.integration("x", Messenger), Messenger)
    assert_type(board.integration("x", SecretStore), SecretStore)
    assert_type(board.integration("x", SecretVault), SecretVault)
    assert_type(board.integration("x", Tracing), Tracing)
    assert_type(board.integration("x", Webhooks), Webhooks)
    store = board.storage("x", KeyValue)
    assert_type(await store.set("a", 1), str)
    assert_type(await store.scan("a"), KeyPage)
    await store.set(1, 1)  # type: ignore[arg-type]  # must be an error


async def documents_are_typed(board: Pegboard) -> None:
    """A repository gives and takes its model."""
    templates = board.storage("x", Documents[Template])
    assert_type(templates, Documents[Template])
    assert_type(await templates.get("a"), Template | None)
    assert_type(await templates.get_entry("a"), Document[Template] | None)
    assert_type(await templates.put(Template(name="a")), str)
    assert_type(await templates.find({"uses": 1}), DocumentPage[Template])
    assert_type((await templates.find()).values, tuple[Template, ...])
    await templates.put("a")  # type: ignore[arg-type]  # must be an error
    store = board.storage("x", DocumentStore)
    assert_type(Documents(store, Template), Documents[Template])


def blocking_documents_are_typed(board: sync.Pegboard) -> None:
    """The blocking repository has the same types."""
    templates = board.storage("x", sync.Documents[Template])
    assert_type(templates, sync.Documents[Template])
    assert_type(templates.get("a"), Template | None)
    assert_type(templates.find().values, tuple[Template, ...])


async def values_are_typed(board: Pegboard, blocking: sync.Pegboard) -> None:
    """A store of values of one type gives and takes that type."""
    users = board.storage("x", Values[Template])
    assert_type(users, Values[Template])
    assert_type(await users.get("a"), Template | None)
    assert_type(await users.get_entry("a"), Entry[Template] | None)
    assert_type(await users.get_many(["a"]), dict[str, Template])
    assert_type(await users.set("a", Template(name="a")), str)
    await users.set("a", "b")  # type: ignore[arg-type]  # must be an error
    await users.set_many({"a": 1})  # type: ignore[dict-item]  # must be an error
    pictures = board.storage("x", Values[bytes])
    assert_type(await pictures.get("a"), bytes | None)
    numbers = board.storage("x", Values[list[int]])
    assert_type(await numbers.get("a"), list[int] | None)
    store = board.storage("x", KeyValue)
    part: KeyValue = Namespaced(store, "shop")
    assert_type(Values(part, bytes), Values[bytes])
    assert_type(await store.get_entry("a"), Entry[Any] | None)
    assert_type(blocking.storage("x", sync.Values[Template]).get("a"), Template | None)
    assert_type(
        blocking.storage("x", sync.Values[bytes]).get_many([]), dict[str, bytes]
    )


async def what_is_built_is_typed(board: Pegboard, chats: sync.Pegboard) -> None:
    """What the core makes of values is typed like a contract."""
    sessions = board.storage("x", Sessions)
    assert_type(await sessions.get("a"), dict[str, Any] | None)
    assert_type(Sessions(board.storage("x", KeyValue), ttl=60), Sessions)
    conversations = board.storage("x", Conversations)
    assert_type(await conversations.latest("a", 2), tuple[Message, ...])
    assert_type(chats.storage("x", sync.Conversations).all("a"), tuple[Message, ...])


async def operations_are_typed(board: Pegboard, blocking: sync.Pegboard) -> None:
    """Tools are tools; of what comes by name nothing is known."""
    assert_type(board.tools("x", "y.z"), tuple[Tool, ...])
    assert_type(blocking.tools("x"), tuple[Tool, ...])
    assert_type(await board.call("x.y", {"a": 1}), Any)
    assert_type(blocking.call("x.y"), Any)
    board.tools()  # type: ignore[call-arg]  # must be an error


async def llm_is_typed(llm: LLM) -> None:
    """Parameters and replies are typed."""
    assert_type(await llm.complete("hi", max_tokens=3), Reply)
    assert_type(await llm.complete_json("hi"), dict[str, Any])
    async with llm.stream("hi") as stream:
        async for event in stream:
            assert_type(event, StreamEvent)
        async for text in stream.text:
            assert_type(text, str)
    assert_type(stream.reply.usage, Usage)
    await llm.complete("hi", max_token=3)  # type: ignore[call-overload]  # must be one


class City(TypedDict):
    """A value to ask for."""

    name: str


def population(city: str) -> int:
    """Stand for a tool."""
    return len(city)


async def outputs_are_typed(llm: LLM) -> None:
    """What is asked for comes back as its type, however it is asked for."""
    assert_type(await llm.complete("hi", output=City), TypedReply[City])
    assert_type((await llm.complete("hi", output=list[City])).output, list[City])
    assert_type((await llm.complete("hi", output=int | None)).output, int | None)
    async with llm.stream("hi", output=City) as stream:
        async for _ in stream.partial:
            pass
    assert_type(stream.output, City)
    assert_type(await llm.run("hi", tools=[population]), Run)
    run = await llm.run("hi", tools=[population, make_tool(population)], output=City)
    assert_type(run, TypedRun[City])
    async with llm.run_stream("hi", tools=[population], output=City) as events:
        async for event in events:
            assert_type(event, StreamEvent | ToolUse)
    assert_type(events.run.output, City)
    assert_type(llm.run_stream("hi").run, Run)
    await llm.run("hi", max_round=3)  # type: ignore[call-overload]  # must be an error


def blocking_board_is_typed(board: sync.Pegboard) -> None:
    """The blocking surface has the types of the async one."""
    assert_type(board.storage("x", sync.KeyValue), sync.KeyValue)
    assert_type(board.storage("x", sync.KeyValue).set("a", 1, ttl=3), str)
    assert_type(board.storage("x", sync.KeyValue).incr("a"), int)
    posted = board.integration("x", sync.Messenger).post_message("#a", "b")
    assert_type(posted, Posted)
    assert_type(board.llm().complete("hi", seed=1), Reply)
    for text in board.llm().stream("hi").text:
        assert_type(text, str)
    board.storage("x", sync.KeyValue).set(1, 1)  # type: ignore[arg-type]  # must be one
    board.llm().complete("hi", max_token=3)  # type: ignore[call-overload]  # must be one
    assert_type(board.llm().complete("hi", output=City).output, City)
    assert_type(board.llm().run("hi", tools=[population], max_rounds=3), Run)
    assert_type(board.llm().run("hi", output=City).output, City)
    with board.llm().stream("hi", output=City) as stream:
        assert_type([*stream.partial], list[Any])
    assert_type(stream.output, City)
    assert_type([*board.llm().run_stream("hi").text], list[str])
    assert_type(board.llm().run_stream("hi", output=City).run, TypedRun[City])


def backends_fit(memory: MemoryKeyValue, sqlite: SqliteKeyValue) -> list[KeyValue]:
    """The built-in backends are what their contract says."""
    return [memory, sqlite]


def document_stores_fit(
    memory: MemoryDocuments, sqlite: SqliteDocuments
) -> list[DocumentStore]:
    """The built-in stores of documents are what their contract says."""
    return [memory, sqlite]


def names_are_exported() -> str:
    """Names that are brought late are still typed."""
    return pegboard.__version__
