"""Conversations, over each store that comes with the core."""

from __future__ import annotations

import asyncio
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pegboard import (
    Conversations,
    File,
    Image,
    KeyValue,
    Message,
    Pegboard,
    Reasoning,
    Source,
    Text,
    ToolCall,
    ToolResult,
    errors,
    sync,
)
from pegboard._stores.message_json import KINDS, packed, unpacked
from pegboard.contracts.chat import Part
from pegboard.contracts.key_value import decode, encode
from pegboard.testing.clock import ManualClock

VENDOR = {
    "one": {
        "signature": b"\x00\xff",
        "list": [1, 2.5, None, (1, b"")],
        "deep": {"a": {}},
    },
    "two": {"$bytes": "not ours", "$object": {"$tuple": []}},
}
PARTS = (
    Text("words", provider_metadata=VENDOR),
    Text("found", sources=(Source("https://example.org/", "A page", "found"),)),
    Image(b"\x89PNG", "image/png"),
    Image("https://example.org/a.png"),
    File(b"%PDF", name="a.pdf"),
    Reasoning("", provider_metadata=VENDOR),
    ToolCall(
        "1", "add", {"a": [1, {"$bytes": "x"}], "b": None}, provider_metadata=VENDOR
    ),
    ToolResult("1", "add", "3", is_error=True),
    ToolResult("1", "look", "", media=(Image(b"\x89PNG"), File("f-1"))),
)


@pytest.fixture
def clock():
    """Return a clock that is moved by hand."""
    return ManualClock()


@pytest.fixture(params=["memory", "sqlite"])
async def store(request, clock, tmp_path):
    """Return a store of values."""
    settings = {
        "data_folder": str(tmp_path),
        "storage": {"kit": {"provider": request.param}},
    }
    async with Pegboard.isolated(settings, clock=clock) as board:
        yield board.storage("kit", KeyValue)


@pytest.fixture
def chats(store):
    """Return conversations, none yet."""
    return Conversations(store)


def user(text):
    """Return what a user says."""
    return Message.of("user", text)


def test_every_part_is_known():
    """A new kind of part cannot be forgotten here."""
    assert set(KINDS.values()) == set(Part.__args__)
    assert {type(part) for part in PARTS} == set(Part.__args__)


async def test_messages_come_back_exactly(chats):
    """All parts, bytes and metadata included, equal what was appended."""
    messages = (Message("assistant", PARTS), user("hi"), Message("system", ()))
    await chats.append("a", *messages)

    assert await chats.all("a") == messages


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=3)
    | st.binary(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.lists(inner, max_size=2).map(tuple)
        | st.dictionaries(st.sampled_from(["a", "$bytes", "$object", "$tuple"]), inner)
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.text(max_size=2), st.dictionaries(st.text(max_size=2), JSON)))
def test_any_metadata_comes_back(vendor):
    """Whatever a provider notes, even what looks like ours."""
    message = Message("assistant", (Text("a", provider_metadata=vendor),))
    kept = decode("key", encode("key", packed(message)))

    assert repr(unpacked(kept)) == repr(message)


async def test_empty_conversation_has_no_messages(chats):
    """What was never said is no error."""
    assert await chats.all("a") == ()
    assert await chats.latest("a") == ()
    assert await chats.clear("a") is False


async def test_messages_are_in_order(chats):
    """The oldest comes first, also after many."""
    for number in range(12):
        await chats.append("a", user(f"{number}"), user(f"{number}, too"))

    texts = [message.text for message in await chats.all("a")]
    assert texts == [f"{n}{more}" for n in range(12) for more in ("", ", too")]


@pytest.mark.parametrize("count", [1, 2, 3, 5, 6, 7, 100])
async def test_latest_messages_are_the_last(chats, count):
    """So many as there are, at most, wherever they were appended together."""
    for first, *more in ("ab", "c", "def"):
        await chats.append("a", user(first), *map(user, more))

    found = [message.text for message in await chats.latest("a", count)]
    assert found == list("abcdef")[-count:]


@pytest.mark.parametrize("count", [0, -1, 1.5])
async def test_bad_count_is_refused(chats, count):
    """Nobody asks for no messages on purpose."""
    with pytest.raises(errors.InvalidRequest):
        await chats.latest("a", count)


async def test_appending_nothing_does_nothing(chats):
    """No message is no turn."""
    await chats.append("a")

    assert await chats.all("a") == ()


