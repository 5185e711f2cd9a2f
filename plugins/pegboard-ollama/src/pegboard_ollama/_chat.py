"""The chat API: our values to and from its JSON. Nothing here does I/O."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from pegboard import (
    ChatRequest,
    Finished,
    Image,
    Message,
    Part,
    PartDone,
    Reasoning,
    ReasoningDelta,
    Reply,
    StreamEvent,
    Text,
    TextDelta,
    Tool,
    ToolCall,
    ToolResult,
    Usage,
)
from pegboard.errors import ConnectionFailed, InvalidReply, Unsupported
from pydantic_core import from_json

from ._client import Lines
from ._errors import reported

if TYPE_CHECKING:
    from pegboard.contracts.chat import FinishReason, Vendor

    from .options import OllamaOptions

NAME = "ollama"
LEVELS: Mapping[str, Any] = {"none": False, "minimal": "low", "xhigh": "high"}
"""Words for reasoning effort that Ollama says otherwise."""
TIMES = ("total_duration", "load_duration", "prompt_eval_duration", "eval_duration")


def body_of(request: ChatRequest, options: OllamaOptions) -> dict[str, Any]:
    """Return *request* as the API wants it."""
    sampling = without_none(
        num_ctx=options.num_ctx,
        num_predict=request.max_tokens,
        temperature=request.temperature,
        top_p=request.top_p,
        seed=request.seed,
        stop=list(request.stop) or None,
    )
    body = without_none(
        model=request.model or options.model,
        messages=[*_messages(request.messages)],
        stream=False,
        options=sampling or None,
        format=request.schema,
        tools=_tools(request),
        think=_think(request, options),
        keep_alive=options.keep_alive,
    )
    return merged(body, request.extra)


def merged(body: dict[str, Any], extra: Vendor) -> dict[str, Any]:
    """Return *body* with what *extra* has for Ollama over it; objects are joined."""
    own = extra.get(NAME, {})
    joined = {
        key: {**body[key], **value}
        for key, value in own.items()
        if isinstance(value, Mapping) and isinstance(body.get(key), Mapping)
    }
    return {**body, **own, **joined}


def without_none(**fields: Any) -> dict[str, Any]:
    """Return the *fields* that have a value."""
    return {name: value for name, value in fields.items() if value is not None}


def checked(answer: Any) -> Any:
    """
    Return *answer*, or a line of it.

    Raises:
        CallError: It says that something went wrong.

    """
    if answer.get("error"):
        raise reported(answer)
    return answer


def reply_of(answer: Any) -> Reply:
    """Return the API's *answer* as a reply."""
    message = checked(answer)["message"]
    calls = [*_calls(answer, 0)]
    said: list[Part] = []
    if thoughts := message.get("thinking"):
        said.append(_reasoning(thoughts))
    if words := message.get("content"):
        said.append(Text(words))
    if not answer["done"]:
        msg = "Ollama answered with a reply that is not done."
        raise InvalidReply(msg)
    return Reply(
        parts=(*said, *calls),
        finish_reason=_finish_reason(answer, has_calls=bool(calls)),
        usage=usage_of(answer) or Usage(estimated=True),
        model=answer["model"],
        provider_metadata=metadata_of(answer),
    )


def usage_of(answer: Mapping[str, Any]) -> Usage | None:
    """Return the tokens that *answer* counts, None if it does not."""
    read, written = answer.get("prompt_eval_count"), answer.get("eval_count")
    if read is None and written is None:
        return None
    return Usage(input=read or 0, output=written or 0)


def metadata_of(answer: Mapping[str, Any]) -> Vendor:
    """Return how long the parts of the work took, in nanoseconds."""
    return {NAME: {name: answer[name] for name in TIMES if name in answer}}


