"""Where in a folder a key has its file: a place of its own on every file system."""

from __future__ import annotations

import string
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

PLAIN = frozenset(string.ascii_lowercase + string.digits + "-_.")
"""What stands for itself. Capitals do not: some file systems take them for small."""
LONGEST_NAME = 200
FILE, FOLDER, BEGINNING = "=", "+", "~"
"""What names end with: a blob, a segment that goes on below, a part of a segment."""


class _Place(NamedTuple):
    text: str
    """The key, or what all keys below begin with."""
    path: str
    is_folder: bool


def path_of(key: str) -> str:
    """Return the path of the file of *key*, relative to the folder of all."""
    *folders, last = key.split("/")
    parts = [name for segment in folders for name in _names(segment, FOLDER)]
    return "/".join([*parts, *_names(last, FILE)])


def keys_in(
    names_of: Callable[[str], Iterable[str]], prefix: str, after: str
) -> Iterator[tuple[str, str]]:
    """
    Yield keys with *prefix* that come after *after*, in order, and their paths.

    *names_of* returns what is in a folder, whose path is relative, as keys' paths are.
    """
    return _keys_below(names_of, prefix, after, "", "")


def _keys_below(
    names_of: Callable[[str], Iterable[str]],
    prefix: str,
    after: str,
    folder: str,
    lead: str,
) -> Iterator[tuple[str, str]]:
    for place in sorted(_places(names_of, folder, lead)):
        text = place.text
        if place.is_folder:
            may_fit = text.startswith(prefix) or prefix.startswith(text)
            if may_fit and (text > after or after.startswith(text)):
                yield from _keys_below(names_of, prefix, after, place.path, text)
        elif text.startswith(prefix) and text > after:
            yield text, place.path


def _names(segment: str, end: str) -> list[str]:
    """Return *segment* in signs that all file systems tell apart, cut where needed."""
    parts, name = [], ""
    for sign in segment:
        written = sign if sign in PLAIN else _percent(sign)
        if len(name) + len(written) > LONGEST_NAME:
            parts.append(name + BEGINNING)
            name = ""
        name += written
    return [*parts, name + end]


def _percent(sign: str) -> str:
    return "".join(f"%{byte:02x}" for byte in sign.encode())


def _places(
    names_of: Callable[[str], Iterable[str]], folder: str, lead: str
) -> Iterator[_Place]:
    """Yield what is in *folder*, long segments put together; pass over all else."""
    for name in names_of(folder):
        text, kind = lead + unquote(name[:-1]), name[-1]
        path = f"{folder}/{name}" if folder else name
        if kind == BEGINNING:
            yield from _places(names_of, path, text)
        elif kind == FOLDER:
            yield _Place(f"{text}/", path, is_folder=True)
        elif kind == FILE:
            yield _Place(text, path, is_folder=False)
