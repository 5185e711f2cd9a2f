"""Meet errors: one that the policy deals with, and two that the program has to."""

import asyncio

from pegboard import Pegboard
from pegboard.errors import Authentication, CallError, SettingsError

QUICK = {"backoff": 0}
SETTINGS = {
    "llm": {
        "busy": {"provider": "fake", "failures": ["RateLimited"], "policy": QUICK},
        "locked": {"provider": "fake", "failures": ["Authentication"]},
    }
}


async def main() -> None:
    """Ask models that fail in different ways."""
    async with Pegboard.isolated(SETTINGS) as board:
        reply = await board.llm("busy").complete("Were you busy?")
        print(f"Answered by the second attempt: {reply.text}")
        try:
            await board.llm("locked").complete("Is somebody in?")
        except Authentication as error:
            print(f"Check the key. {error}")
        except CallError as error:
            print(f"Come back later? {error.retryable}")
        try:
            board.llm("bsy")
        except SettingsError as error:
            print(error)


asyncio.run(main())