class ChatReader:
    """Makes events of the bytes of one stream."""

    def __init__(self) -> None:
        self._lines = Lines()
        self._thoughts: list[str] = []
        self._calls = 0
        self._last: Mapping[str, Any] | None = None

    def read(self, chunk: bytes) -> Iterator[StreamEvent]:
        """Yield what *chunk* brings."""
        for line in self._lines.feed(chunk):
            yield from self._part(checked(from_json(line)))

    def finish(self) -> Iterator[StreamEvent]:
        """
        Yield the end of the reply.

        Raises:
            ConnectionFailed: The stream ended before the reply did.

        """
        yield from self.read(b"\n")
        if self._last is None:
            msg = "The stream ended before the reply did."
            raise ConnectionFailed(msg)
        yield from self._thought()
        yield Finished(
            finish_reason=_finish_reason(self._last, has_calls=self._calls > 0),
            model=self._last["model"],
            usage=usage_of(self._last),
            provider_metadata=metadata_of(self._last),
        )

    def _part(self, part: Mapping[str, Any]) -> Iterator[StreamEvent]:
        message = part.get("message") or {}
        if thoughts := message.get("thinking"):
            self._thoughts.append(thoughts)
            yield ReasoningDelta(thoughts)
        if words := message.get("content"):
            yield from self._thought()
            yield TextDelta(words)
        if message.get("tool_calls"):
            yield from self._thought()
            for call in _calls(part, self._calls):
                self._calls += 1
                yield PartDone(call)
        if part.get("done"):
            self._last = part

    def _thought(self) -> Iterator[StreamEvent]:
        """Yield the thoughts as a whole: something else has begun."""
        if self._thoughts:
            yield PartDone(_reasoning("".join(self._thoughts)))
            self._thoughts.clear()


def _messages(messages: Iterable[Message]) -> Iterator[dict[str, Any]]:
    for message in messages:
        results = [part for part in message.parts if isinstance(part, ToolResult)]
        yield from map(_result, results)
        if len(results) < len(message.parts) or not message.parts:
            yield _message(message)


def _message(message: Message) -> dict[str, Any]:
    parts = message.parts
    return without_none(
        role=message.role,
        content=message.text,
        thinking=_own_thoughts(parts),
        images=[_image(part) for part in parts if isinstance(part, Image)] or None,
        tool_calls=[_call(part) for part in parts if isinstance(part, ToolCall)]
        or None,
    )


def _own_thoughts(parts: Iterable[Part]) -> str | None:
    """Return what a model of Ollama thought; other models' thoughts stay out."""
    return (
        "".join(
            part.text
            for part in parts
            if isinstance(part, Reasoning) and NAME in part.provider_metadata
        )
        or None
    )


def _image(part: Image) -> str:
    """Return *part* in Base64, which is all that the API takes."""
    if isinstance(part.source, bytes):
        return b64encode(part.source).decode()
    kind, separator, content = part.source.partition(";base64,")
    if separator and kind.startswith("data:"):
        return content
    msg = "Ollama takes no image by its address. Pass the bytes of the image."
    raise Unsupported(msg)


def _call(call: ToolCall) -> dict[str, Any]:
    function = {"name": call.name, "arguments": dict(call.arguments)}
    return {"type": "function", "id": call.id, "function": function}


def _result(result: ToolResult) -> dict[str, Any]:
    text = f"Error: {result.content}" if result.is_error else result.content
    return {
        "role": "tool",
        "content": text,
        "tool_name": result.name,
        "tool_call_id": result.call_id,
    }


def _tools(request: ChatRequest) -> list[dict[str, Any]] | None:
    if request.tool_choice not in {"auto", "none"} and request.tools:
        msg = (
            f"Ollama has no tool_choice, so {request.tool_choice!r} cannot be "
            "demanded. Leave the choice to the model with 'auto'."
        )
        raise Unsupported(msg)
    if request.tool_choice == "none":
        return None
    return [_tool(tool) for tool in request.tools] or None


def _tool(tool: Tool) -> dict[str, Any]:
    function = {
        "name": tool.name,
        "description": tool.description,
        "parameters": tool.parameters,
    }
    return {"type": "function", "function": function}


def _think(request: ChatRequest, options: OllamaOptions) -> bool | str | None:
    effort = request.reasoning_effort
    return options.think if effort is None else LEVELS.get(effort, effort)


def _calls(answer: Mapping[str, Any], first: int) -> Iterator[ToolCall]:
    """Yield the calls in *answer*, before which there were *first* others."""
    calls = answer["message"].get("tool_calls") or ()
    for number, call in enumerate(calls, first):
        function = call["function"]
        yield ToolCall(
            call.get("id") or _call_id(answer, number),
            function["name"],
            dict(function.get("arguments") or {}),
        )


def _call_id(answer: Mapping[str, Any], number: int) -> str:
    """Return an id that is the same each time, and another in each reply."""
    seed = f"{answer.get('created_at')} {number}"
    return f"call_{blake2b(seed.encode(), digest_size=8).hexdigest()}"


def _reasoning(text: str) -> Reasoning:
    return Reasoning(text, provider_metadata={NAME: {}})


def _finish_reason(answer: Mapping[str, Any], *, has_calls: bool) -> FinishReason:
    if answer.get("done_reason") == "length":
        return "length"
    return "tool_calls" if has_calls else "stop"
