"""A Slack workspace: each operation a method of the Web API, or three."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from pegboard import Posted
from pegboard.errors import CallError, InvalidReply, InvalidRequest

from ._connection import Connection
from .contract import Modal, SharedFile

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pegboard import Context

    from .options import SlackOptions

MOST_CHARACTERS = 40_000
"""Of more than these, Slack shows no more, and says nothing."""
ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


class SlackWorkspace:
    """Posts as an app to a workspace."""

    def __init__(self, options: SlackOptions, context: Context) -> None:
        """Connect with nothing yet."""
        self._connection = Connection(options, context)
        self._escapes = ESCAPES if options.escape else {}
        self._max_upload_bytes = options.max_upload_bytes

    async def aclose(self) -> None:
        """Close what is open."""
        await self._connection.aclose()

    async def ping(self) -> str:
        """Return who the token belongs to."""
        told = await self._connection.call("auth.test")
        return f"posts as {told.get('user')} to {told.get('team')}"

    async def post_message(self, channel: str, text: str) -> Posted:
        """Show *text* in *channel*."""
        return await self._post(channel, text)

    async def post_blocks(
        self, channel: str, blocks: Sequence[Mapping[str, Any]], *, text: str
    ) -> Posted:
        """Show *blocks* in *channel*."""
        return await self._post(channel, text, blocks=list(blocks))

    async def reply(
        self,
        channel: str,
        thread: str,
        text: str,
        *,
        blocks: Sequence[Mapping[str, Any]] = (),
        broadcast: bool = False,
    ) -> Posted:
        """Answer the message *thread* in its thread."""
        return await self._post(
            channel,
            text,
            blocks=list(blocks) or None,
            thread_ts=thread,
            reply_broadcast=broadcast or None,
        )

    async def update_message(
        self,
        channel: str,
        message: str,
        text: str,
        *,
        blocks: Sequence[Mapping[str, Any]] = (),
    ) -> Posted:
        """Have *message* say *text*, or show *blocks*, and nothing else any more."""
        told = await self._connection.call(
            "chat.update",
            channel=channel,
            ts=message,
            text=self._shown(text),
            blocks=list(blocks),  # without any, those of before would stay
        )
        return _posted(told)

    async def add_reaction(self, channel: str, message: str, emoji: str) -> None:
        """React to *message* with *emoji*."""
        await self._react("reactions.add", "already_reacted", channel, message, emoji)

    async def remove_reaction(self, channel: str, message: str, emoji: str) -> None:
        """Take back the reaction *emoji* to *message*."""
        await self._react("reactions.remove", "no_reaction", channel, message, emoji)

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
        """Show a file in *channel*."""
        self._check_size(name, content)
        with _nobody_has_seen_it():
            place = await self._connection.call(
                "files.getUploadURLExternal", filename=name, length=len(content)
            )
            file, address = _texts(place, "file_id", "upload_url")
            await self._connection.send_file(address, content)
        await self._connection.call(
            "files.completeUploadExternal",
            files=[{"id": file, "title": title or name}],
            channel_id=channel,
            initial_comment=comment and self._shown(comment),
            thread_ts=thread,
        )
        return SharedFile(file, name)

    async def open_modal(self, trigger: str, view: Mapping[str, Any]) -> Modal:
        """Open a dialog on the screen of who has just done something."""
        told = await self._connection.call(
            "views.open", trigger_id=trigger, view=dict(view)
        )
        opened = told.get("view")
        (name,) = _texts(opened if isinstance(opened, dict) else {}, "id")
        return Modal(name)

    async def _post(self, channel: str, text: str, **more: Any) -> Posted:
        told = await self._connection.call(
            "chat.postMessage", channel=channel, text=self._shown(text), **more
        )
        return _posted(told)

    async def _react(
        self, method: str, done: str, channel: str, message: str, emoji: str
    ) -> None:
        try:
            await self._connection.call(
                method, channel=channel, timestamp=message, name=emoji.strip(":")
            )
        except CallError as error:
            if error.code != done:
                raise

    def _shown(self, text: str) -> str:
        """Return what Slack is sent, so that people see *text*."""
        sent = text.translate(self._escapes)
        if len(sent) <= MOST_CHARACTERS:
            return sent
        msg = (
            f"The text has {len(sent)} characters, of which Slack would show "
            f"{MOST_CHARACTERS}. Send several messages, or a file."
        )
        raise InvalidRequest(msg, request_sent="no")

    def _check_size(self, name: str, content: bytes) -> None:
        if len(content) > self._max_upload_bytes:
            msg = (
                f"{name!r} has {len(content)} bytes, and {self._max_upload_bytes} are "
                "allowed. Raise max_upload_bytes, or share a link to it."
            )
            raise InvalidRequest(msg, request_sent="no")


@contextmanager
def _nobody_has_seen_it() -> Iterator[None]:
    """Say of errors that the call can be made again: a file shows when it is shared."""
    try:
        yield
    except CallError as error:
        error.request_sent = "no"
        raise


def _posted(told: Mapping[str, Any]) -> Posted:
    return Posted(*_texts(told, "channel", "ts"))


def _texts(told: Mapping[str, Any], *names: str) -> list[str]:
    """Return what *told* has under *names*."""
    found = [told.get(name) for name in names]
    if all(isinstance(text, str) for text in found):
        return [str(text) for text in found]
    msg = f"Slack did what it was asked to, but did not say its {' and '.join(names)}."
    raise InvalidReply(msg, request_sent="yes")
