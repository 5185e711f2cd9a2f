"""Let a model use functions of the program, and bound what it may do."""

import asyncio

from pegboard import Pegboard
from pegboard.errors import BoundReached

STOCK = {"pegs": 12, "boards": 3}
# What a real model would do by itself, the fake one is told.
SCRIPT = [
    {"tool": "in_stock", "arguments": {"item": "peg"}},
    {"tool": "in_stock", "arguments": {"item": "pegs"}},
    "There are 12 pegs.",
]
SETTINGS = {"llm": {"default": {"provider": "fake", "replies": SCRIPT}}}


async def in_stock(item: str) -> int:
    """Return how many there are of *item*, which is in the plural."""
    return STOCK[item]


async def main() -> None:
    """Ask for what only the program knows."""
    async with Pegboard.isolated(SETTINGS) as board:
        run = await board.llm().run("How many pegs are there?", tools=[in_stock])
        for use in run.tool_uses:
            print(
                f"{use.call.name}({use.call.arguments['item']}): {use.result.content}"
            )
        print(run.text)
        try:
            await board.llm().run("And now?", tools=[in_stock], max_rounds=1)
        except BoundReached as error:
            print(error)


asyncio.run(main())
