"""Get values of a type instead of text, whole and while they grow."""

import asyncio

from pegboard import Pegboard
from pydantic import BaseModel, Field

# The first of these does not fit, so the model is asked again.
SCRIPT = [
    '{"name": "Lisbon", "hills": "many"}',
    '{"name": "Lisbon", "hills": 7}',
    '{"value": [{"name": "Rome", "hills": 7}, {"name": "Bergen", "hills": 7}]}',
]
SETTINGS = {"llm": {"default": {"provider": "fake", "replies": SCRIPT}}}


class City(BaseModel):
    """A city on hills."""

    name: str
    hills: int = Field(ge=1)


async def main() -> None:
    """Ask for one city, then for several."""
    async with Pegboard.isolated(SETTINGS) as board:
        llm = board.llm()
        reply = await llm.complete("A city on hills?", output=City)
        print(f"{reply.output!r} for {reply.usage.output} tokens")
        async with llm.stream("More of them?", output=list[City]) as stream:
            async for partial in stream.partial:
                print([city.get("name") for city in partial])
        print(stream.output)


asyncio.run(main())
