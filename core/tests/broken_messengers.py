"""
Messengers that each break one promise, and the kit run against them.

Not collected by itself: ``test_messenger_kit.py`` runs it and looks at what fails.
"""

from __future__ import annotations

import asyncio
import html
from itertools import count
from typing import ClassVar

import pytest
from pegboard import IntegrationProvider, Options, Posted, hookimpl
from pegboard.errors import InvalidRequest, NotFound
from pegboard.testing.messenger import MessengerContract

CHANNELS = {"#ops": "C1", "C1": "C1"}


class Sound:
    """A messenger that keeps every promise."""

    caught_by: ClassVar[tuple[str, ...]] = ()
    """The tests that have to fail."""

    def __init__(self, _options, _context):
        self.texts = []
        self.ids = count(1)

    async def post_message(self, channel, text):
        await asyncio.sleep(0)
        return self.show(self.find(channel), self.checked(text))

    def find(self, channel):
        if channel not in CHANNELS:
            msg = f"There is no channel {channel!r}. Known: #ops."
            raise NotFound(msg)
        return CHANNELS[channel]

    def checked(self, text):
        try:
            text.encode()
        except UnicodeEncodeError as error:
            msg = "This is no text."
            raise InvalidRequest(msg, request_sent="no") from error
        return text

    def show(self, channel, text):
        self.texts.append(text)
        return Posted(channel, str(next(self.ids)))


class TakesOrders(Sound):
    caught_by = ("test_a_text_is_shown_as_it_is",)

    def checked(self, text):
        return super().checked(text).replace("<!channel>", "@channel")


class ReadsMarkup(Sound):
    caught_by = ("test_a_text_is_shown_as_it_is",)

    def checked(self, text):
        return html.unescape(super().checked(text))


class CutsTexts(Sound):
    caught_by = ("test_a_text_is_shown_as_it_is",)

    def checked(self, text):
        return super().checked(text)[:2000]


class ShowsTheFirstLine(Sound):
    caught_by = ("test_every_line_is_shown",)

    def checked(self, text):
        return super().checked(text).partition("\n")[0]


class NamesNothing(Sound):
    caught_by = ("test_a_message_has_a_name",)

    def show(self, channel, text):
        return Posted(super().show(channel, text).channel, "")


class NamesByNumber(Sound):
    caught_by = ("test_a_message_has_a_name",)

    def show(self, channel, text):
        posted = super().show(channel, text)
        return Posted(posted.channel, int(posted.id))


class ReturnsAPlaceThatIsNone(Sound):
    caught_by = ("test_a_message_can_be_answered_where_it_was_posted",)

    def show(self, channel, text):
        return Posted("Operations", super().show(channel, text).id)


class NamesByText(Sound):
    caught_by = ("test_the_same_text_twice_is_two_messages",)

    def show(self, channel, text):
        super().show(channel, text)
        return Posted(channel, str(hash(text)))


class TakesItForARepetition(Sound):
    caught_by = ("test_the_same_text_twice_is_two_messages",)

    def show(self, channel, text):
        if text in self.texts:
            return Posted(channel, str(next(self.ids)))
        return super().show(channel, text)


class NewestFirst(Sound):
    caught_by = ("test_messages_are_shown_in_order",)

    def show(self, channel, text):
        self.texts.insert(0, text)
        return Posted(channel, str(next(self.ids)))


class OneAtATime(Sound):
    caught_by = ("test_many_at_once_are_shown_once_each",)

    async def post_message(self, channel, text):
        self.last = text
        await asyncio.sleep(0)
        return self.show(self.find(channel), self.checked(self.last))


class ShowsHalfCharactersNowhere(Sound):
    caught_by = ("test_what_is_no_unicode_is_shown_or_refused",)

    def checked(self, text):
        return text if text.isprintable() or "\n" in text else ""


class FallsOverHalfCharacters(Sound):
    caught_by = ("test_what_is_no_unicode_is_shown_or_refused",)

    def checked(self, text):
        return text.encode().decode()


class ShowsBeforeItRefuses(Sound):
    caught_by = (
        "test_what_is_no_unicode_is_shown_or_refused",
        "test_missing_channel_is_not_found",
    )

    async def post_message(self, channel, text):
        self.texts.append(text)
        return self.show(self.find(channel), self.checked(text))


class InventsChannels(Sound):
    caught_by = ("test_missing_channel_is_not_found",)

    def find(self, channel):
        return CHANNELS.get(channel, "C1")


class NamesNoChannel(Sound):
    caught_by = ("test_missing_channel_is_not_found",)

    def find(self, channel):
        if channel not in CHANNELS:
            msg = "channel_not_found"
            raise NotFound(msg)
        return CHANNELS[channel]


class BelongsToALoop(Sound):
    caught_by = ("test_every_event_loop_can_post",)

    loop = None

    async def post_message(self, channel, text):
        self.loop = self.loop or asyncio.get_running_loop()
        if self.loop is not asyncio.get_running_loop():
            msg = "attached to a different loop"
            raise RuntimeError(msg)
        return await super().post_message(channel, text)


class SwallowsCancellations(Sound):
    caught_by = ("test_a_cancelled_post_leaves_nothing",)

    async def post_message(self, channel, text):
        try:
            return await super().post_message(channel, text)
        except asyncio.CancelledError:
            return self.show(self.find(channel), text)


class IsStuckAfterACancellation(Sound):
    caught_by = ("test_a_cancelled_post_leaves_nothing",)

    is_busy = False

    async def post_message(self, channel, text):
        if self.is_busy:
            msg = "busy"
            raise RuntimeError(msg)
        self.is_busy = True
        posted = await super().post_message(channel, text)
        self.is_busy = False
        return posted


class LeavesATask(Sound):
    caught_by = ("test_nothing_is_left_behind",)

    async def post_message(self, channel, text):
        self.task = asyncio.create_task(asyncio.Event().wait())
        return await super().post_message(channel, text)


class Offer:
    """A plugin that offers one messenger."""

    def __init__(self, messenger):
        self.messenger = messenger

    @hookimpl
    def pegboard_integrations(self):
        """Offer the messenger under a name of its own."""
        return [
            IntegrationProvider(
                name="sample",
                factory=self.messenger,
                options=Options,
                contracts={"Messenger": 1},
                external=False,
            )
        ]


class Kit(MessengerContract):
    """The kit, for one of the messengers."""

    __test__ = False
    messenger_class: ClassVar[type[Sound]]

    @pytest.fixture
    def plugins(self):
        """Return what offers the messenger."""
        return [Offer(self.messenger_class)]

    @pytest.fixture
    def settings(self):
        """Return settings that name the messenger."""
        return {"provider": "sample"}

    @pytest.fixture
    def read(self, board):
        """Return what reads the screen."""
        return lambda: "\n".join(board.provider("integrations.kit").texts)


MESSENGERS = [
    kind
    for kind in [*vars().values()]
    if isinstance(kind, type) and issubclass(kind, Sound)
]
globals().update(
    {
        f"Test{messenger.__name__}": type(
            f"Test{messenger.__name__}",
            (Kit,),
            {"messenger_class": messenger, "__test__": True},
        )
        for messenger in MESSENGERS
    }
)
