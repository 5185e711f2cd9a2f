"""Ask two language models at once, each by its name in the settings."""

import asyncio
from pathlib import Path

from pegboard import Pegboard

QUESTION = "How much does a pegboard hold?"


async def main() -> None:
    """Ask both and show who said what."""
    async with Pegboard(folder=Path(__file__).parent) as board:
        models = [board.llm("default"), board.llm("careful")]
        replies = await asyncio.gather(*(one.complete(QUESTION) for one in models))
        for model, reply in zip(models, replies, strict=True):
            print(f"{model.address} ({reply.model}): {reply.text}")


asyncio.run(main())
