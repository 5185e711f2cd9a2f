"""The disk that a model is pulled to: whether there is room for it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pegboard.errors import NotFound

from ._host import is_this_machine

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .options import OllamaOptions

USUAL = ("~/.ollama/models", "/usr/share/ollama")
"""
Where a server keeps its models unless OLLAMA_MODELS says otherwise: one that a user
runs, and the service of the system, into whose folders others cannot look.
"""


def free_bytes(folder: Path) -> int:
    """Return how much room there is for what is put into *folder*."""
    places = (folder.absolute(), *folder.absolute().parents)
    return next(shutil.disk_usage(place).free for place in places if _is_seen(place))


class Disk:
    """The disk of the server, if it can be seen from here."""

    def __init__(
        self, options: OllamaOptions, free: Callable[[Path], int] = free_bytes
    ) -> None:
        self.folder = _folder(options)
        self._reserve = options.disk_reserve
        self._free = free

    def check(self, model: str, needed: int) -> None:
        """
        Check that *needed* more bytes fit.

        Raises:
            NotFound: They do not, so that *model* is not pulled.

        """
        if self.folder is None:
            return
        free = self._free(self.folder)
        if needed + self._reserve <= free:
            return
        msg = (
            f"The model {model!r} is not there and was not pulled: it takes another "
            f"{size(needed)}, and of {size(free)} free in {self.folder} "
            f"{size(self._reserve)} are kept back. Make room, or lower disk_reserve."
        )
        raise NotFound(msg)


class Layers:
    """What a pull has told of the layers that a model is made of."""

    def __init__(self) -> None:
        self._layers: dict[str, tuple[int, int]] = {}

    def add(self, part: Mapping[str, Any]) -> bool:
        """Take in one line of progress; return whether it tells of a new layer."""
        digest, total = part.get("digest"), part.get("total")
        if not digest or not total:
            return False
        is_new = digest not in self._layers
        self._layers[digest] = (part.get("completed") or 0, total)
        return is_new

    @property
    def completed(self) -> int:
        """Bytes that are there."""
        return sum(completed for completed, _ in self._layers.values())

    @property
    def total(self) -> int:
        """Bytes of all layers told of so far."""
        return sum(total for _, total in self._layers.values())


def size(count: float) -> str:
    """Return *count* bytes as people say it."""
    for unit in ("bytes", "kB", "MB"):
        if count < 999.5:  # noqa: PLR2004 - from there on, three digits say 1000
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} GB"


def _folder(options: OllamaOptions) -> Path | None:
    if not is_this_machine(options.host):
        return None
    if options.models_folder:
        return options.models_folder.expanduser()
    usual = (Path(name).expanduser() for name in USUAL)
    return next((folder for folder in usual if _is_seen(folder)), None)


def _is_seen(folder: Path) -> bool:
    # Where nobody may look, pathlib raises.
    return os.path.isdir(folder)  # noqa: PTH112 - see above
