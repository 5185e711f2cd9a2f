"""JSON: replies held against their JSON Schema, and schemas that services take."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .errors import InvalidReply, InvalidRequest

if TYPE_CHECKING:
    from pydantic import ValidationError

    from .contracts.chat import Reply

    Schema = Mapping[str, Any]

HINTS: Mapping[str, str] = {
    "length": " It was cut off: raise max_tokens.",
    "content_filter": " The service did not want to say more.",
}
"""What to do about a reply that ended for another reason than that it was done."""
NOISE = frozenset({"default", "discriminator", "title"})
"""What tells a model little, and what strict services refuse."""
BY_NAME = frozenset({"$defs", "patternProperties", "properties"})
"""Keywords whose values are schemas by name."""
VALUES = frozenset({"const", "enum", "examples", "required"})
"""Keywords whose values are not schemas."""


def checked_schema(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """
    Return *schema* if it is a JSON Schema.

    Raises:
        InvalidRequest: It is not.

    """
    import jsonschema_rs  # noqa: PLC0415 - only for those who ask for JSON

    try:
        jsonschema_rs.validator_for(dict(schema))
    except (ValueError, jsonschema_rs.ValidationError) as error:
        msg = f"The schema is not a JSON Schema: {_first_line(error)}"
        raise InvalidRequest(msg, request_sent="no") from error
    return schema


def parsed(reply: Reply, schema: Mapping[str, Any]) -> Any:
    """
    Return the JSON value that *reply* is, which fits *schema*.

    Raises:
        InvalidReply: It is not JSON, or does not fit. Holds the reply as ``partial``.

    """
    try:
        value = json.loads(reply.text)
    except json.JSONDecodeError as error:
        raise invalid(reply, f"is not JSON: {error}.") from error
    if misfit := misfit_of(value, schema):
        raise invalid(reply, f"does not fit its schema: {misfit}")
    return value


def misfit_of(value: object, schema: Mapping[str, Any]) -> str | None:
    """Return why *value* does not fit *schema*, None if it does."""
    import jsonschema_rs  # noqa: PLC0415 - only for those who ask for JSON

    try:
        jsonschema_rs.validate(dict(schema), value)
    except jsonschema_rs.ValidationError as error:
        place = "".join(f"{part}: " for part in error.instance_path)
        return f"{place}{error.message}"
    return None


def in_words(error: ValidationError) -> str:
    """Return what is wrong where, without the values."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    return "; ".join(": ".join([*map(str, one["loc"]), one["msg"]]) for one in found)


def invalid(reply: Reply, reason: str) -> InvalidReply:
    """Return the error of a *reply* that cannot be used for *reason*."""
    hint = HINTS.get(reply.finish_reason, "")
    error = InvalidReply(f"The reply {reason}{hint}", request_sent="yes")
    error.partial = reply
    return error


def portable(schema: Schema) -> dict[str, Any]:
    """
    Return *schema*, made from types by pydantic, as the strictest services take it.

    It allows the same values, but for objects, which must not have more than is named.
    """
    fitted: dict[str, Any] = _fitted(schema, schema.get("$defs", {}), ())
    used = _used(fitted.pop("$defs", {}), json.dumps(fitted))
    fitted |= {"$defs": used} if used else {}
    named = {"title": schema["title"]} if "title" in schema else {}
    return {**named, **fitted}


def whole(schema: Any) -> Any:
    """Return *schema* with all that objects may have required of them."""
    if isinstance(schema, list):
        return [whole(one) for one in schema]
    if not isinstance(schema, Mapping):
        return schema
    inner = {name: _each(whole, name, value) for name, value in schema.items()}
    if "properties" in inner:
        inner["required"] = [*inner["properties"]]
    return inner


def _fitted(schema: Any, definitions: Schema, inlined: tuple[str, ...]) -> Any:
    if isinstance(schema, list):
        return [_fitted(one, definitions, inlined) for one in schema]
    if not isinstance(schema, Mapping):
        return schema
    if "$ref" in schema and len(schema) > 1:
        return _inlined(schema, definitions, inlined)
    fitted = {
        {"oneOf": "anyOf"}.get(name, name): _each(
            lambda one: _fitted(one, definitions, inlined), name, value
        )
        for name, value in schema.items()
        if name not in NOISE
    }
    if schema.get("type") == "object" and "properties" in schema:
        fitted.setdefault("additionalProperties", False)
    return fitted


def _inlined(schema: Schema, definitions: Schema, inlined: tuple[str, ...]) -> Any:
    """Return what *schema* refers to, with what it says besides: not all take both."""
    reference = schema["$ref"]
    meant = definitions.get(reference.removeprefix("#/$defs/"))
    if meant is None or reference in inlined:
        return {"$ref": reference}
    besides = {name: value for name, value in schema.items() if name != "$ref"}
    return _fitted({**meant, **besides}, definitions, (*inlined, reference))


def _used(definitions: Schema, text: str) -> dict[str, Any]:
    """Return those *definitions* that *text* refers to, and those that they do."""
    used: dict[str, Any] = {}
    while more := [
        name for name in definitions.keys() - used.keys() if f'"#/$defs/{name}"' in text
    ]:
        used |= {name: definitions[name] for name in sorted(more)}
        text = json.dumps(used)
    return used


def _each(change: Any, keyword: str, value: Any) -> Any:
    """Return the *value* of *keyword*, with the schemas in it changed."""
    if keyword in VALUES:
        return value
    if keyword in BY_NAME:
        return {name: change(one) for name, one in value.items()}
    return change(value)


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
