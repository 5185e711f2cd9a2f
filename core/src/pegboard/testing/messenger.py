"""
Prove that a provider keeps the contract of Messenger.

    from pegboard.testing.messenger import MessengerContract


    class TestPager(MessengerContract):
        @pytest.fixture
        def settings(self, server):
            return {"provider": "pager", "url": server.url}

        @pytest.fixture
        def read(self, server):
            return lambda: server.text_on_the_screen

The fixture ``settings`` returns what stands in the settings of an instance, ``read`` a
function that returns what people see: all texts that were shown so far. What cannot be
kept is left out with a reason; see ``pegboard.testing.standard``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from pegboard import Messenger, Pegboard
from pegboard.errors import InvalidRequest, NotFound

from ._model_kit import nothing
from .cancellation import cancel_at_every_await
from .leaks import no_leaks
from .standard import StandardTests

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable

Read = Callable[[], str]
"""Returns all that people have seen so far."""
AT_ONCE = 20
TEXTS = (
    "plain",
    "\u00e9t\u00e9, \u4f60\u597d, \U0001f468\u200d\U0001f469\u200d\U0001f467",
    'quote ", backslash \\ and brace {0} %s',
    "a < b && b > c",
    "&amp; is what it says",
    "<!channel> <https://example.com|here> @everyone",
    "x" * 3000,
)


@pytest.mark.asyncio
class MessengerContract(StandardTests):
    """What every Messenger must do. Inherit it; give ``settings`` and ``read``."""

    @pytest.fixture
    def plugins(self) -> Iterable[object]:
        """Return plugins to use that are not installed."""
        return ()

    @pytest.fixture
    def channel(self) -> str:
        """Return a channel that exists."""
        return "#ops"

    @pytest.fixture
    def missing_channel(self) -> str:
        """Return a channel that does not exist."""
        return "#no-such-channel"

    @pytest.fixture
    def board(self, settings: dict[str, Any], plugins: Iterable[object]) -> Pegboard:
        """Return a board with the messenger, which the test closes."""
        return Pegboard.isolated({"integrations": {"kit": settings}}, plugins=plugins)

    @pytest_asyncio.fixture
    async def messenger(self, board: Pegboard) -> AsyncGenerator[Messenger]:
        """Return the messenger."""
        async with board:
            yield board.integration("kit", Messenger)

    @pytest.mark.parametrize("text", TEXTS, ids=lambda text: ascii(text)[:20])
    async def test_a_text_is_shown_as_it_is(
        self, messenger: Messenger, channel: str, read: Read, text: str
    ) -> None:
        """People see what was said, and nothing in it is obeyed."""
        await messenger.post_message(channel, text)

        assert text in read()

    async def test_every_line_is_shown(
        self, messenger: Messenger, channel: str, read: Read
    ) -> None:
        """A text of several lines loses none of them, and they stay in order."""
        await messenger.post_message(channel, "first\nsecond\n\nthird")
        shown = read()

        assert shown.index("first") < shown.index("second") < shown.index("third")

    async def test_a_message_has_a_name(
        self, messenger: Messenger, channel: str
    ) -> None:
        """It says where it is, and by what name it is known there."""
        posted = await messenger.post_message(channel, "hello")

        assert isinstance(posted.channel, str)
        assert isinstance(posted.id, str)
        assert posted.channel
        assert posted.id

    async def test_a_message_can_be_answered_where_it_was_posted(
        self, messenger: Messenger, channel: str, read: Read
    ) -> None:
        """The channel that is returned is one to post to."""
        posted = await messenger.post_message(channel, "question")
        again = await messenger.post_message(posted.channel, "answer")

        assert again.channel == posted.channel
        assert "answer" in read()

    async def test_the_same_text_twice_is_two_messages(
        self, messenger: Messenger, channel: str, read: Read
    ) -> None:
        """Nobody takes the second for a repetition of the first."""
        first = await messenger.post_message(channel, "[again]")
        second = await messenger.post_message(channel, "[again]")

        assert first.id != second.id
        assert read().count("[again]") == 2

    async def test_messages_are_shown_in_order(
        self, messenger: Messenger, channel: str, read: Read
    ) -> None:
        """What was posted first stands first."""
        texts = [f"[{number}]" for number in range(5)]
        for text in texts:
            await messenger.post_message(channel, text)
        shown = read()

        assert sorted(texts, key=shown.index) == texts

    async def test_many_at_once_are_shown_once_each(
        self, messenger: Messenger, channel: str, read: Read
    ) -> None:
        """None is lost and none is doubled, and each has a name of its own."""
        texts = [f"[{number}]" for number in range(AT_ONCE)]
        posted = await asyncio.gather(
            *(messenger.post_message(channel, text) for text in texts)
        )
        shown = read()

        assert [shown.count(text) for text in texts] == [1] * AT_ONCE
        assert len({(one.channel, one.id) for one in posted}) == AT_ONCE

    async def test_what_is_no_unicode_is_shown_or_refused(
        self, messenger: Messenger, channel: str, read: Read
    ) -> None:
        """Half of a character is spelled out, or refused with nothing shown."""
        refusal = None
        try:
            await messenger.post_message(channel, "half \ud83d of it")
        except InvalidRequest as error:
            refusal = error

        assert ("half" in read()) == (refusal is None)
        assert refusal is None or refusal.request_sent == "no"

    async def test_missing_channel_is_not_found(
        self, messenger: Messenger, missing_channel: str, read: Read
    ) -> None:
        """The error says which one, and nobody has seen anything."""
        with pytest.raises(NotFound) as caught:
            await messenger.post_message(missing_channel, "lost")

        assert missing_channel in str(caught.value)
        assert "lost" not in read()

    async def test_every_event_loop_can_post(
        self, messenger: Messenger, channel: str, read: Read
    ) -> None:
        """A program with several loops has one messenger."""

        async def post(text: str) -> None:
            await messenger.post_message(channel, text)

        await post("[here]")
        for place in ("there", "elsewhere"):
            await asyncio.to_thread(asyncio.run, post(f"[{place}]"))
        shown = read()

        assert all(f"[{place}]" in shown for place in ("here", "there", "elsewhere"))

    async def test_a_cancelled_post_leaves_nothing(
        self, board: Pegboard, channel: str, read: Read
    ) -> None:
        """Wherever it is cancelled, it stops, and the next one is posted."""
        async with no_leaks(), board:
            messenger = board.integration("kit", Messenger)
            await cancel_at_every_await(
                lambda: messenger.post_message(channel, "[cancelled]"), nothing
            )
            await messenger.post_message(channel, "[next]")

            assert "[next]" in read()

    async def test_nothing_is_left_behind(self, board: Pegboard, channel: str) -> None:
        """When the board closes, connections and tasks are gone."""
        async with no_leaks(), board:
            await board.integration("kit", Messenger).post_message(channel, "hello")
