"""What callers saw whose connections broke at any moment."""

from __future__ import annotations

import asyncio
import random
from itertools import count
from urllib.parse import urlsplit

from pegboard import KeyValue, Pegboard
from pegboard.errors import Conflict, ConnectionFailed
from pegboard.testing import TcpProxy
from pegboard.testing.histories import RegisterCall, is_linearizable

ROUNDS, CALLERS, CALLS = 60, 3, 3
ONCE = {"attempts": 1, "breaker": {"enabled": False}}


class Register:
    """A key that is called at random, and what came of it."""

    def __init__(self, store, key, chance, moments):
        self.calls = []
        self._store, self._key = store, key
        self._chance, self._moments = chance, moments

    async def use(self, name):
        """Make some calls, one after another."""
        seen = None
        for number in range(CALLS):
            kind = self._chance.choice(["read", "write", "swap", "swap"])
            value, began = f"{name}.{number}", next(self._moments)
            expected = seen and seen.value
            told = {"kind": kind, "began": began, "expected": expected, "value": value}
            try:
                told |= await getattr(self, f"_{kind}")(value, seen)
            except ConnectionFailed as error:
                if kind == "read" or error.request_sent == "no":
                    continue
            else:
                told["ended"] = next(self._moments)
                seen = told.pop("seen", seen)
            self.calls.append(RegisterCall(**told))

    async def _read(self, _, __):
        seen = await self._store.get_entry(self._key)
        return {"value": seen and seen.value, "seen": seen}

    async def _write(self, value, _):
        await self._store.set(self._key, value)
        return {}

    async def _swap(self, value, seen):
        condition = {"if_version": seen.version} if seen else {"if_absent": True}
        try:
            await self._store.set(self._key, value, **condition)
        except Conflict:
            return {"swapped": False}
        return {"swapped": True}


async def break_connections(proxy, chance):
    """Reset all connections, again and again, when some answers have come."""
    while True:
        for _ in range(chance.randint(1, 6)):
            await proxy.to_client.next_chunk()
        proxy.reset()


async def test_what_callers_saw_could_have_happened(ministack, settings):
    """However often answers were lost: a register could have answered, one by one."""
    chance, unanswered = random.Random(20), 0  # noqa: S311 - no secret
    place = urlsplit(ministack)
    async with Pegboard.isolated({"storage": {"kit": settings}}) as direct:
        await direct.storage("kit", KeyValue).get("makes the table")
    async with TcpProxy(place.hostname, place.port) as proxy:
        address = f"http://{proxy.host}:{proxy.port}"
        given = {**settings, "endpoint": address, "policy": ONCE}
        async with Pegboard.isolated({"storage": {"kit": given}}) as board:
            store = board.storage("kit", KeyValue)
            nemesis = asyncio.ensure_future(break_connections(proxy, chance))
            for number in range(ROUNDS):
                register = Register(store, f"key{number}", chance, count())
                users = (register.use(name) for name in range(CALLERS))
                await asyncio.gather(*users)
                unanswered += sum(not call.answered for call in register.calls)
                assert is_linearizable(register.calls), register.calls
            nemesis.cancel()

    assert unanswered
