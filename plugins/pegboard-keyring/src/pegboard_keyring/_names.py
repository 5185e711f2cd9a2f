"""The names of secrets: which are allowed, and the list that a keyring cannot tell."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

from pegboard.errors import InvalidReply, InvalidRequest

NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,254}")
LIST = "pegboard:names"
"""Where the list is. No secret can have this name."""
LONGEST_SHOWN = 80


def checked_name(name: str) -> str:
    """
    Return *name*.

    Raises:
        InvalidRequest: No secret can have it.

    """
    if NAME.fullmatch(name):
        return name
    shown = name if len(name) <= LONGEST_SHOWN else f"{name[:LONGEST_SHOWN]}..."
    msg = (
        f"{shown!r} cannot name a secret. Use letters, digits, '-', '_' and '.', "
        "at most 255, the first a letter, a digit or '_'."
    )
    raise InvalidRequest(msg, request_sent="no")


def read_list(text: str | None) -> set[str]:
    """
    Return the names that the list *text* holds.

    Raises:
        InvalidReply: Something else is kept there.

    """
    try:
        names = json.loads(text or "[]")
        if isinstance(names, list) and all(isinstance(name, str) for name in names):
            return set(names)
    except (ValueError, TypeError):
        pass
    msg = f"What the keyring keeps as {LIST!r} is no list of names. Delete it there."
    raise InvalidReply(msg, request_sent="no") from None


def written(names: Iterable[str]) -> str:
    """Return the list of *names* as text."""
    return json.dumps(sorted(names), separators=(",", ":"))
