"""Requests: our values to the JSON of the API. Nothing here does I/O."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Container, Iterable, Iterator, Mapping
from itertools import groupby
from typing import TYPE_CHECKING, Any, TypeGuard

from pegboard import (
    ChatRequest,
    File,
    Image,
    Message,
    Part,
    Reasoning,
    Text,
    Tool,
    ToolCall,
    ToolResult,
)

from .profiles import check_search, thinking_config, thinking_of

if TYPE_CHECKING:
    from .options import GeminiOptions

OWN = "gemini"
"""The name under which opaque values are ours."""
UNSIGNED = "skip_thought_signature_validator"
"""Stands where the signature of a call would that no model of Gemini has made."""
CHOICES = {"auto": "AUTO", "required": "ANY", "none": "NONE"}
ROLES = {"assistant": "model"}
DATA_ADDRESS = re.compile(r"data:([^;,]+);base64,(.+)", re.DOTALL)

Json = dict[str, Any]


def body_of(request: ChatRequest, model: str, options: GeminiOptions) -> Json:
    """Return *request* as the API wants it."""
    signs_calls = thinking_of(model).signs_calls
    if request.web_search:
        tools, schema = bool(request.tools), request.schema is not None
        check_search(model, tools=tools, schema=schema, on_vertex=options.vertex)
    made = without_none(
        contents=[*_contents(request.messages, signs_calls=signs_calls)],
        systemInstruction=_instructions(request.messages),
        tools=[*_tools(request)] or None,
        toolConfig=_tool_config(request),
        generationConfig=_generation_config(request, model, options) or None,
    )
    return merged(made, request.extra.get(OWN, {}))


def merged(body: Json, extra: Mapping[str, Any]) -> Json:
    """Return *body* with *extra* over it; objects in both are joined."""
    named = {_camel(name): value for name, value in extra.items()}
    joined = {
        name: {**body[name], **{_camel(key): one for key, one in value.items()}}
        for name, value in named.items()
        if isinstance(value, Mapping) and isinstance(body.get(name), Mapping)
    }
    return {**body, **named, **joined}


def without_none(**fields: Any) -> Json:
    """Return the *fields* that have a value."""
    return {name: value for name, value in fields.items() if value is not None}


def media(part: Image | File) -> Json:
    """Return a picture or a document as a part, by its bytes or its address."""
    source, media_type = part.source, part.media_type
    if isinstance(source, bytes):
        return _inline(media_type, b64encode(source).decode())
    if within := DATA_ADDRESS.fullmatch(source):
        return _inline(*within.groups())
    return {"fileData": {"mimeType": media_type, "fileUri": source}}


def _camel(name: str) -> str:
    return re.sub(r"_([a-z])", lambda found: found[1].upper(), name)


def _inline(media_type: str, content: str) -> Json:
    return {"inlineData": {"mimeType": media_type, "data": content}}


def _instructions(messages: Iterable[Message]) -> Json | None:
    told = [one for one in messages if one.role == "system"]
    parts = [part for message in told for part in _parts(message, ())]
    return {"parts": parts} if parts else None


def _contents(messages: Iterable[Message], *, signs_calls: bool) -> Iterator[Json]:
    """Yield the turns; results that follow each other are one, as the calls were."""
    turns = [message for message in messages if message.role != "system"]
    ids = {part.id for turn in turns for part in turn.parts if _has_own_id(part)}
    for are_results, together in groupby(turns, lambda turn: turn.role == "tool"):
        if are_results:
            parts = [part for turn in together for part in _parts(turn, ids)]
            yield {"role": "user", "parts": parts}
            continue
        for turn in together:
            if parts := _parts(turn, ids):
                _sign_first_call(parts, needed=signs_calls)
                yield {"role": ROLES.get(turn.role, turn.role), "parts": parts}


def _has_own_id(part: Part) -> TypeGuard[ToolCall]:
    """Return whether *part* is a call whose id is the service's, not ours."""
    return isinstance(part, ToolCall) and "id" in part.provider_metadata.get(OWN, {})


def _parts(turn: Message, ids: Container[str]) -> list[Json]:
    made: list[Json] = []
    for part in turn.parts:
        sent = _part(part, ids)
        if sent is not None:
            if isinstance(part, Reasoning) and not sent.get("thought"):
                _take_back(sent.get("text"), made)
            made.append(sent)
    return made


def _take_back(text: str | None, made: list[Json]) -> None:
    """Leave out of the last part the *text* that follows signed, in its own part."""
    if text and made and made[-1].get("text", "").endswith(text):
        rest = made.pop()["text"].removesuffix(text)
        if rest:
            made.append({"text": rest})


def _part(part: Part, ids: Container[str]) -> Json | None:
    if isinstance(part, Text):
        signature = _signature(part)
        return {"text": part.text, **signature} if part.text or signature else None
    if isinstance(part, Image | File):
        return media(part)
    if isinstance(part, ToolCall):
        return {"functionCall": _call(part), **_signature(part)}
    if isinstance(part, ToolResult):
        return {"functionResponse": _result(part, ids)}
    same: Json | None = part.provider_metadata.get(OWN, {}).get("part")
    return same


def _signature(part: Text | ToolCall) -> Json:
    own = part.provider_metadata.get(OWN, {})
    return without_none(thoughtSignature=own.get("thoughtSignature"))


def _call(call: ToolCall) -> Json:
    own = call.provider_metadata.get(OWN, {})
    return without_none(id=own.get("id"), name=call.name, args=dict(call.arguments))


def _result(result: ToolResult, ids: Container[str]) -> Json:
    return without_none(
        id=result.call_id if result.call_id in ids else None,
        name=result.name,
        response={"error" if result.is_error else "output": result.content},
        parts=[*map(media, result.media)] or None,
    )


def _sign_first_call(parts: Iterable[Json], *, needed: bool) -> None:
    """Say of calls that another model has made that they have no signature."""
    calls = [part for part in parts if "functionCall" in part]
    if needed and calls and not any("thoughtSignature" in call for call in calls):
        calls[0]["thoughtSignature"] = UNSIGNED


def _tools(request: ChatRequest) -> Iterator[Json]:
    if request.tools:
        yield {"functionDeclarations": [*map(_declared, request.tools)]}
    if request.web_search:
        yield {"googleSearch": {}}


def _declared(tool: Tool) -> Json:
    return {
        "name": tool.name,
        "description": tool.description,
        "parametersJsonSchema": dict(tool.parameters),
    }


def _tool_config(request: ChatRequest) -> Json | None:
    if not request.tools:
        return None
    # What a search has found has to come along, or it is lost when a call is answered.
    shown = {"includeServerSideToolInvocations": True} if request.web_search else {}
    choice = request.tool_choice
    if choice == "auto":
        return shown or None
    named = {} if choice in CHOICES else {"allowedFunctionNames": [choice]}
    mode = CHOICES.get(choice, "ANY")
    return {"functionCallingConfig": {"mode": mode, **named}, **shown}


def _generation_config(
    request: ChatRequest, model: str, options: GeminiOptions
) -> Json:
    schema = request.schema
    thinking = thinking_config(
        model, request.reasoning_effort, include_thoughts=options.include_thoughts
    )
    return without_none(
        maxOutputTokens=request.max_tokens,
        temperature=request.temperature,
        topP=request.top_p,
        seed=request.seed,
        stopSequences=list(request.stop) or None,
        responseMimeType=None if schema is None else "application/json",
        responseJsonSchema=None if schema is None else dict(schema),
        thinkingConfig=thinking or None,
    )
