"""Call what an integration can do by its name, and let a model do it."""

import asyncio
import json

from pegboard import Pegboard

# What a real model decides by itself, the fake one is told.
POST = {
    "tool": "alerts-post_message",
    "arguments": {"channel": "#ops", "text": "The model says hello."},
}
SETTINGS = {
    "llm": {"default": {"provider": "fake", "replies": [POST, "I have told them."]}},
    "integrations": {"alerts": {"provider": "console"}},
}


async def main() -> None:
    """Post two messages: one by name, one by a model."""
    async with Pegboard.isolated(SETTINGS) as board:
        message = {"channel": "#ops", "text": "The program says hello."}
        posted = await board.call("alerts.post_message", message)
        print(json.dumps(posted))

        tools = board.tools("alerts")
        print("A model may use:", ", ".join(tool.name for tool in tools))
        run = await board.llm().run("Say hello to #ops.", tools=tools)
        print(run.text)


if __name__ == "__main__":
    asyncio.run(main())
