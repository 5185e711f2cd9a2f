"""Count visits: two writers at once, and none of them is forgotten."""

import asyncio

from pegboard import KeyValue, Pegboard
from pegboard.errors import Conflict

SETTINGS = {"storage": {"visits": {"provider": "memory", "ttl": 3600}}}


async def remember(store: KeyValue, visitor: str) -> None:
    """Add *visitor* to the list, again if somebody else was faster."""
    while True:
        entry = await store.get_entry("visitors")
        try:
            if entry is None:
                await store.set("visitors", [visitor], if_absent=True)
            else:
                new = [*entry.value, visitor]
                await store.set("visitors", new, if_version=entry.version)
        except Conflict:
            continue
        return


async def main() -> None:
    """Let three visitors in at the same time."""
    async with Pegboard.isolated(SETTINGS) as board:
        store = board.storage("visits", KeyValue)
        await asyncio.gather(*(remember(store, name) for name in ("Ann", "Bo", "Cy")))
        print(await store.incr("count", 3), sorted(await store.get("visitors")))


asyncio.run(main())
