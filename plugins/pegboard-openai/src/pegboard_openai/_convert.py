"""What both APIs share: data addresses, strict schemas, arguments of tools, usage."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pegboard import File, Image, Source, ToolResult, Usage
from pegboard.errors import InvalidReply

from .services import COSTS

if TYPE_CHECKING:
    from .options import ModelOptions

LONGEST_NAME = 64
CACHE_BREAKPOINT = "prompt_cache_breakpoint"
"""What the metadata of a text may say to end what is cached."""
NOT_STRICT = frozenset(
    {
        "allOf",
        "dependentRequired",
        "dependentSchemas",
        "else",
        "if",
        "not",
        "oneOf",
        "patternProperties",
        "then",
    }
)
"""Keywords that a strict schema must not have."""


def merged(body: dict[str, Any], extra: Mapping[str, Any]) -> dict[str, Any]:
    """Return *body* with *extra* over it; objects in both are joined."""
    joined = {
        key: {**body[key], **value}
        for key, value in extra.items()
        if isinstance(value, Mapping) and isinstance(body.get(key), Mapping)
    }
    return {**body, **extra, **joined}


def kept(names: Iterable[str], *objects: Mapping[str, Any]) -> dict[str, Any]:
    """Return what of *objects* has one of the *names* and a value."""
    return {
        name: found
        for name in names
        for one in objects
        if (found := one.get(name)) is not None
    }


def cache_fields(options: ModelOptions) -> dict[str, Any]:
    """Return what requests say to the prompt cache."""
    chosen = without_none(mode=options.prompt_cache_mode, ttl=options.prompt_cache_ttl)
    return without_none(
        prompt_cache_key=options.prompt_cache_key, prompt_cache_options=chosen or None
    )


def without_none(**fields: Any) -> dict[str, Any]:
    """Return the *fields* that have a value."""
    return {name: value for name, value in fields.items() if value is not None}


def address_of(part: Image | File) -> str:
    """Return the address that holds or names the content of *part*."""
    if isinstance(part.source, str):
        return part.source
    return f"data:{part.media_type};base64,{b64encode(part.source).decode()}"


def is_id(part: Image | File) -> bool:
    """Return whether *part* is named by the id of what was uploaded before."""
    return isinstance(part.source, str) and ":" not in part.source


def sources_of(annotations: Iterable[Mapping[str, Any]] | None) -> tuple[Source, ...]:
    """Return the pages of the web that *annotations* of a text cite, each once."""
    told = (one for one in annotations or () if one["type"] == "url_citation")
    # The chat API has one more object around what it says.
    pages = (one.get("url_citation") or one for one in told)
    return tuple(dict.fromkeys(map(_source, pages)))


def _source(page: Mapping[str, Any]) -> Source:
    return Source(page["url"], page.get("title") or "", page.get("content") or "")


def result_text(result: ToolResult) -> str:
    """Return what a tool answered; the APIs have no field for its failure."""
    return f"Error: {result.content}" if result.is_error else result.content


def schema_name(schema: Mapping[str, Any]) -> str:
    """Return a name for *schema* that the APIs accept."""
    title = re.sub(r"[^A-Za-z0-9_-]+", "_", str(schema.get("title", "")))
    return title[:LONGEST_NAME].strip("_") or "reply"


def is_strict(schema: Mapping[str, Any]) -> bool:
    """Return whether the service can guarantee *schema* as it stands."""
    return schema.get("type") == "object" and _is_strict(schema)


def _is_strict(node: Any) -> bool:
    if isinstance(node, list):
        return all(map(_is_strict, node))
    if not isinstance(node, Mapping):
        return True
    if node.keys() & NOT_STRICT or not _is_closed(node):
        return False
    named = (node.get(key) for key in ("properties", "$defs", "definitions"))
    inner = [value for schemas in named if schemas for value in schemas.values()]
    return all(map(_is_strict, [*inner, node.get("items"), node.get("anyOf")]))


def _is_closed(node: Mapping[str, Any]) -> bool:
    """Return whether the object *node*, if it is one, has just what it names."""
    if node.get("type") != "object" and "properties" not in node:
        return True
    names = set(node.get("properties", ()))
    return node.get("additionalProperties") is False and names == set(
        node.get("required", ())
    )


def arguments_of(name: str, text: str | None) -> dict[str, Any]:
    """
    Return the arguments that the model wrote for the tool *name*.

    Raises:
        InvalidReply: They are not a JSON object.

    """
    try:
        arguments = json.loads(text or "{}")
    except ValueError as error:
        msg = (
            f"The model's arguments for the tool {name!r} are not JSON: {error}. "
            "If the reply was cut off, raise max_tokens."
        )
        raise InvalidReply(msg) from error
    if isinstance(arguments, dict):
        return arguments
    msg = f"The model's arguments for the tool {name!r} are not a JSON object."
    raise InvalidReply(msg)


def usage_of(
    asked: int, answered: int, total: int, read: Mapping[str, Any], wrote: Any
) -> Usage:
    """
    Return the tokens of a call in buckets that do not overlap.

    Args:
        asked: Tokens of the request, those of the cache included.
        answered: Tokens of the reply; most services include reasoning.
        total: All tokens, which tells whether *answered* includes reasoning.
        read: Details of *asked*.
        wrote: Details of *answered*.

    """
    cached = read.get("cached_tokens") or 0
    written = read.get("cache_write_tokens") or 0
    thought = wrote.get("reasoning_tokens") or 0
    apart = total == asked + answered + thought
    return Usage(
        input=max(0, asked - cached - written),
        cache_read=cached,
        cache_write=written,
        output=answered if apart else max(0, answered - thought),
        reasoning=thought,
    )


def with_cost(usage: Usage, told: Mapping[str, Any], service: str) -> Usage:
    """Return *usage* with what it cost, if *service* has *told* that."""
    cost = told.get(COSTS[service]) if service in COSTS else None
    return replace(usage, cost=float(cost)) if isinstance(cost, int | float) else usage
