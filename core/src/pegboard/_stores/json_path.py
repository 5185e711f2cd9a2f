"""Parts of JSON: dotted keys, and ranges of lines."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from pegboard.errors import InvalidRequest

LINES = re.compile(r"(\d*)(:?)(\d*)")
MISSING: Any = object()
"""What there is where a path leads nowhere; never handed out."""


def keys_of(path: str) -> list[str]:
    r"""Return the keys of the dotted *path*; ``\.`` is a dot in a key."""
    if not path:
        return []
    return [key.replace("\\.", ".") for key in re.split(r"(?<!\\)\.", path)]


def at(value: Any, keys: list[str]) -> Any:
    """Return what is at *keys* of *value*, or ``MISSING``."""
    for key in keys:
        value = _child(value, key)
    return value


def replaced(value: Any, keys: list[str], part: Any) -> Any:
    """
    Return *value* with *part* at *keys*; ``MISSING`` takes out what is there.

    Objects on the way are made where there is nothing.

    Raises:
        InvalidRequest: On the way is something that has no parts, or no such part.

    """
    if not keys:
        return part
    first, *rest = keys
    if value is MISSING:
        value = {}
    new = replaced(_child(value, first), rest, part)
    if isinstance(value, list):
        return _changed_list(value, first, new)
    if not isinstance(value, dict):
        kind = type(value).__name__
        msg = f"{first!r} leads into a {kind}, which has no parts. Check the path."
        raise InvalidRequest(msg, request_sent="no")
    others = {key: one for key, one in value.items() if key != first}
    return others if new is MISSING else {**value, first: new}


def lines_of(value: Any, lines: str) -> Any:
    """
    Return those lines of a text, or items of a list, that *lines* names.

    ``1:5,8`` are the first five and the eighth. What lies behind the end is nothing.
    """
    if isinstance(value, str):
        return "".join(_picked(value.splitlines(keepends=True), lines))
    if isinstance(value, list):
        return _picked(value, lines)
    msg = f"Only a text or a list has lines, not a {type(value).__name__}."
    raise InvalidRequest(msg, request_sent="no")


def _child(value: Any, key: str) -> Any:
    if isinstance(value, dict):
        return value.get(key, MISSING)
    if isinstance(value, list) and key.isdecimal() and int(key) < len(value):
        return value[int(key)]
    return MISSING


def _changed_list(value: list[Any], key: str, new: Any) -> list[Any]:
    if not key.isdecimal() or int(key) >= len(value):
        msg = f"{key!r} is no place in a list of {len(value)}. Use append for more."
        raise InvalidRequest(msg, request_sent="no")
    place = int(key)
    return [*value[:place], *([] if new is MISSING else [new]), *value[place + 1 :]]


def _picked(items: list[Any], lines: str) -> list[Any]:
    return [item for first, last in _ranges(lines) for item in items[first - 1 : last]]


def _ranges(lines: str) -> Iterator[tuple[int, int | None]]:
    for part in lines.replace(" ", "").split(","):
        found = LINES.fullmatch(part)
        if not found or part in {"", ":"} or "0" in {found[1], found[3]}:
            msg = f"{lines!r} names no lines. Write them like 1:5,8; the first is 1."
            raise InvalidRequest(msg, request_sent="no")
        first = int(found[1] or 1)
        yield first, (int(found[3]) if found[3] else None) if found[2] else first
