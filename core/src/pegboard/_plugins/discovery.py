"""
Which plugins are installed, without importing any.

Reads the ``entry_points.txt`` of installed distributions itself: importing
``importlib.metadata`` alone takes longer than scanning hundreds of them.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

GROUP = "pegboard"
METADATA = (".dist-info", ".egg-info")


class EntryPoint(NamedTuple):
    """A name under which a distribution registers a plugin."""

    name: str
    value: str
    """``package.module`` or ``package.module:object``."""
    distribution: str
    version: str


def entry_points(path: Iterable[str]) -> list[EntryPoint]:
    """Return the plugins on *path*; of a distribution found twice, the first."""
    found: dict[str, list[EntryPoint]] = {}
    for place in dict.fromkeys(path):
        for name, version, text in _distributions(place or "."):
            found.setdefault(name, [*_parse(text, name, version)])
    return [entry for entries in found.values() for entry in entries]


def normalized(distribution: str) -> str:
    """Return the name as package indexes compare it."""
    return re.sub(r"[-_.]+", "-", distribution).lower()


def _distributions(place: str) -> Iterator[tuple[str, str, str]]:
    """Return name, version and entry points of each distribution in *place*."""
    if os.path.isfile(place):  # noqa: PTH113 - pathlib costs more than this scan
        yield from _zipped(place)
        return
    try:
        folders = [
            entry for entry in os.scandir(place) if entry.name.endswith(METADATA)
        ]
    except OSError:
        return
    for folder in folders:
        name, _, rest = folder.name.rpartition(".")[0].partition("-")
        yield normalized(name), rest.partition("-")[0], _read(folder.path)


def _read(folder: str) -> str:
    try:
        with open(f"{folder}/entry_points.txt", encoding="utf-8") as file:  # noqa: PTH123 - see above
            return file.read()
    except (OSError, UnicodeDecodeError):
        return ""


def _zipped(place: str) -> Iterator[tuple[str, str, str]]:
    from importlib.metadata import distributions  # noqa: PLC0415 - only for archives

    for found in distributions(path=[place]):
        text = found.read_text("entry_points.txt") or ""
        yield normalized(found.name), found.version, text


def _parse(text: str, distribution: str, version: str) -> Iterator[EntryPoint]:
    group = ""
    for line in map(str.strip, text.splitlines()):
        if line.startswith("["):
            group = line.strip("[]").strip()
        elif group == GROUP and "=" in line and not line.startswith(("#", ";")):
            name, value = (part.strip() for part in line.split("=", 1))
            yield EntryPoint(name, value.split("[")[0].strip(), distribution, version)