async def test_appending_at_once_loses_nothing(chats):
    """What was appended together stays together."""
    pairs = [(user(f"{n}"), Message.of("assistant", f"{n}")) for n in range(8)]
    await asyncio.gather(*(chats.append("a", *pair) for pair in pairs))
    found = await chats.all("a")

    assert len(found) == 16
    assert sorted(zip(found[::2], found[1::2], strict=True), key=str) == pairs


async def test_cleared_conversation_begins_anew(chats):
    """What is said after that comes after that."""
    for text in "abc":
        await chats.append("a", user(text))

    assert await chats.clear("a") is True
    assert await chats.all("a") == ()
    await chats.append("a", user("d"))
    assert await chats.all("a") == (user("d"),)


async def test_lost_count_loses_no_message(chats, store):
    """A count that begins anew skips what is there."""
    for text in "abc":
        await chats.append("a", user(text))
    for key in (await store.scan("conversation-count")).keys:
        await store.delete(key)
    await chats.append("a", user("d"))

    assert [message.text for message in await chats.all("a")] == list("abcd")


async def test_conversations_do_not_meet(chats, store):
    """Ids that look alike are apart, and so are namespaces."""
    other = Conversations(store, namespace="other")
    ids = ["a", "a:b", "a:000000000001", "a/b", "%", "é"]
    for one in ids:
        await chats.append(one, user(one))
        await other.append(one, user(f"other {one}"))

    for one in ids:
        assert await chats.all(one) == (user(one),)
    await chats.clear("a")
    assert await chats.all("a:b") == (user("a:b"),)
    assert await other.all("a") == (user("other a"),)


async def test_messages_are_forgotten_after_their_ttl(store, clock):
    """Each so long after it was appended; the order stays."""
    chats = Conversations(store, ttl=100)
    await chats.append("a", user("a"))
    clock.advance(60)
    await chats.append("a", user("b"))
    assert len(await chats.all("a")) == 2
    clock.advance(60)
    assert await chats.all("a") == (user("b"),)
    await chats.append("a", user("c"))
    assert await chats.all("a") == (user("b"), user("c"))
    for text in "defg":  # longer than what was counted first would be remembered
        clock.advance(80)
        await chats.append("a", user(text))
        assert (await chats.latest("a", 2))[-1] == user(text)
    clock.advance(10_000)

    assert (await store.scan()).keys == ()


async def test_default_ttl_of_the_store_is_not_for_conversations(clock):
    """A store for short-lived values does not forget what was said."""
    settings = {"storage": {"kit": {"provider": "memory", "ttl": 5}}}
    async with Pegboard.isolated(settings, clock=clock) as board:
        chats = board.storage("kit", Conversations)
        await chats.append("a", user("a"))
        clock.advance(1000)

        assert await chats.all("a") == (user("a"),)


@pytest.mark.parametrize(
    "kept",
    [
        5,
        [5],
        [{}],
        [{"role": "user", "parts": [{"type": "hologram"}]}],
        [{"role": "user", "parts": [{"type": "text", "sound": "a"}]}],
    ],
)
async def test_what_others_wrote_is_an_error(chats, store, kept):
    """A conversation with holes would make a model say anything."""
    await chats.append("a", user("a"))
    (key,) = (await store.scan("conversation:")).keys
    await store.set(key, kept)

    with pytest.raises(errors.InvalidReply, match="no message"):
        await chats.all("a")


async def test_metadata_that_cannot_be_stored_is_refused(chats):
    """Nothing is appended then."""
    bad = Message("user", (Text("a", provider_metadata={"x": {"y": math.nan}}),))

    with pytest.raises(errors.InvalidRequest):
        await chats.append("a", user("a"), bad)
    assert await chats.all("a") == ()


async def test_conversation_can_be_sent_again(store):
    """What comes back is what a model takes."""
    settings = {"llm": {"default": {"provider": "fake"}}}
    chats = Conversations(store)
    async with Pegboard.isolated(settings) as board:
        await chats.append("a", user("hello"))
        reply = await board.llm().complete(await chats.all("a"))
        await chats.append("a", reply.message)

        assert [one.role for one in await chats.all("a")] == ["user", "assistant"]


def test_board_opens_conversations_without_async():
    """The same by name, blocking."""
    settings = {"storage": {"chats": {"provider": "memory"}}}
    with sync.Pegboard.isolated(settings) as board:
        chats = board.storage("chats", sync.Conversations)
        chats.append("a", user("a"), user("b"))

        assert chats.latest("a") == (user("b"),)
        assert chats.clear("a")
