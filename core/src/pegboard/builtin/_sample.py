"""The smallest value that fits a JSON Schema."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import reduce
from typing import Any

Schema = Mapping[str, Any]


def sample(schema: Schema) -> Any:
    """
    Return a small value that fits *schema*.

    Knows what type hints turn into; does not make up texts for ``pattern``, nor
    numbers for ``multipleOf``.
    """
    return _sample(schema, schema)


def _sample(schema: Schema, root: Schema) -> Any:
    if "$ref" in schema:
        return _sample(_referred(schema["$ref"], root), root)
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return schema["enum"][0]
    if options := schema.get("anyOf") or schema.get("oneOf"):
        return _sample(_simplest(options), root)
    if "allOf" in schema:
        return _sample(_merged(schema["allOf"], root), root)
    return _BY_TYPE[_type_of(schema)](schema, root)


def _referred(reference: str, root: Schema) -> Schema:
    path = reference.removeprefix("#").split("/")[1:]
    found: Schema = reduce(lambda place, name: place[name], path, root)
    return found


def _simplest(options: list[Schema]) -> Schema:
    """Return null if it is among *options*, so that recursive types end."""
    nulls = (option for option in options if option.get("type") == "null")
    return next(nulls, options[0])


def _merged(parts: list[Schema], root: Schema) -> Schema:
    whole = [
        _referred(part["$ref"], root) if "$ref" in part else part for part in parts
    ]
    return {
        **{key: value for part in whole for key, value in part.items()},
        "properties": {k: v for p in whole for k, v in p.get("properties", {}).items()},
        "required": [name for part in whole for name in part.get("required", ())],
    }


def _type_of(schema: Schema) -> str:
    kind = schema.get("type", "object" if "required" in schema else "null")
    return kind[0] if isinstance(kind, list) else str(kind)


def _object(schema: Schema, root: Schema) -> dict[str, Any]:
    properties = schema.get("properties", {})
    required = schema.get("required", ())
    return {name: _sample(properties.get(name, {}), root) for name in required}


def _array(schema: Schema, root: Schema) -> list[Any]:
    first = [_sample(item, root) for item in schema.get("prefixItems", ())]
    missing = schema.get("minItems", 0) - len(first)
    return first + [_sample(schema.get("items", {}), root) for _ in range(missing)]


def _number(schema: Schema, _: Schema) -> float:
    if "exclusiveMinimum" in schema:
        return float(schema["exclusiveMinimum"]) + 1
    return float(schema.get("minimum", min(0, schema.get("maximum", 0))))


_BY_TYPE: Mapping[str, Callable[[Schema, Schema], Any]] = {
    "object": _object,
    "array": _array,
    "string": lambda schema, _: "x" * schema.get("minLength", 1),
    "number": _number,
    "integer": lambda schema, root: int(_number(schema, root)),
    "boolean": lambda _, __: False,
    "null": lambda _, __: None,
}
