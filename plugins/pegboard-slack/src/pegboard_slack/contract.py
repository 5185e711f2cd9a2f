"""What Slack can do besides showing texts: the contract."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from pegboard import Posted, contract, operation


@dataclass(frozen=True, slots=True)
class SharedFile:
    """A file that was uploaded and shown to people."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Modal:
    """A dialog that is open on somebody's screen."""

    id: str


@contract(family="integrations", version=1)
class Slack(Protocol):
    """
    A Slack workspace.

    ``post_message`` takes a channel by name or by id. All else takes the id, which
    ``Posted.channel`` is.
    """

    @operation(repeatable=False)
    async def post_blocks(
        self, channel: str, blocks: Sequence[Mapping[str, Any]], *, text: str
    ) -> Posted:
        """
        Show *blocks* in *channel*.

        Args:
            channel: Its name or its id.
            blocks: What to show, in the terms of Block Kit.
            text: What is shown where they cannot be, such as in notifications.

        """
        ...

    @operation(repeatable=False)
    async def reply(
        self,
        channel: str,
        thread: str,
        text: str,
        *,
        blocks: Sequence[Mapping[str, Any]] = (),
        broadcast: bool = False,
    ) -> Posted:
        """
        Answer the message *thread* in its thread.

        Args:
            channel: The id of the channel.
            thread: The id of the message that the thread is about.
            text: What to say; with blocks, what is shown where they cannot be.
            blocks: What to show instead, in the terms of Block Kit.
            broadcast: Whether to show it in the channel, too.

        """
        ...

    @operation(repeatable=True)
    async def update_message(
        self,
        channel: str,
        message: str,
        text: str,
        *,
        blocks: Sequence[Mapping[str, Any]] = (),
    ) -> Posted:
        """
        Have *message* say *text*, or show *blocks*, and nothing else any more.

        Args:
            channel: The id of the channel.
            message: The id of the message, which the app must have posted.
            text: What to say; with blocks, what is shown where they cannot be.
            blocks: What to show instead, in the terms of Block Kit.

        """
        ...

    @operation(repeatable=True)
    async def add_reaction(self, channel: str, message: str, emoji: str) -> None:
        """
        React to *message* with *emoji*; twice is once.

        Args:
            channel: The id of the channel.
            message: The id of the message.
            emoji: Its name, such as ``eyes``.

        """
        ...

    @operation(repeatable=True)
    async def remove_reaction(self, channel: str, message: str, emoji: str) -> None:
        """
        Take back the reaction *emoji* to *message*; twice is once.

        Args:
            channel: The id of the channel.
            message: The id of the message.
            emoji: Its name, such as ``eyes``.

        """
        ...

    @operation(repeatable=False)
    async def upload_file(  # noqa: PLR0913 - each is a thing to say about a file
        self,
        channel: str,
        name: str,
        content: bytes,
        *,
        title: str | None = None,
        comment: str | None = None,
        thread: str | None = None,
    ) -> SharedFile:
        """
        Show a file in *channel*.

        Args:
            channel: The id of the channel.
            name: The name of the file, which says what is in it.
            content: What is in it.
            title: What people see; the name if None.
            comment: What to say along with it.
            thread: The id of the message in whose thread it belongs.

        """
        ...

    @operation(repeatable=False, tool=False)
    async def open_modal(self, trigger: str, view: Mapping[str, Any]) -> Modal:
        """
        Open a dialog on the screen of who has just done something.

        Args:
            trigger: What came along with it; good for three seconds, and for once.
            view: The dialog, in the terms of Block Kit.

        """
        ...
