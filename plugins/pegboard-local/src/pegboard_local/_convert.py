"""Our values as llama.cpp's, and its values as ours: pure functions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from pegboard import (
    Finished,
    Part,
    PartDone,
    Reasoning,
    ReasoningDelta,
    Reply,
    Text,
    TextDelta,
    ToolCall,
    ToolResult,
    Usage,
    UsageSoFar,
)
from pegboard.errors import InvalidRequest, Unsupported
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from ._errors import reported
from ._tools import call_text, form_of, response_format, result_text, told, tools_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pegboard import ChatRequest, Message, StreamEvent

    from .options import LocalOptions

LARGEST_SEED = 2**32 - 2
"""The number after it stands for a seed by chance."""


class Sampling(BaseModel):
    """How a reply is chosen. llama.cpp would take any number and bend it."""

    model_config = ConfigDict(extra="forbid")

    max_tokens: int = Field(ge=1)
    temperature: float = Field(ge=0)
    top_p: float | None = Field(default=None, gt=0, le=1)
    seed: int | None = Field(default=None, ge=0, le=LARGEST_SEED)
    stop: tuple[Annotated[str, StringConstraints(min_length=1)], ...] = ()
    top_k: int | None = Field(default=None, ge=0)
    min_p: float | None = Field(default=None, ge=0, le=1)
    repeat_penalty: float | None = Field(default=None, gt=0)
    presence_penalty: float | None = None
    frequency_penalty: float | None = None


def body_of(request: ChatRequest, options: LocalOptions) -> dict[str, Any]:
    """
    Return *request* as llama.cpp reads it.

    Raises:
        InvalidRequest: A parameter is out of its range.
        Unsupported: A message has something else than words.

    """
    return {
        "messages": _messages(request),
        **_sampling(request, options),
        **_form(request),
        # What is read from the cache is rounded otherwise than what is read anew, so
        # that the same seed might not give the same words.
        "cache_prompt": request.seed is None,
        "stream": True,
        "stream_options": {"include_usage": True},
        # Both also give it an occasion to be stopped: between parts of the prompt,
        # and after each token.
        "return_progress": True,
        "timings_per_token": True,
    }


def _sampling(request: ChatRequest, options: LocalOptions) -> dict[str, Any]:
    asked = {
        "max_tokens": request.max_tokens,
        "temperature": request.temperature,
        "top_p": request.top_p,
        "seed": request.seed,
        "stop": request.stop,
    }
    given = {name: value for name, value in asked.items() if value is not None}
    defaults = {"max_tokens": options.max_tokens, "temperature": options.temperature}
    try:
        sampling = Sampling(**{**defaults, **request.extra.get("local", {}), **given})
    except ValidationError as error:
        raise InvalidRequest(_explained(error), request_sent="no") from None
    return sampling.model_dump(exclude_none=True, mode="json")


def _explained(error: ValidationError) -> str:
    problems = "; ".join(
        f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}"
        for problem in error.errors()
    )
    return f"{problems}. Known are {', '.join(Sampling.model_fields)}."


def _form(request: ChatRequest) -> dict[str, Any]:
    """Return what the reply is held to."""
    if tools_of(request):
        return form_of(request)
    return {} if request.schema is None else response_format(request.schema)


def _messages(request: ChatRequest) -> list[dict[str, str]]:
    messages = [_message(message) for message in request.messages]
    instructions = told(request)
    if not instructions:
        return messages
    if messages[0]["role"] == "system":
        instructions = f"{messages.pop(0)['content']}\n\n{instructions}"
    return [{"role": "system", "content": instructions}, *messages]


def _message(message: Message) -> dict[str, str]:
    # Templates of models without tools know no such role.
    role = "user" if message.role == "tool" else message.role
    return {"role": role, "content": "".join(map(_words, message.parts))}


def _words(part: Part) -> str:
    if isinstance(part, Text):
        return part.text
    if isinstance(part, ToolCall):
        return call_text(part)
    if isinstance(part, ToolResult):
        return result_text(part)
    if isinstance(part, Reasoning):
        return ""  # thoughts are not told again
    msg = f"local reads words only, not {type(part).__name__} parts."
    raise Unsupported(msg)


class Reading:
    """The reply as it is read, chunk by chunk."""

    def __init__(self) -> None:
        self.is_finished = False
        self._thoughts: list[str] = []
        self._reason = "stop"

    def events(self, chunk: Mapping[str, Any]) -> Iterator[StreamEvent]:
        """
        Yield what *chunk* says.

        Raises:
            CallError: It says that the reply failed.

        """
        if "error" in chunk:
            raise reported(chunk["error"])
        if "usage" in chunk:
            yield self._finished(chunk)
            return
        if "timings" in chunk:
            yield UsageSoFar(_usage_so_far(chunk["timings"]))
        for choice in chunk["choices"]:
            self._reason = choice["finish_reason"] or self._reason
            yield from self._delta(choice["delta"])
            if choice["finish_reason"]:
                yield from self._thought()

    def _delta(self, delta: Mapping[str, Any]) -> Iterator[StreamEvent]:
        if thought := delta.get("reasoning_content"):
            self._thoughts.append(thought)
            yield ReasoningDelta(thought)
        if text := delta.get("content"):
            yield from self._thought()
            yield TextDelta(text)

    def _thought(self) -> Iterator[StreamEvent]:
        """Yield what the model thought, if it did and has not been told."""
        if self._thoughts:
            yield PartDone(Reasoning("".join(self._thoughts)))
            self._thoughts.clear()

    def _finished(self, chunk: Mapping[str, Any]) -> Finished:
        self.is_finished = True
        return Finished(
            finish_reason="length" if self._reason == "length" else "stop",
            model=chunk["model"],
            usage=_usage(chunk["usage"]),
        )


def reply_of(events: Sequence[StreamEvent]) -> Reply:
    """Return the reply that *events*, all of a stream, are together."""
    text = "".join(event.text for event in events if isinstance(event, TextDelta))
    done = [event.part for event in events if isinstance(event, PartDone)]
    thoughts = [part for part in done if isinstance(part, Reasoning)]
    calls = [part for part in done if isinstance(part, ToolCall)]
    end = next(event for event in events if isinstance(event, Finished))
    return Reply(
        parts=(*thoughts, *([Text(text)] if text else []), *calls),
        finish_reason=end.finish_reason,
        usage=end.usage or Usage(),
        model=end.model,
    )


def _usage(usage: Mapping[str, Any]) -> Usage:
    cached = usage["prompt_tokens_details"]["cached_tokens"]
    return Usage(
        input=usage["prompt_tokens"] - cached,
        cache_read=cached,
        output=usage["completion_tokens"],
    )


def _usage_so_far(timings: Mapping[str, Any]) -> Usage:
    return Usage(
        input=timings["prompt_n"],
        cache_read=timings["cache_n"],
        output=timings["predicted_n"],
    )
