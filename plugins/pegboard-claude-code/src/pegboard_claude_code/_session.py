"""A conversation with one process of Claude Code."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING

from claude_agent_sdk import (
    ClaudeAgentOptions,
    ClaudeSDKClient,
    CLIConnectionError,
    ResultMessage,
)

from ._convert import turn
from ._errors import no_effort, not_started, too_slow

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Sequence
    from typing import Any

    from claude_agent_sdk import Message as SdkMessage
    from pegboard import Message

    from ._launch import Launch
    from ._process import ClaudeCodeProcess

# Text such as "/clear" or "@/etc/passwd" is text, whoever wrote it.
AS_WRITTEN = ClaudeAgentOptions(verbatim_prompts=True)


class Session:
    """
    One process, and the one conversation that it has heard.

    It can go on with that conversation, and with no other.
    """

    def __init__(
        self, launch: Launch, process: ClaudeCodeProcess, *, connect_timeout: float
    ) -> None:
        self.launch = launch
        self._connect_timeout = connect_timeout
        self.heard: tuple[Message, ...] = ()
        """What it knows: all that was said to it, and its answers."""
        self.cost = 0.0
        """US dollars that it has used up."""
        self._process = process
        self._client = ClaudeSDKClient(AS_WRITTEN, transport=process)

    @property
    def is_alive(self) -> bool:
        """Whether it can be told something."""
        return self._process.is_ready()

    async def connect(self) -> None:
        """Start the process, and wait until it listens."""
        try:
            async with asyncio.timeout(_finite(self._connect_timeout)):
                await self._client.connect()
        except TimeoutError as error:
            raise too_slow(self._connect_timeout) from error
        except Exception as error:  # the SDK raises bare ones
            raise not_started(error) from error

    async def check_effort(self, model: str | None) -> None:
        """
        Raise ``Unsupported`` if *model* is known not to know how much to think.

        Claude Code would leave the wish out without a word.
        """
        told = await self._client.get_server_info() or {}
        for known in told.get("models", ()):
            if known["value"] == model and not known.get("supportsEffort"):
                raise no_effort(model)

    def can_continue(self, messages: Sequence[Message]) -> bool:
        """Return whether *messages* are what it has heard, and more."""
        length = len(self.heard)
        return length < len(messages) and self.heard == tuple(messages[:length])

    async def ask(
        self, messages: Sequence[Message]
    ) -> AsyncGenerator[SdkMessage, None]:
        """Tell what it has not heard of *messages*, and yield what it answers."""
        *earlier, question = messages[len(self.heard) :]
        for message in earlier:
            await self._tell(message)
        await self._send(turn(question))
        async for answer in self._client.receive_response():
            yield answer

    def kill(self) -> None:
        """End the process at once."""
        self._process.kill()

    async def close(self) -> None:
        """Kill the process and wait until it is gone."""
        self.kill()
        try:
            await self._client.disconnect()
        finally:
            await self._process.close()

    async def _tell(self, message: Message) -> None:
        """Make *message* part of the conversation, to which nobody answers."""
        if message.role == "assistant":
            await self._send(turn(message))
            return
        await self._send({**turn(message), "shouldQuery": False})
        # An answer of Claude overtakes what the user said if it is sent too early.
        async for reply in self._client.receive_response():
            if isinstance(reply, ResultMessage):
                return
        msg = "Claude Code ended before it had heard everything"
        raise CLIConnectionError(msg)

    async def _send(self, said: dict[str, Any]) -> None:
        async def only() -> AsyncIterator[dict[str, Any]]:
            yield said

        await self._client.query(only())


def _finite(seconds: float) -> float | None:
    return None if seconds == math.inf else seconds
