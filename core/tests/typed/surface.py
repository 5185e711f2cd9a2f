"""The typed surface, as mypy must see it. Checked, never run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, assert_type

import pegboard
from pegboard import (
    LLM,
    KeyPage,
    KeyValue,
    Messenger,
    Pegboard,
    Posted,
    Reply,
    SecretStore,
    StreamEvent,
    Usage,
    sync,
)

if TYPE_CHECKING:
    from pegboard.builtin.memory import MemoryKeyValue
    from pegboard.builtin.sqlite import SqliteKeyValue


async def board_is_typed(board: Pegboard) -> None:
    """Each contract comes back as itself."""
    assert_type(board.llm(), LLM)
    assert_type(board.storage("x", KeyValue), KeyValue)
    assert_type(board.integration("x", Messenger), Messenger)
    assert_type(board.integration("x", SecretStore), SecretStore)
    store = board.storage("x", KeyValue)
    assert_type(await store.set("a", 1), str)
    assert_type(await store.scan("a"), KeyPage)
    await store.set(1, 1)  # type: ignore[arg-type]  # must be an error


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
    await llm.complete("hi", max_token=3)  # type: ignore[call-arg]  # must be an error


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
    board.llm().complete("hi", max_token=3)  # type: ignore[call-arg]  # must be one


def backends_fit(memory: MemoryKeyValue, sqlite: SqliteKeyValue) -> list[KeyValue]:
    """The built-in backends are what their contract says."""
    return [memory, sqlite]


def names_are_exported() -> str:
    """Names that are brought late are still typed."""
    return pegboard.__version__
