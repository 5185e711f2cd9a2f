"""The calls of the SDK that we make, each with the body that we want sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from google.genai.client import AsyncClient

    Call = Callable[[AsyncClient], Awaitable[object]]
    Json = dict[str, Any]

PLACEHOLDER = "."
"""Stands where contents would; the SDK refuses to go without, and replaces it."""
NOTHING_ELSE: dict[str, Any] = {
    "automatic_function_calling": {"disable": True},
    "automatic_continuation": False,
}
"""One call is one request: the SDK would call tools, and ask again, by itself."""
LONGEST_PAGE = 1000


def generate(model: str, body: Json) -> Call:
    """Return the call that has *model* answer *body*."""
    config: Any = {**_sending(body), **NOTHING_ELSE}
    return lambda sdk: sdk.models.generate_content(
        model=model, contents=PLACEHOLDER, config=config
    )


def stream(model: str, body: Json) -> Call:
    """Return the call that has *model* answer *body* in pieces."""
    config: Any = {**_sending(body), **NOTHING_ELSE}

    async def begin(sdk: AsyncClient) -> None:
        chunks: Any = await sdk.models.generate_content_stream(
            model=model, contents=PLACEHOLDER, config=config
        )
        await anext(chunks)

    return begin


def count(model: str, body: Json) -> Call:
    """Return the call that has the tokens of *body* counted."""
    config: Any = _sending(body)
    return lambda sdk: sdk.models.count_tokens(
        model=model, contents=PLACEHOLDER, config=config
    )


def embed(model: str, contents: Any, config: Any) -> Call:
    """Return the call that has *model* embed *contents*."""
    return lambda sdk: sdk.models.embed_content(
        model=model, contents=contents, config=config
    )


def get_model(model: str) -> Call:
    """Return the call that asks for what is told of *model*."""
    return lambda sdk: sdk.models.get(model=model)


def list_models(page: str) -> Call:
    """Return the call that asks for the *page* of models, the first one if empty."""
    config: Any = {"page_size": LONGEST_PAGE, "page_token": page or None}
    return lambda sdk: sdk.models.list(config=config)


def create_batch(model: str, body: Json) -> Call:
    """Return the call that hands in the batch that *body* is."""
    config: Any = _sending(body)
    source: Any = [{"contents": PLACEHOLDER}]
    return lambda sdk: sdk.batches.create(model=model, src=source, config=config)


def get_batch(name: str) -> Call:
    """Return the call that asks how far a batch is."""
    return lambda sdk: sdk.batches.get(name=name)


def cancel_batch(name: str) -> Call:
    """Return the call that asks for the end of a batch."""
    return lambda sdk: sdk.batches.cancel(name=name)


def _sending(body: Json) -> Json:
    return {"http_options": {"extra_body": body}}
