"""
The calls that we make: the SDK's, each with the body that is sent in place of its own.

The SDK knows where to and as whom; what it would make of the body costs more than the
call itself, since it takes every message apart.
"""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from pegboard.errors import InvalidRequest

if TYPE_CHECKING:
    from google.genai.client import AsyncClient

    Json = dict[str, Any]

PLACEHOLDER = "."
"""Stands where contents would; the SDK refuses to go without."""
LONGEST_PAGE = 1000


class Call(NamedTuple):
    """A call of the SDK."""

    make: Callable[[AsyncClient], Awaitable[object]]
    body: bytes | None = None
    """What is sent; None leaves it to the SDK."""


def checked_model(name: str) -> str:
    """
    Return *name* if it can be that of a model.

    Raises:
        InvalidRequest: The name would change the address.

    """
    if re.search(r"[?&]|\.\.", name):
        msg = f"No model is named {name!r}: '?', '&' and '..' cannot be in a name."
        raise InvalidRequest(msg, request_sent="no")
    return name


def generate(model: str, body: Json) -> Call:
    """Return the call that has *model* answer *body*."""
    name = checked_model(model)
    return Call(
        lambda sdk: sdk.models.generate_content(model=name, contents=PLACEHOLDER),
        _encoded(body),
    )


def stream(model: str, body: Json) -> Call:
    """Return the call that has *model* answer *body* in pieces."""
    name = checked_model(model)

    async def begin(sdk: AsyncClient) -> None:
        chunks: Any = await sdk.models.generate_content_stream(
            model=name, contents=PLACEHOLDER
        )
        await anext(chunks)

    return Call(begin, _encoded(body))


def count(model: str, body: Json) -> Call:
    """Return the call that has the tokens of *body* counted."""
    name = checked_model(model)
    return Call(
        lambda sdk: sdk.models.count_tokens(model=name, contents=PLACEHOLDER),
        _encoded(body),
    )


def embed(model: str, contents: Any, config: Any) -> Call:
    """Return the call that has *model* embed *contents*."""
    name = checked_model(model)
    return Call(
        lambda sdk: sdk.models.embed_content(
            model=name, contents=contents, config=config
        )
    )


def get_model(model: str) -> Call:
    """Return the call that asks for what is told of *model*."""
    return Call(lambda sdk: sdk.models.get(model=model))


def list_models(page: str) -> Call:
    """Return the call that asks for the *page* of models, the first one if empty."""
    config: Any = {"page_size": LONGEST_PAGE, "page_token": page or None}
    return Call(lambda sdk: sdk.models.list(config=config))


def create_batch(model: str, body: Json) -> Call:
    """Return the call that hands in the batch that *body* is."""
    source: Any = [{"contents": PLACEHOLDER}]
    return Call(lambda sdk: sdk.batches.create(model=model, src=source), _encoded(body))


def get_batch(name: str) -> Call:
    """Return the call that asks how far a batch is."""
    return Call(lambda sdk: sdk.batches.get(name=name))


def cancel_batch(name: str) -> Call:
    """Return the call that asks for the end of a batch."""
    return Call(lambda sdk: sdk.batches.cancel(name=name))


def _encoded(body: Json) -> bytes:
    try:
        return json.dumps(body).encode()
    except (TypeError, ValueError) as error:
        msg = f"The request cannot be JSON: {error}. Look at schema, tools and extra."
        raise InvalidRequest(msg, request_sent="no") from error
