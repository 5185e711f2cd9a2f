"""What every queue takes and refuses, in the same words."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, NoReturn

from pegboard.errors import InvalidReply, InvalidRequest

from .queue import NewMessage

MOST_BYTES = 256 * 1024
"""Of a message with its attributes; some services take no more."""
MOST_ATTRIBUTES = 10
MOST_RECEIVED = 100
"""Messages of one ``receive``, however many are asked for."""
VISIBILITY = 30.0
"""Seconds, where neither the call nor the settings say."""
MAX_DELIVERIES = 5
ATTRIBUTE = re.compile(r"[\w.-]{1,256}", re.ASCII)
LINE = re.compile(r"[^\x00-\x1f\x7f\ud800-\udfff\ufffe\uffff]+")
"""Text that every service carries."""
GROUP = re.compile(r"[!-~]{1,128}")
"""What services take as the name of a group."""
RECEIPT = re.compile(r"(\d{1,18})\.(\d{1,18})", re.ASCII)
NUMBER = re.compile(r"\d{1,18}", re.ASCII)
_ENCODER = json.JSONEncoder(separators=(",", ":"), allow_nan=False)


class Packed(NamedTuple):
    """A message that was found to be one, as text."""

    body: str
    """JSON, in ASCII."""
    attributes: dict[str, str]
    delay: float
    group: str | None


def packed(message: NewMessage) -> Packed:
    """Return *message* as text, if it can be a message."""
    body = _body(message.body)
    attributes = _checked_attributes(message.attributes)
    said = sum(len(n) + len(text.encode()) for n, text in attributes.items())
    if (size := len(body) + said) > MOST_BYTES:
        _refuse(
            f"The message has {size} bytes as JSON; up to {MOST_BYTES} are taken. "
            "Store what is big as a blob, and send its key."
        )
    delay = checked_seconds("delay", message.delay)
    return Packed(body, attributes, delay, _checked_group(message.group))


def all_packed(messages: Sequence[NewMessage]) -> list[Packed]:
    """Return *messages* as text; refuse all where one cannot be a message."""
    return [_packed_of_many(*numbered) for numbered in enumerate(messages)]


def unpacked(body: str) -> Any:
    """Return what the JSON text *body* stands for."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        msg = f"A message is not JSON: {error}. Something else put it in."
        raise InvalidReply(msg) from error


def checked_seconds(name: str, value: Any) -> float:
    """Return the seconds *value*, which may be 0."""
    if not isinstance(value, int | float) or not 0 <= value < math.inf:
        _refuse(f"{name} is {value!r}: it must be a number of seconds from 0 on.")
    return float(value)


def checked_visibility(value: Any, default: float) -> float:
    """Return for how many seconds a message is hidden."""
    chosen = default if value is None else value
    if not isinstance(chosen, int | float) or not 0 < chosen < math.inf:
        _refuse(f"visibility is {chosen!r}: it must be a number of seconds above 0.")
    return float(chosen)


def checked_number(limit: Any) -> int:
    """Return how many messages a call that asks for *limit* may get."""
    if not isinstance(limit, int) or limit < 1:
        _refuse(f"limit is {limit!r}: it must be a whole number above 0.")
    return min(limit, MOST_RECEIVED)


def checked_receipt(receipt: Any) -> str:
    """Return *receipt* if it can be one."""
    if not isinstance(receipt, str) or not receipt:
        _refuse(f"{receipt!r} is no receipt. Pass that of what was received.")
    return receipt


def receipt_of(position: int, deliveries: int) -> str:
    """Return the receipt of a delivery, where no two messages share a *position*."""
    return f"{position}.{deliveries}"


def delivery_of(receipt: Any) -> tuple[int, int]:
    """Return the position and the deliveries that ``receipt_of`` put into *receipt*."""
    found = RECEIPT.fullmatch(checked_receipt(receipt))
    if found is None:
        _refuse(f"{receipt!r} is no receipt of this queue. Pass it on as it came.")
    return int(found[1]), int(found[2])


def checked_place(cursor: Any) -> int:
    """Return the number after which a page begins, where cursors are numbers."""
    if cursor is None:
        return -1
    if not isinstance(cursor, str) or not NUMBER.fullmatch(cursor):
        _refuse(f"{cursor!r} is no cursor. Pass that of the page before.")
    return int(cursor)


def checked_ids(ids: Any) -> list[str] | None:
    """Return *ids* as a list, or None for all."""
    if ids is None:
        return None
    is_list = isinstance(ids, Sequence) and not isinstance(ids, str)
    if not is_list or not all(isinstance(one, str) for one in ids):
        _refuse(f"ids is {ids!r}: pass a list of ids, or None for all.")
    return list(ids)


def _packed_of_many(number: int, message: Any) -> Packed:
    if not isinstance(message, NewMessage):
        kind = type(message).__name__
        _refuse(f"Message {number} is {kind}. Pass objects of NewMessage.")
    try:
        return packed(message)
    except InvalidRequest as error:
        msg = f"None was sent, for that at place {number} cannot be: {error}"
        raise InvalidRequest(msg, request_sent="no") from error


def _body(body: Any) -> str:
    try:
        return _ENCODER.encode(body)
    except (TypeError, ValueError, RecursionError) as error:
        msg = f"The body cannot be sent as JSON: {error}."
        raise InvalidRequest(msg, request_sent="no") from error


def _checked_attributes(attributes: Mapping[Any, Any] | None) -> dict[str, str]:
    found = dict(attributes or {})
    if len(found) > MOST_ATTRIBUTES:
        _refuse(f"{len(found)} attributes are too many; up to {MOST_ATTRIBUTES} are.")
    for name, text in found.items():
        if not isinstance(name, str) or not ATTRIBUTE.fullmatch(name):
            _refuse(
                f"{name!r} is no name of an attribute: it has 1 to 256 letters of "
                "ASCII, digits, '_', '-' and '.'."
            )
        if not isinstance(text, str) or not LINE.fullmatch(text):
            _refuse(f"The attribute {name!r} is no line of text: {text!r}.")
    return found


def _checked_group(group: Any) -> str | None:
    if group is not None and not (isinstance(group, str) and GROUP.fullmatch(group)):
        _refuse(f"{group!r} is no group: it has 1 to 128 visible letters of ASCII.")
    return group


def _refuse(message: str) -> NoReturn:
    raise InvalidRequest(message, request_sent="no")
