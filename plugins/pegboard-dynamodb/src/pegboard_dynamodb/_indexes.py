"""What documents are found by: kept with them, and made for what was there before."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING

from pegboard.contracts.key_value import new_version

from ._document_item import Held, Home
from ._errors import NotMetError
from ._item import Item, text, upper
from ._requests import Condition

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from ._table import Table

DECLARED, FILLED = "declared", "filled"
"""What is to be kept for every document, and what leads to all of them already."""
FILLED_AT_ONCE = 8
"""Documents that get a new index at the same time."""
NOTHING_THERE = Condition("attribute_not_exists(pk)", {})

Marks = frozenset[str]


class Indexes:
    """
    The indexes of collections.

    Each collection has an item that names the fields it is indexed by. Who writes a
    document reads that item, too, and so keeps indexes that only other programs
    declare. Which fields lead to a document stands in it: who writes is refused when
    that has changed since, and begins again. Where there was no document to refuse,
    the item is read once more.
    """

    def __init__(self, table: Table) -> None:
        self._table = table
        self._prepared: set[tuple[Home, Marks]] = set()

    async def look(self, home: Home, key: str) -> tuple[Held | None, Marks]:
        """Return what is under *key*, and the marks of all that is indexed."""
        place = home.document(key)
        found = await self._table.fetch([place, home.indexes])
        item = found.get(place)
        held = None if item is None else Held.of(item)
        kept = Marks() if held is None else held.marks
        return held, kept | _marks(found.get(home.indexes), DECLARED)

    async def replace(self, home: Home, held: Held | None, new: Held) -> None:
        """
        Store *new*, and what leads to it, in the place of *held*.

        Raises:
            NotMetError: Something else is there.

        """
        await self._table.settle(new.item(home), self._swap(home, held, new))
        if held is None:
            await self._add(home, new.document.key)

    async def remove(self, home: Home, held: Held) -> None:
        """
        Remove *held* and what leads to it.

        Raises:
            NotMetError: Something else is there.

        """
        place, still = home.document(held.document.key), _is_still(held)
        if not held.marks:
            await self._table.delete(place, still)
            return
        entries = [(entry, None) for entry in held.entries(home)]
        await self._table.change_all(
            [], [(place, still), *entries], token=new_version()
        )

    async def prepare(self, home: Home, marks: Marks) -> None:
        """See to it that all documents are found by the fields with these *marks*."""
        if not marks or (home, marks) in self._prepared:
            return
        if not marks <= _marks(await self._table.get(home.indexes), FILLED):
            await self._name(home, DECLARED, marks)
            await self._fill(home, marks)
            await self._name(home, FILLED, marks)
        self._prepared.add((home, marks))

    async def _swap(self, home: Home, held: Held | None, new: Held) -> None:
        item = new.item(home)
        still = NOTHING_THERE if held is None else _is_still(held)
        entries = new.entries(home)
        old = set() if held is None else held.entries(home)
        if entries == old:
            await self._table.put(item, still)
            return
        await self._table.change_all(
            [(item, still), *((entry.names, None) for entry in entries - old)],
            [(entry, None) for entry in old - entries],
            token=new_version(),
        )

    async def _name(self, home: Home, attribute: str, marks: Marks) -> None:
        values = {":marks": {"SS": sorted(marks)}}
        await self._table.update(home.indexes, f"ADD {attribute} :marks", values)

    async def _fill(self, home: Home, marks: Marks) -> None:
        """Have the documents found that were there before."""
        lacking: list[str] = []
        async with aclosing(self._documents(home)) as documents:
            async for held in documents:
                if not marks <= held.marks:
                    lacking.append(held.document.key)
                if len(lacking) == FILLED_AT_ONCE:
                    await asyncio.gather(*(self._add(home, key) for key in lacking))
                    lacking.clear()
        await asyncio.gather(*(self._add(home, key) for key in lacking))

    async def _documents(self, home: Home) -> AsyncGenerator[Held, None]:
        found = self._table.items(home.documents, ("\0", upper("")))
        async with aclosing(found) as items:
            async for item in items:
                yield Held.of(item)

    async def _add(self, home: Home, key: str) -> None:
        """Have the document under *key* found by all that is indexed by now."""
        while True:  # until nobody came in between
            held, marks = await self.look(home, key)
            if held is None or marks == held.marks:
                return
            try:
                await self._swap(home, held, Held(held.document, marks))
            except NotMetError:
                continue
            return


def _marks(item: Item | None, attribute: str) -> Marks:
    found = {} if item is None else item.get(attribute, {})
    return Marks(found.get("SS", ()))


def _is_still(held: Held) -> Condition:
    """Return the condition that *held* is still there, and found by the same."""
    values = {
        ":version": text(held.document.version),
        ":marks": text(held.words),
    }
    return Condition("version = :version AND marks = :marks", values)
