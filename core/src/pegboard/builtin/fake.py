"""
A fake model: says what the settings tell it to say.

For programs without a key and for tests. It understands nothing: without a script it
repeats the last words of the user. Everything else is as with a real model: pieces,
limits, tool calls, usage, failures.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from itertools import count, cycle
from typing import TYPE_CHECKING, Any, get_args

from pydantic import Field

from pegboard.contracts.chat import (
    Capability,
    ChatRequest,
    Finished,
    FinishReason,
    Part,
    PartDone,
    Reply,
    Source,
    StreamEvent,
    Text,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    Usage,
)
from pegboard.options import Options

from ._fake_abilities import (
    Failures,
    FakeAbilities,
    FakeBatches,
    length_of,
    words_of,
)
from ._sample import sample
from .error_names import ErrorName

if TYPE_CHECKING:
    from pegboard.descriptors import Context

SILENCE = "(nothing was said)"
FOUND = (Source("https://example.com/", "A page that a search found"),)
"""What a search of the web finds, whatever is asked."""


class ScriptedCall(Options):
    """A reply that asks for a tool to be called."""

    tool: str
    """Name of the tool."""
    arguments: dict[str, Any] = Field(default_factory=dict)
    """What to call it with."""


Scripted = str | ScriptedCall | tuple[ScriptedCall, ...]
"""Words, a call, or calls that are made together."""


class FakeOptions(Options):
    """Replies in turn, and what goes wrong before them."""

    model: str = "fake"
    """Name to answer under."""
    replies: tuple[Scripted, ...] = ()
    """Given one after the other, then from the beginning. None: it echoes."""
    failures: tuple[ErrorName, ...] = ()
    """Errors of the first calls, by class name, such as ``RateLimited``."""
    delay: float = Field(default=0.0, ge=0)
    """Seconds that each word takes."""
    capabilities: frozenset[Capability] = frozenset(get_args(Capability))
    """What to claim, to see how a program does with a lesser model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    """What the model is going to say: words, or tool calls."""

    model: str
    words: tuple[str, ...]
    calls: tuple[ToolCall, ...]
    finish_reason: FinishReason
    usage: Usage
    sources: tuple[Source, ...]

    @property
    def text(self) -> Text:
        return Text("".join(self.words), sources=self.sources)

    @property
    def parts(self) -> tuple[Part, ...]:
        return self.calls or (self.text,)


class FakeModel(FakeAbilities, FakeBatches):
    """A model that plays a script. A word counts as a token, as does a picture."""

    def __init__(self, options: FakeOptions, context: Context) -> None:
        failures = Failures(options.failures, context.address)
        FakeAbilities.__init__(self, options.model, failures)
        FakeBatches.__init__(self, failures)
        self._options = options
        self._replies = cycle(options.replies or (None,))
        self._call_numbers = count(1)
        self.requests: list[ChatRequest] = []
        """What it was asked, in order, the calls that failed included."""
        self.streams_left = 0
        """How many streams were closed or cancelled before their end."""

    def __repr__(self) -> str:
        return f"<fake model {self._options.model!r}>"

    async def ping(self) -> None:
        """Do nothing: a script can always be played."""

    async def complete(self, request: ChatRequest) -> Reply:
        """Answer *request* with the next reply of the script."""
        answer = self._answer(request)
        await asyncio.sleep(self._options.delay * len(answer.words))
        return Reply(
            parts=answer.parts,
            finish_reason=answer.finish_reason,
            usage=answer.usage,
            model=answer.model,
        )

    async def stream(self, request: ChatRequest) -> AsyncGenerator[StreamEvent, None]:
        """Answer *request* word by word."""
        answer = self._answer(request)
        try:
            for word in answer.words:
                await asyncio.sleep(self._options.delay)
                yield TextDelta(word)
            if answer.sources:
                yield PartDone(answer.text)
            for call in answer.calls:
                arguments = json.dumps(call.arguments)
                yield ToolCallDelta(call.id, call.name, arguments)
                yield PartDone(call)
        except (GeneratorExit, asyncio.CancelledError):
            self.streams_left += 1
            raise
        yield Finished(
            finish_reason=answer.finish_reason, model=answer.model, usage=answer.usage
        )

    def _answer(self, request: ChatRequest) -> _Answer:
        self.requests.append(request)
        self._failures.happen()
        scripted = next(self._replies)
        reply = _improvised(request) if scripted is None else scripted
        words, is_cut = _limited(reply if isinstance(reply, str) else "", request)
        calls = self._called(reply)
        return _Answer(
            model=request.model or self._options.model,
            words=words,
            calls=calls,
            finish_reason="tool_calls" if calls else "length" if is_cut else "stop",
            usage=Usage(
                input=sum(map(length_of, request.messages)),
                output=len(words) + len(calls),
            ),
            sources=FOUND if request.web_search and words else (),
        )

    def _called(self, reply: Scripted) -> tuple[ToolCall, ...]:
        if isinstance(reply, str):
            return ()
        return tuple(
            ToolCall(f"call-{next(self._call_numbers)}", one.tool, one.arguments)
            for one in (reply if isinstance(reply, tuple) else (reply,))
        )


def _improvised(request: ChatRequest) -> Scripted:
    """Return a tool call or JSON if they are demanded, an echo if not."""
    wanted = request.tool_choice
    for tool in request.tools:
        if wanted in {"required", tool.name}:
            return ScriptedCall(tool=tool.name, arguments=sample(tool.parameters))
    if request.schema is not None:
        return json.dumps(sample(request.schema))
    said = [message.text for message in request.messages if message.role == "user"]
    return (said[-1] if said else "") or SILENCE


def _limited(text: str, request: ChatRequest) -> tuple[tuple[str, ...], bool]:
    """Return *text* in words up to where it has to stop, and whether it was cut."""
    for end in request.stop:
        text = text.partition(end)[0]
    words = words_of(text)
    kept = words[: request.max_tokens]
    return tuple(kept), len(kept) < len(words)
