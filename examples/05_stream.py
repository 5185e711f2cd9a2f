"""Show a reply as it is written, and stop when there is enough of it."""

import asyncio

from pegboard import Pegboard

STORY = "Once there was a dog. It found a pegboard. Nobody knows why."
SETTINGS = {"llm": {"default": {"provider": "fake", "replies": [STORY]}}}
ENOUGH = 2


async def main() -> None:
    """Read two sentences of a story."""
    async with Pegboard.isolated(SETTINGS) as board:
        sentences = 0
        async with board.llm().stream("Tell me a story.") as stream:
            async for text in stream.text:
                print(text, end="", flush=True)
                sentences += text.count(".")
                if sentences == ENOUGH:
                    break  # ends the stream, and the work at the other end
        print(f"\n{stream.reply.finish_reason}: {stream.reply.text!r}")


asyncio.run(main())
