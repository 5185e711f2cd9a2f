"""Replies that are values of a type: what is asked for, and how it is read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from pegboard.contracts.chat import Reply, Tool
from pegboard.errors import InvalidRequest
from pegboard.schema import in_words, invalid, parsed, portable, whole
from pegboard.tools import Checked

if TYPE_CHECKING:
    from typing_extensions import TypeForm

    from .prompt import Parameters

Value = TypeVar("Value")

ANSWER = "final_answer"
"""The tool through which a model answers that cannot be held to a schema."""
WRAPPED = "value"
"""Where a value is that is no object: services want one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TypedReply(Reply, Generic[Value]):
    """What a model answered, and the value that it is."""

    output: Value


class Output(Generic[Value]):
    """
    A type whose values are asked for.

    Raises:
        InvalidRequest: JSON cannot hold the type.

    """

    def __init__(self, form: TypeForm[Value]) -> None:
        self._adapter: Any = _adapter(form)
        schema = whole(portable(_schema(self._adapter)))
        self._is_wrapped = schema.get("type") != "object"
        self.schema: Mapping[str, Any] = (
            _wrapped(schema) if self._is_wrapped else schema
        )

    def read(self, reply: Reply) -> Value:
        """
        Return the value that *reply* is.

        Raises:
            InvalidReply: It is none, or does not fit. Holds *reply* as ``partial``.

        """
        from pydantic import ValidationError  # noqa: PLC0415 - only who asks for values

        try:
            return self.validated(_text(reply))
        except ValidationError as error:
            raise invalid(reply, f"does not fit: {in_words(error)}.") from error

    def validated(self, text: str) -> Value:
        """
        Return the value that *text* is in JSON.

        Raises:
            ValidationError: It is not JSON, or does not fit.

        """
        from pydantic_core import from_json  # noqa: PLC0415 - only who asks for values

        if self._is_wrapped:
            # Without it, perhaps it is the bare value; if not, this is said next.
            with suppress(ValueError, TypeError, LookupError):
                text = json.dumps(from_json(text)[WRAPPED])
        value: Value = self._adapter.validate_json(text)
        return value

    def partly(self, text: str) -> Any:
        """Return what there is in *text*, the beginning of JSON; None: nothing yet."""
        from pydantic_core import from_json  # noqa: PLC0415 - only who asks for values

        try:
            found = from_json(text, allow_partial="trailing-strings")
        except ValueError:
            return None
        if self._is_wrapped and isinstance(found, dict):
            return found.get(WRAPPED)
        return found

    def tool(self, handler: Checked | None = None) -> Tool:
        """Return the tool through which the value comes, to *handler* if there is."""
        return Tool(
            name=ANSWER,
            description="Give the final answer. Call it once, when all is known.",
            parameters=self.schema,
            handler=handler,
        )


class Taken(Generic[Value]):
    """The values that a model gives by calling the tool for them: one is wanted."""

    def __init__(self, output: Output[Value]) -> None:
        self.output = output
        self.values: list[Value] = []

    def tool(self) -> Tool:
        """Return the tool; arguments that do not fit are told to the model."""
        return self.output.tool(Checked(self._take, self._read))

    def _read(self, arguments: Mapping[str, Any]) -> Mapping[str, Value]:
        return {"value": self.output.validated(json.dumps(dict(arguments)))}

    def _take(self, value: Value) -> str:
        self.values.append(value)
        return "Taken."


def typed(reply: Reply, value: Value) -> TypedReply[Value]:
    """Return *reply* with the *value* that it is."""
    known = {field.name: getattr(reply, field.name) for field in fields(reply)}
    return TypedReply(**known, output=value)


def through(
    output: Output[Any], parameters: Parameters, capabilities: frozenset[str]
) -> Parameters:
    """Return *parameters* that ask for *output* in the way that a model is able to."""
    if taken := parameters.keys() & {"schema", "tools"}:
        msg = f"output and {min(taken)} do not go together. For tools, there is run."
        raise InvalidRequest(msg, request_sent="no")
    if "json_schema" in capabilities or "tools" not in capabilities:
        return {**parameters, "schema": output.schema}
    return {**parameters, "tools": [output.tool()], "tool_choice": ANSWER}


@dataclass(frozen=True, slots=True)
class Fitting:
    """JSON that fits a schema; a tool may be called instead."""

    schema: Mapping[str, Any]

    def read(self, reply: Reply) -> Any:
        """Return the value that *reply* is."""
        return None if reply.tool_calls else parsed(reply, self.schema)


@dataclass(frozen=True, slots=True)
class JsonObject:
    """A JSON object that fits a schema."""

    schema: Mapping[str, Any]

    def read(self, reply: Reply) -> dict[str, Any]:
        """Return the object that *reply* is."""
        value = parsed(reply, self.schema)
        if isinstance(value, dict):
            return value
        raise invalid(reply, f"is a JSON {type(value).__name__}, not an object.")


def _text(reply: Reply) -> str:
    """Return the JSON in *reply*: its words, or the arguments of its answer."""
    answers = [call.arguments for call in reply.tool_calls if call.name == ANSWER]
    return json.dumps(dict(answers[0])) if answers else reply.text


def _adapter(form: Any) -> Any:
    from pydantic import TypeAdapter  # noqa: PLC0415 - only for those who ask for values
    from pydantic.errors import PydanticUserError  # noqa: PLC0415

    try:
        return TypeAdapter(form)
    except (PydanticUserError, NameError, TypeError) as error:
        raise _unfit(form, error) from error


def _schema(adapter: Any) -> dict[str, Any]:
    from pydantic.errors import PydanticInvalidForJsonSchema  # noqa: PLC0415

    try:
        schema: dict[str, Any] = adapter.json_schema()
    except PydanticInvalidForJsonSchema as error:
        raise _unfit(adapter, error) from error
    return schema


def _unfit(form: object, error: Exception) -> InvalidRequest:
    reason = str(error).partition("\n")[0]
    msg = f"No reply can be a {form!r}: {reason} Pass a type that JSON can hold."
    return InvalidRequest(msg, request_sent="no")


def _wrapped(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schema of an object that holds a value of *schema*."""
    inner = {name: value for name, value in schema.items() if name != "$defs"}
    definitions = {"$defs": schema["$defs"]} if "$defs" in schema else {}
    return {
        **definitions,
        "type": "object",
        "properties": {WRAPPED: inner},
        "required": [WRAPPED],
        "additionalProperties": False,
    }
