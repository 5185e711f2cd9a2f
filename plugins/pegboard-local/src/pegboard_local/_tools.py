"""
Tools for models that were never taught any.

The model is told of the tools in words and held to their form token by token: it
writes a call as JSON, or words that do not begin like one.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any
from uuid import uuid4

from pegboard import (
    ChatRequest,
    Finished,
    PartDone,
    StreamEvent,
    TextDelta,
    Tool,
    ToolCall,
    ToolCallDelta,
    ToolResult,
)
from pegboard.errors import InvalidReply, InvalidRequest

from ._schema import without_patterns

Schema = Mapping[str, Any]
TOLD = """You can call functions. These are all there are:
{tools}
To call one, answer with nothing but JSON: {{"name": "...", "arguments": {{...}}}}"""
OR_ELSE = "\nIf none is needed, answer in words."


def tools_of(request: ChatRequest) -> tuple[Tool, ...]:
    """
    Return the tools that the model may call, as its choice goes.

    Raises:
        InvalidRequest: The tool that it must call is not there.

    """
    choice = request.tool_choice
    if choice == "none":
        return ()
    if choice in {"auto", "required"}:
        return request.tools
    chosen = tuple(tool for tool in request.tools if tool.name == choice)
    if chosen or not request.tools:
        return chosen
    known = ", ".join(tool.name for tool in request.tools)
    msg = f"There is no tool {choice!r} to choose. Known: {known}."
    raise InvalidRequest(msg, request_sent="no")


def told(request: ChatRequest) -> str:
    """Return what the model has to know of its tools; nothing if it has none."""
    tools = tools_of(request)
    if not tools:
        return ""
    listed = "\n".join(json.dumps(_description(tool)) for tool in tools)
    may_talk = request.tool_choice == "auto"
    return TOLD.format(tools=listed) + (OR_ELSE if may_talk else "")


def form_of(request: ChatRequest) -> dict[str, Any]:
    """Return what holds a reply to calls, or to calls and whatever else it may be."""
    calls = {"anyOf": [_call_schema(tool) for tool in tools_of(request)]}
    if request.tool_choice != "auto":
        return response_format(calls)
    if request.schema is not None:
        return response_format({"anyOf": [*calls["anyOf"], request.schema]})
    call = json.dumps(without_patterns(calls))
    # In the language of llguidance, which llama.cpp takes for its own.
    grammar = f"start: call | words\ncall: %json {call}\nwords: /[^{{](.|\\n)*/\n"
    return {"grammar": f"%llguidance {{}}\n{grammar}"}


def response_format(schema: Schema) -> dict[str, Any]:
    """Return what holds a reply to *schema*."""
    named = {"name": "reply", "schema": without_patterns(dict(schema))}
    return {"response_format": {"type": "json_schema", "json_schema": named}}


def call_text(call: ToolCall) -> str:
    """Return *call* as the model wrote it."""
    return json.dumps({"name": call.name, "arguments": dict(call.arguments)})


def result_text(result: ToolResult) -> str:
    """Return *result* as the model is told of it."""
    outcome = "failed" if result.is_error else "returned"
    return f"The function {result.name} {outcome}:\n{result.content}"


class CallReading:
    """A reply that may be a call: what begins like one is held back to its end."""

    def __init__(self, request: ChatRequest) -> None:
        self._names = {tool.name for tool in tools_of(request)}
        self._must_call = bool(self._names) and request.tool_choice != "auto"
        self._held = ""
        self._has_words = not self._names

    def events(self, event: StreamEvent) -> Iterator[StreamEvent]:
        """
        Yield what *event* means.

        Raises:
            InvalidReply: A call that had to be made is not whole.

        """
        if isinstance(event, Finished):
            yield from self._ended(event)
        elif not isinstance(event, TextDelta) or self._has_words:
            yield event
        else:
            yield from self._hold(event.text)

    def _hold(self, text: str) -> Iterator[StreamEvent]:
        self._held += text
        begun = self._held.lstrip()
        if begun and not begun.startswith("{"):
            self._has_words = True
            yield TextDelta(self._held)

    def _ended(self, end: Finished) -> Iterator[StreamEvent]:
        if self._has_words:
            yield end
            return
        call = self._call()
        if call is not None:
            yield ToolCallDelta(call.id, call.name, json.dumps(call.arguments))
            yield PartDone(call)
            yield replace(end, finish_reason="tool_calls")
            return
        if self._must_call:
            msg = "The model's call of a tool is not whole. Raise max_tokens."
            raise InvalidReply(msg, request_sent="yes")
        yield TextDelta(self._held)
        yield end

    def _call(self) -> ToolCall | None:
        """Return the call that is held back, if it is one."""
        try:
            said = json.loads(self._held)
        except json.JSONDecodeError:
            return None
        if not isinstance(said, dict) or said.get("name") not in self._names:
            return None
        return ToolCall(f"call-{uuid4().hex}", said["name"], said["arguments"])


def _description(tool: Tool) -> Schema:
    return {
        "name": tool.name,
        "description": tool.description,
        "parameters": tool.parameters,
    }


def _call_schema(tool: Tool) -> Schema:
    return {
        "type": "object",
        "properties": {"name": {"const": tool.name}, "arguments": tool.parameters},
        "required": ["name", "arguments"],
        "additionalProperties": False,
    }
