"""JSON replies: parsed, and held against their JSON Schema."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from .errors import InvalidReply, InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .contracts.chat import Reply


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
    import jsonschema_rs  # noqa: PLC0415 - only for those who ask for JSON

    try:
        value = json.loads(reply.text)
        jsonschema_rs.validate(dict(schema), value)
    except json.JSONDecodeError as error:
        raise _invalid(reply, f"is not JSON: {error}.") from error
    except jsonschema_rs.ValidationError as error:
        raise _invalid(reply, f"does not fit its schema: {error.message}") from error
    return value


def _invalid(reply: Reply, reason: str) -> InvalidReply:
    cut = reply.finish_reason == "length"
    hint = " It was cut off: raise max_tokens." if cut else ""
    error = InvalidReply(f"The reply {reason}{hint}", request_sent="yes")
    error.partial = reply
    return error


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
