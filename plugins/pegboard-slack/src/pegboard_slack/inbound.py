"""
What Slack sends to an app: verified, and read into small values.

    request = receive(body, headers, secret=...)
    if isinstance(request, Challenge):
        return request.text

Functions without I/O, which import neither an SDK nor an HTTP client: Slack waits for
three seconds, and a function that is started for it should spend them otherwise.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from pegboard import signatures

from ._signature import NotFromSlack, sign, verify

__all__ = [
    "Action",
    "Challenge",
    "Command",
    "Event",
    "Interaction",
    "NotFromSlack",
    "Request",
    "Unreadable",
    "parse",
    "receive",
    "sign",
    "verify",
]


class Unreadable(signatures.Unreadable):
    """The request is not one that Slack sends. Answer with status 400."""


@dataclass(frozen=True, slots=True)
class Challenge:
    """Slack asks whether somebody is there. Answer with the text, and status 200."""

    text: str


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened. Answer with status 200, then see to it."""

    id: str
    """The same when it is sent again."""
    type: str
    team: str | None
    user: str | None
    channel: str | None
    text: str | None
    message: str | None
    """The id of the message that it is or is about."""
    thread: str | None
    """The id of the message whose thread that is in."""
    attempt: int
    """How often it was sent before, since no answer came in three seconds."""
    payload: Mapping[str, Any] = field(repr=False)
    """All that was sent."""


@dataclass(frozen=True, slots=True)
class Action:
    """Something that was pressed or chosen."""

    id: str
    block: str | None
    value: str | None
    """What it stands for, or what was chosen, where that is one thing."""


@dataclass(frozen=True, slots=True)
class Interaction:
    """Somebody used a shortcut, a button or a dialog."""

    type: str
    """Such as ``block_actions``, ``message_action`` or ``view_submission``."""
    team: str | None
    user: str | None
    channel: str | None
    message: str | None
    """The id of the message that it was done to."""
    callback: str | None
    """The name that the app gave to the shortcut or the dialog."""
    actions: tuple[Action, ...]
    inputs: Mapping[str, Mapping[str, Any]] = field(repr=False)
    """What is filled into a dialog, by block and action."""
    trigger: str | None = field(repr=False)
    """What opens a dialog, for three seconds."""
    response_url: str | None = field(repr=False)
    payload: Mapping[str, Any] = field(repr=False)
    """All that was sent."""


@dataclass(frozen=True, slots=True)
class Command:
    """Somebody typed a slash command."""

    name: str
    """With its slash."""
    text: str
    team: str | None
    user: str | None
    channel: str | None
    trigger: str | None = field(repr=False)
    """What opens a dialog, for three seconds."""
    response_url: str | None = field(repr=False)
    payload: Mapping[str, Any] = field(repr=False)
    """All that was sent."""


UNREADABLE = (LookupError, TypeError, AttributeError, ValueError, RecursionError)
"""What reading a request raises that is not as Slack sends it."""
Request = Challenge | Event | Interaction | Command


def receive(
    body: bytes | str,
    headers: Mapping[str, str],
    *,
    secret: str,
    clock: Callable[[], float] = time.time,
) -> Request:
    """
    Return what Slack says in *body*; see ``verify`` for the arguments.

    Raises:
        NotFromSlack: Nothing proves that Slack sent it, now.
        Unreadable: It is not a request that Slack sends.

    """
    verify(body, headers, secret=secret, clock=clock)
    return parse(body, headers)


def parse(body: bytes | str, headers: Mapping[str, str] = {}) -> Request:
    """
    Return what *body* says, without any proof that Slack sent it.

    Raises:
        Unreadable: It is not a request that Slack sends.

    """
    try:
        text = body.decode() if isinstance(body, bytes) else body
        if text.lstrip().startswith("{"):
            return _from_json(json.loads(text), headers)
        return _from_form(dict(parse_qsl(text, keep_blank_values=True)))
    except (
        LookupError,
        TypeError,
        AttributeError,
        ValueError,
        RecursionError,
    ) as error:
        msg = f"The request is not one that Slack sends: {type(error).__name__}."
        raise Unreadable(msg) from error


def _from_json(told: dict[str, Any], headers: Mapping[str, str]) -> Challenge | Event:
    if told["type"] == "url_verification":
        return Challenge(str(told["challenge"]))
    inner = told.get("event", {})
    item = inner.get("item", {})
    about = item if isinstance(item, Mapping) else {}
    return Event(
        id=told.get("event_id", ""),
        type=inner.get("type", told["type"]),
        team=told.get("team_id"),
        user=_id(inner.get("user")),
        channel=_id(inner.get("channel")) or about.get("channel"),
        text=inner.get("text"),
        message=inner.get("ts") or about.get("ts"),
        thread=inner.get("thread_ts"),
        attempt=_attempt(headers),
        payload=told,
    )


def _from_form(told: dict[str, str]) -> Challenge | Interaction | Command:
    if "payload" in told:
        return _interaction(json.loads(told["payload"]))
    if told.get("ssl_check"):
        return Challenge("")
    return Command(
        name=told["command"],
        text=told.get("text", ""),
        team=told.get("team_id"),
        user=told.get("user_id"),
        channel=told.get("channel_id"),
        trigger=told.get("trigger_id"),
        response_url=told.get("response_url"),
        payload=told,
    )


def _interaction(told: dict[str, Any]) -> Interaction:
    view = told.get("view") or {}
    place = told.get("container") or {}
    message = told.get("message") or {}
    return Interaction(
        type=told["type"],
        team=_id(told.get("team")),
        user=_id(told.get("user")),
        channel=_id(told.get("channel")) or place.get("channel_id"),
        message=message.get("ts") or place.get("message_ts"),
        callback=told.get("callback_id") or view.get("callback_id"),
        actions=tuple(map(_action, told.get("actions") or ())),
        inputs=view.get("state", {}).get("values", {}),
        trigger=told.get("trigger_id"),
        response_url=told.get("response_url"),
        payload=told,
    )


def _action(told: dict[str, Any]) -> Action:
    chosen = told.get("selected_option") or {}
    kinds = ("user", "channel", "conversation", "date", "time")
    picked = (told.get(f"selected_{kind}") for kind in kinds)
    value = told.get("value") or chosen.get("value") or next(filter(None, picked), None)
    return Action(told["action_id"], told.get("block_id"), value)


def _id(told: Any) -> str | None:
    """Return the id of what is told of by its id, or as an object that has one."""
    found = told.get("id") if isinstance(told, Mapping) else told
    return None if found is None else str(found)


def _attempt(headers: Mapping[str, str]) -> int:
    numbers = (v for n, v in headers.items() if n.lower() == "x-slack-retry-num")
    number = next(numbers, "0")
    return int(number) if number.isascii() and number.isdecimal() else 0
