"""The board that blocks."""

from __future__ import annotations

import threading
import time
from collections.abc import (
    Callable,
    Coroutine,
    Iterable,
    Mapping,
)
from typing import (
    TYPE_CHECKING,
    Any,
    Self,
    TypeVar,
    get_args,
    get_origin,
)

from typing_extensions import TypeForm

from pegboard import _board
from pegboard.errors import PluginError

from ._contracts import (
    Blobs,
    Database,
    DeadLetterQueue,
    DocumentCollections,
    DocumentStore,
    EventLog,
    Files,
    KeyValue,
    Messenger,
    PresignedBlobs,
    Queue,
    SecretStore,
    SecretVault,
    Tracing,
    VersionedBlobs,
    Webhooks,
)
from ._models import LLM
from ._queues import EventBus
from ._stores import (
    Artifacts,
    Cache,
    Conversations,
    Documents,
    JsonDatabase,
    Locks,
    Sessions,
    Values,
)
from ._twins import Portal, Result

if TYPE_CHECKING:
    from pathlib import Path

    from opentelemetry.trace import Tracer
    from pydantic import SecretStr

    from pegboard._explain import Explanation
    from pegboard._plugins.loading import Plugin
    from pegboard.contracts.chat import Tool
    from pegboard.errors import Problem
    from pegboard.health import Health
    from pegboard.stats import Stats


Contract = TypeVar("Contract")

TWINS = (
    KeyValue,
    Values,
    Blobs,
    VersionedBlobs,
    PresignedBlobs,
    Files,
    Database,
    DocumentStore,
    DocumentCollections,
    Documents,
    Sessions,
    Conversations,
    Artifacts,
    JsonDatabase,
    Locks,
    Cache,
    Messenger,
    Queue,
    DeadLetterQueue,
    EventLog,
    EventBus,
    SecretStore,
    SecretVault,
    Tracing,
    Webhooks,
)

"""What ``storage`` and ``integration`` take, and what is made of it."""


class Pegboard:
    """Providers by name, as the settings say; see ``pegboard.Pegboard``."""

    def __init__(
        self,
        settings: Mapping[str, Any] | None = None,
        *,
        folder: str | Path | None = None,
        profile: str | None = None,
        plugins: Iterable[object] = (),
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._board = _board.Pegboard(
            settings, folder=folder, profile=profile, plugins=plugins, clock=clock
        )
        self._start()

    @classmethod
    def isolated(
        cls,
        settings: Mapping[str, Any],
        *,
        environ: Mapping[str, str] | None = None,
        plugins: Iterable[object] = (),
        clock: Callable[[], float] = time.time,
    ) -> Self:
        """Return a board that reads *settings* and nothing else, as tests want it."""
        board = cls.__new__(cls)
        board._board = _board.Pegboard.isolated(  # noqa: SLF001 - its own
            settings, environ=environ, plugins=plugins, clock=clock
        )
        board._start()  # noqa: SLF001 - its own
        return board

    def _start(self) -> None:
        self._portal: Portal | None = None
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        self._call(self._board.__aenter__())
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<blocking {self._board!r}>"

    def llm(self, name: str = "default") -> LLM:
        """Return the language model that the settings call *name*."""
        return LLM(self._board.llm(name), self._running())

    def select(self, *, needs: Iterable[str]) -> LLM:
        """Return the first configured language model that claims all of *needs*."""
        return LLM(self._board.select(needs=needs), self._running())

    def storage(self, name: str, contract: TypeForm[Contract]) -> Contract:
        """Return the storage that the settings call *name*, as *contract*."""
        handle: Contract = self._twin(self._board.storage, name, contract)
        return handle

    def integration(self, name: str, contract: TypeForm[Contract]) -> Contract:
        """Return the integration that the settings call *name*, as *contract*."""
        handle: Contract = self._twin(self._board.integration, name, contract)
        return handle

    def call(self, operation: str, arguments: Mapping[str, Any] | None = None) -> Any:
        """Call *operation* with *arguments* of JSON; see ``pegboard.Pegboard.call``."""
        return self._call(self._board.call(operation, arguments))

    def tools(self, name: str, *names: str) -> tuple[Tool, ...]:
        """Return operations as tools that a model may be given."""
        return self._board.tools(name, *names)

    def provider(self, address: str) -> object:
        """Return what the plugin made for *address*: its own object, not blocking."""
        return self._board.provider(address)

    def tracer(self, component: str) -> Tracer:
        """Return a tracer for the program's own spans; see ``pegboard.Pegboard``."""
        return self._board.tracer(component)

    def flag(self, name: str) -> bool:
        """Return whether the feature flag *name* is on."""
        return self._board.flag(name)

    def addresses(self) -> list[str]:
        """Return the addresses of all configured instances."""
        return self._board.addresses()

    def check(self) -> list[Problem]:
        """Return all that is wrong with any configured instance. Makes none."""
        return self._board.check()

    def explain(self, address: str) -> Explanation:
        """Return what the instance at *address* is, and where each value came from."""
        return self._board.explain(address)

    def stats(self) -> dict[str, Stats]:
        """Return what happened to the calls of every address that was called."""
        return self._board.stats()

    def health(self) -> dict[str, Health]:
        """Return for every instance whether it can be reached now."""
        return self._call(self._board.health())

    def renew_secrets(self) -> list[str]:
        """Have all use what the secret stores hold now."""
        return self._call(self._board.renew_secrets())

    def check_secret(
        self, key: str, value: SecretStr | None = None
    ) -> dict[str, Health]:
        """Return for every instance that refers to *key* whether it works."""
        return self._call(self._board.check_secret(key, value))

    def rotate_secret(self, key: str, value: SecretStr) -> dict[str, Health]:
        """Store *value* as the secret *key*, once it works, and have all use it."""
        return self._call(self._board.rotate_secret(key, value))

    def plugins(self) -> list[Plugin]:
        """Load every installed plugin and return it, broken ones too."""
        return self._board.plugins()

    def close(self) -> None:
        """Close what was opened, the last first, and stop the thread."""
        with self._lock:
            portal, self._portal = self._portal, None
        if portal is None:
            portal = Portal()
        try:
            portal.call(self._board.aclose())
        finally:
            portal.stop()

    def _call(self, work: Coroutine[Any, Any, Result]) -> Result:
        return self._running().call(work)

    def _running(self) -> Portal:
        with self._lock:
            if self._portal is None:
                self._portal = Portal()
            return self._portal

    def _twin(self, find: Callable[[str, Any], Any], name: str, twin: object) -> Any:
        original = getattr(get_origin(twin) or twin, "__twin_of__", None)
        if original is None or not callable(twin):
            known = ", ".join(cls.__name__ for cls in TWINS)
            msg = (
                f"{twin!r} is not the blocking twin of a contract. pegboard.sync has "
                f"{known}; declare others with @pegboard.sync.twin_of(CONTRACT)."
            )
            raise PluginError(msg)
        if held := get_args(twin):
            original = original[held]
        return twin(find(name, original), self._running())
