"""Ask a language model. Who answers, pegboard.toml beside this file says."""

import asyncio
from pathlib import Path

from pegboard import Pegboard


async def main() -> None:
    """Ask one question."""
    async with Pegboard(folder=Path(__file__).parent) as board:
        reply = await board.llm().complete("What is a pegboard good for?")
        print(reply.text)
        print(f"{reply.model}: {reply.usage.total} tokens")


asyncio.run(main())
