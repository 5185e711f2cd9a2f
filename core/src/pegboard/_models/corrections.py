"""Replies that do not fit what was asked for: the model is told, and asked again."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

from pegboard.contracts.chat import ChatRequest, Message, Reply, ToolResult, Usage
from pegboard.errors import CallError, InvalidReply

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Answer = Callable[[ChatRequest], Awaitable[Reply]]

CORRECTIONS = 2
"""How often a model may correct itself, where the call does not say."""
HOPELESS = frozenset({"length", "content_filter"})
"""Why a reply ended that will not fit the next time either."""


class Expected(Protocol):
    """What a reply has to be."""

    def read(self, reply: Reply) -> Any:
        """Return what *reply* holds, or raise ``InvalidReply``."""
        ...


async def fitting(
    answer: Answer, request: ChatRequest, expected: Expected, corrections: int
) -> tuple[Reply, Any]:
    """
    Return the reply to *request* that is as *expected*, and what it holds.

    Its usage is that of all replies it took.

    Raises:
        InvalidReply: The last one does not fit either. Holds it as ``partial``.

    """
    usage = Usage()
    before: Reply | None = None
    while True:
        try:
            reply = await answer(request)
        except CallError as error:
            error.partial = error.partial or before
            raise
        usage += reply.usage
        before = replace(reply, usage=usage)
        try:
            return before, expected.read(before)
        except InvalidReply as error:
            if corrections == 0 or reply.finish_reason in HOPELESS:
                raise
            corrections -= 1
            request = corrected(request, reply, error.message)


def corrected(request: ChatRequest, reply: Reply, reason: str) -> ChatRequest:
    """Return *request* with the *reply* to it, and why it has to be another one."""
    said = (reply.message,) if reply.parts else ()
    return replace(
        request, messages=(*request.messages, *said, _refusal(reply, reason))
    )


def _refusal(reply: Reply, reason: str) -> Message:
    text = f"{reason}\nAnswer again, with all of it, so that it fits."
    results = tuple(
        ToolResult(call.id, call.name, text, is_error=True) for call in reply.tool_calls
    )
    return Message("tool", results) if results else Message.of("user", text)
