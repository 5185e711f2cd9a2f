"""How things are carried from one storage to another, whatever they are."""

from __future__ import annotations

from collections.abc import (
    AsyncGenerator,
    Callable,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from pegboard.errors import Conflict

Step = Literal["copy", "verify"]
MOST_NAMED = 100
"""Differences that are told by name; of others it is told how many there are."""
ALMOST_GONE = 5.0
"""Seconds: what expires sooner may be there or not, and both is right."""


@dataclass(frozen=True, slots=True)
class Item:
    """A thing that is kept, as far as it is compared, and what it takes to store it."""

    parts: tuple[object, ...]
    """Its contents, from the oldest version to the newest."""
    content: Any = field(compare=False)
    ttl: float | None = field(default=None, compare=False)
    """Seconds until it expires."""

    def is_current(self, wanted: Item) -> bool:
        """Tell whether nothing has to be done to make this *wanted*."""
        return self.agrees(wanted) and _is_close(self.ttl, wanted.ttl)

    def agrees(self, wanted: Item) -> bool:
        """Tell whether this is *wanted*, or the versions of it that are kept here."""
        return self.parts == wanted.parts[-len(self.parts) :]

    def is_begun(self, wanted: Item) -> bool:
        """Tell whether this is what there is while *wanted* is being stored."""
        return self.parts == wanted.parts[: len(self.parts)]

    @property
    def is_almost_gone(self) -> bool:
        """Whether it may expire before one has looked twice."""
        return self.ttl is not None and self.ttl < ALMOST_GONE


Items = Mapping[str, Item]


class Side(Protocol):
    """The things of one kind in one storage, by name."""

    def pages(self) -> AsyncGenerator[Items, None]:
        """Yield all of them, some at a time."""
        ...

    async def count(self) -> int:
        """Return how many there are."""
        ...

    async def find(self, names: Iterable[str]) -> Items:
        """Return what is known of those with these *names* that exist."""
        ...

    async def read(self, names: Iterable[str]) -> Items:
        """Return the same, after having read all of their contents."""
        ...

    async def store(self, items: Items, there: Items) -> None:
        """Store *items*; what was *there* before is begun, or is to be replaced."""
        ...


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a copy is."""

    what: str
    """``values``, ``blobs``, ``files``, or ``documents of`` a collection."""
    step: Step
    done: int
    total: int
    """As many as were counted at first; there may be more or fewer by now."""


@dataclass(frozen=True, slots=True)
class Difference:
    """Something that is not in the target as it is in the source."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Copied:
    """What came of copying."""

    what: str
    """``values``, ``blobs``, ``files``, or ``documents of`` a collection."""
    found: int
    """How many the source has."""
    copied: int
    """How many were stored; the others were there from an earlier copy."""
    differing: int
    """How many are not in the target as they are in the source."""
    differences: tuple[Difference, ...]
    """The first of them."""


Tell = Callable[[Progress], None]


class Carrier:
    """Copies all that *source* has to *target*, then compares all of it."""

    def __init__(
        self, what: str, source: Side, target: Side, *, overwrite: bool, tell: Tell
    ) -> None:
        self._what = what
        self._source = source
        self._target = target
        self._overwrite = overwrite
        self._tell = tell
        self._total = 0
        self._differing = 0
        self._differences: list[Difference] = []

    async def refuse_others(self) -> None:
        """Refuse if there is something else than what an earlier copy left."""
        async for there in _pages(self._target):
            wanted = await self._source.find(there)
            for name, item in there.items():
                if name in wanted:
                    _check(name, item, wanted[name])
                elif not item.is_almost_gone:
                    raise _occupied(name, "which the source does not have")

    async def carry(self) -> Copied:
        """Do it, and return what came of it."""
        self._total = await self._source.count()
        copied = await self._copy_all()
        found = await self._compare_all()
        if not self._overwrite:
            await self._look_for_strangers()
        return Copied(
            self._what, found, copied, self._differing, tuple(self._differences)
        )

    async def _copy_all(self) -> int:
        copied = done = 0
        async for items in _pages(self._source):
            copied += await self._copy(items)
            done += len(items)
            self._tell(Progress(self._what, "copy", done, self._total))
        return copied

    async def _copy(self, items: Items) -> int:
        """Store those of *items* that are not there yet; return how many."""
        there = await self._target.find(items)
        new = {
            name: item
            for name, item in items.items()
            if name not in there or not there[name].is_current(item)
        }
        if not self._overwrite:
            for name in new.keys() & there.keys():
                _check(name, there[name], new[name])
        await self._target.store(new, there)
        return len(new)

    async def _compare_all(self) -> int:
        found = 0
        async for items in _pages(self._source):
            there = await self._target.read(items)
            for name, item in items.items():
                self._compare(name, item, there.get(name))
            found += len(items)
            self._tell(Progress(self._what, "verify", found, self._total))
        return found

    def _compare(self, name: str, wanted: Item, there: Item | None) -> None:
        if there is None and not wanted.is_almost_gone:
            self._note(name, "is missing: it came, or was deleted, in between")
        if there is not None and not there.agrees(wanted):
            self._note(
                name, "is not the same: it was changed in between, or is damaged"
            )

    async def _look_for_strangers(self) -> None:
        async for there in _pages(self._target):
            known = await self._source.find(there)
            for name, item in there.items():
                if name not in known and not item.is_almost_gone:
                    self._note(name, "is not in the source: it was deleted in between")

    def _note(self, name: str, reason: str) -> None:
        self._differing += 1
        if len(self._differences) < MOST_NAMED:
            self._differences.append(Difference(name, reason))


async def _pages(side: Side) -> AsyncGenerator[Items, None]:
    async with aclosing(side.pages()) as pages:
        async for items in pages:
            yield items


def some_at_a_time(names: Sequence[str], most: int) -> Iterator[Sequence[str]]:
    """Yield *names* in parts of at *most* so many."""
    for start in range(0, len(names), most):
        yield names[start : start + most]


def _is_close(one: float | None, other: float | None) -> bool:
    if one is None or other is None:
        return one is other
    return abs(one - other) < ALMOST_GONE


def _check(name: str, there: Item, wanted: Item) -> None:
    if not there.agrees(wanted) and not there.is_begun(wanted):
        raise _occupied(name, "which is another one in the source")


def _occupied(name: str, what: str) -> Conflict:
    return Conflict(
        f"The target is not empty: it has {name!r}, {what}. Name an empty target, or "
        "ask to overwrite what is there.",
        request_sent="no",
    )
