"""Our values as llama.cpp's, and its values as ours: pure functions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from pegboard import (
    Finished,
    PartDone,
    Reasoning,
    ReasoningDelta,
    Reply,
    Text,
    TextDelta,
    Usage,
    UsageSoFar,
)
from pegboard.errors import InvalidRequest, Unsupported
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from ._errors import reported

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pegboard import ChatRequest, Message, StreamEvent

    from .options import LocalOptions

LARGEST_SEED = 2**32 - 2
"""The number after it stands for a seed by chance."""
SCHEMAS = {"$defs", "definitions", "patternProperties", "properties"}
"""Keywords whose values are schemas by name."""
VALUES = {"const", "default", "enum", "examples"}
"""Keywords whose values are not schemas."""


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
    schema = request.schema
    form = {} if schema is None else {"response_format": _response_format(schema)}
    return {
        "messages": [_message(message) for message in request.messages],
        **_sampling(request, options),
        **form,
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


def _message(message: Message) -> dict[str, str]:
    words = []
    for part in message.parts:
        if isinstance(part, Text):
            words.append(part.text)
        elif not isinstance(part, Reasoning):  # thoughts are not told again
            msg = f"local reads words only, not {type(part).__name__} parts."
            raise Unsupported(msg)
    return {"role": message.role, "content": "".join(words)}


def _response_format(schema: Mapping[str, Any]) -> dict[str, Any]:
    named = {"name": "reply", "schema": without_patterns(schema)}
    return {"type": "json_schema", "json_schema": named}


def without_patterns(schema: Any) -> Any:
    """
    Return *schema* without ``pattern``, which is left to the check of the reply.

    llama.cpp warns on the terminal of the ones that it does not understand, and for
    some of the others writes what is not JSON.
    """
    if isinstance(schema, list | tuple):
        return [without_patterns(inner) for inner in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        keyword: _inner(keyword, value)
        for keyword, value in schema.items()
        if keyword != "pattern"
    }


def _inner(keyword: str, value: Any) -> Any:
    if keyword in VALUES:
        return value
    if keyword in SCHEMAS and isinstance(value, dict):
        return {name: without_patterns(inner) for name, inner in value.items()}
    return without_patterns(value)


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
    thoughts = [event.part for event in events if isinstance(event, PartDone)]
    end = next(event for event in events if isinstance(event, Finished))
    return Reply(
        parts=(*thoughts, *([Text(text)] if text else [])),
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
