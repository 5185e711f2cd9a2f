"""
The loaded models of this process: the one thing here that boards share.

A model takes seconds to load and hundreds of megabytes to keep, so instances with the
same load options use one, those of other boards too. They do not notice: llama.cpp
answers each request by itself.
"""

from __future__ import annotations

import atexit
import os
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING, Any

from ._engine import Engine
from ._errors import forked
from ._llama import open_server, skip_destructors
from ._waiting import was_used

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._llama import Load


@dataclass(slots=True)
class Shared:
    """An engine, and the instances that use it."""

    engine: Engine
    users: set[object] = field(default_factory=set)


class Models:
    """Engines by what they load. All threads may use it."""

    def __init__(self, open_server: Callable[[Load], Any] = open_server) -> None:
        self._open_server = open_server
        self._lock = Lock()
        self._loaded: dict[Load, Shared] = {}
        self._is_orphan = False
        atexit.register(self.close)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._forget)

    def engine(self, load: Load, *, user: object) -> Engine:
        """Return the engine of *load*, which stays until *user* leaves it."""
        if self._is_orphan:
            raise forked()
        with self._lock:
            shared = self._loaded.get(load)
            if shared is None:
                shared = Shared(Engine(load, self._open_server))
                self._loaded[load] = shared
            shared.users.add(user)
            return shared.engine

    def has(self, load: Load) -> bool:
        """Return whether the model of *load* is kept here."""
        return load in self._loaded

    def leave(self, load: Load, *, user: object) -> None:
        """Free the model of *load* if *user* was the last to use it."""
        unused = self._without(load, user)
        if unused is not None:
            unused.close()
            unused.join()

    def close(self) -> None:
        """Free all models."""
        with self._lock:
            engines = [shared.engine for shared in self._loaded.values()]
            self._loaded.clear()
        for engine in engines:
            engine.close()
        for engine in engines:
            engine.join()

    def _without(self, load: Load, user: object) -> Engine | None:
        """Take *user* off the users of *load*; return the engine if none is left."""
        with self._lock:
            shared = self._loaded.get(load)
            if shared is None:
                return None
            shared.users.discard(user)
            return None if shared.users else self._loaded.pop(load).engine

    def _forget(self) -> None:
        """Give up the models of the parent, in a child that has none of its threads."""
        self._lock = Lock()
        self._loaded = {}
        self._is_orphan = was_used()
        if self._is_orphan:
            skip_destructors()


MODELS = Models()
