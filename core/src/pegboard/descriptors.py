"""Descriptors: what a plugin offers, said without importing anything heavy."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any, ClassVar, Literal

if TYPE_CHECKING:
    from pathlib import Path

    from ._log import Log
    from .contracts.declare import Family

Needs = Literal["any", "all", "first"]
Reference = str | Callable[..., Any]
"""``"package.module:name"``, imported when it is needed, or the thing itself."""


@dataclass(frozen=True, slots=True)
class Context:
    """What an instance may know of the board that it is made for."""

    address: str
    """Its own address, such as ``storage.sessions``."""
    data_folder: Path
    """Where it may keep files. Not created yet."""
    clock: Callable[[], float] = time.time
    """The time of day, in seconds since 1970; tests bring their own."""
    connect_timeout: float = math.inf
    """Longest time, in seconds, that making a connection may take."""
    connections: int | None = None
    """Most connections that may be open at once; None leaves it to the SDK."""
    keep_alive: float | None = None
    """Longest time, in seconds, that an idle one stays open; None leaves it, too."""
    targets: Mapping[str, Any] = field(default_factory=dict)
    """
    What the instances that its options name are called through, by name.

    Each is under its own policy. See ``Provider.targets``.
    """

    @property
    def name(self) -> str:
        """The last part of the address."""
        return self.address.partition(".")[2]

    @property
    def log(self) -> Log:
        """Where the instance may say things; heard after ``enable_logging``."""
        from ._log import Log  # noqa: PLC0415 - loguru is for those who say something

        return Log(self.address)


@dataclass(frozen=True, kw_only=True)
class Provider:
    """
    One provider on offer. Made at every start, so it must cost next to nothing.

    ``factory(options, context)`` makes an instance without any I/O. The instance has
    the operations of each claimed contract and, if it holds anything open, an
    ``async def aclose()``. Where two contracts have operations of one name, it has
    ``parts``: by the name of a contract, the object that keeps it instead.
    """

    family: ClassVar[Family]

    name: str
    """Lower case, words joined by a hyphen; what settings call ``provider``."""
    factory: Reference
    options: Reference
    """A subclass of ``pegboard.options.Options``."""
    contracts: Mapping[str, int]
    """The contracts that it offers, with the version it was written for."""
    external: bool
    """Whether calls leave the machine's trust and so go through the policy."""
    install: str | None = None
    """What to ``pip install`` when importing the factory fails."""
    defaults: Mapping[str, Any] = field(default_factory=dict)
    """Option values under every other layer; ``policy`` may be one of them."""
    env: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Option -> variable names that users already have, tried in this order."""
    targets: str | None = None
    """
    The option with the names of other instances of the family, if it is made of some.

    Its value is a list of names or a table by name. The instance then claims no more
    than all of them do, and ``[policy]`` acts on them, not on it again.
    """
    needs: Needs = "all"
    """Which of those must be up for it to be up."""
    apart: Callable[[Any], str | None] | None = None
    """
    What of a request fails apart from the rest: each such part has its own breaker.

    A function of an operation's first argument, such as
    ``pegboard.contracts.chat.model_of`` where one model can be down and another up.
    """
    telemetry_name: str | Callable[[Any], str] | None = None
    """
    What traces and metrics call it, if not by its name.

    The semantic conventions of OpenTelemetry have well-known values for
    ``gen_ai.provider.name``, by which tools know a service. A function of the options
    where they say which service it is.
    """
    summary: str = ""
    """A few words for lists."""
    offers: Callable[[Any], frozenset[str]] | None = None
    """
    Which of the contracts an instance keeps, as a function of its options.

    For a provider whose models do different work, such as chat and embeddings. Without
    it, every instance keeps all of them.
    """

    def load_factory(self) -> Callable[[Any, Context], object]:
        """Import the factory."""
        factory: Callable[[Any, Context], object] = _resolve(self.factory)
        return factory

    def load_options(self) -> Any:
        """Import the class of the options."""
        return _resolve(self.options)


@dataclass(frozen=True, kw_only=True)
class LLMProvider(Provider):
    """An offer of language models."""

    family = "llm"

    external: bool = True
    capabilities: frozenset[str] | Callable[[Any], frozenset[str]] = frozenset()
    """``pegboard.Capability`` names, or a function of the options that returns them."""


@dataclass(frozen=True, kw_only=True)
class StorageProvider(Provider):
    """An offer of a storage backend."""

    family = "storage"

    external: bool = False


@dataclass(frozen=True, kw_only=True)
class IntegrationProvider(Provider):
    """An offer of an outside service."""

    family = "integrations"

    external: bool = True


def _resolve(reference: Reference) -> Any:
    return resolve_name(reference) if isinstance(reference, str) else reference
