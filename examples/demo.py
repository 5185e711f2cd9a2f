"""Ask the embedded model something, and say what answered and what to type next."""

import asyncio
import sys
import time

from pegboard import LLM, Pegboard

QUESTION = "Name three primary colours."
NEXT = """
What to type next:
  .venv/bin/pegboard ask "Name three uses of a pegboard."
  .venv/bin/pegboard plugins
and for a provider of your own, such as OpenAI:
  export OPENAI_API_KEY=sk-...
  export PEGBOARD_LLM__DEFAULT__PROVIDER=openai
  export PEGBOARD_LLM__DEFAULT__MODEL=gpt-5-nano
  .venv/bin/pegboard ask "Who are you?"
"""


async def answer(llm: LLM) -> None:
    """Print the answer as it is written, then its measure."""
    start = time.perf_counter()
    first = None
    async with llm.stream(QUESTION, max_tokens=120, temperature=0) as stream:
        async for text in stream.text:
            first = first or time.perf_counter()
            print(text, end="", flush=True)
    end = time.perf_counter()
    usage = stream.reply.usage
    written = usage.output + usage.reasoning
    speed = (written - 1) / (end - first) if first and end > first else 0
    print(
        f"\n\n{llm.address} answered: {stream.reply.model}, in this process.\n"
        f"{usage.total - written} tokens read, {written} written, "
        f"{speed:.0f} a second; the first after {(first or end) - start:.1f} s."
    )


async def main() -> None:
    """Run the demo on an empty board: no settings, no key, no server."""
    print(f"> {QUESTION}\n", flush=True)
    async with Pegboard.isolated({}) as board:
        await answer(board.llm())
    sys.stdout.write(NEXT)


if __name__ == "__main__":
    asyncio.run(main())
