"""Secrets that are in secret stores: fetched once, before anything needs them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._settings.references import (
    UnresolvedError,
    field_of,
    parts_of,
    secret_store_references,
)
from .errors import PegboardError

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._settings.tree import Tree
    from .contracts.secret_store import SecretStore


async def fetch_secrets(
    tree: Tree,
    fetched: dict[str, str | UnresolvedError],
    store: Callable[[str], SecretStore],
) -> None:
    """Put what *tree* refers to into *fetched*, from the *store* of each name."""
    for reference in secret_store_references(tree):
        if reference not in fetched:
            fetched[reference] = await _fetch(reference, store)


async def _fetch(
    reference: str, store: Callable[[str], SecretStore]
) -> str | UnresolvedError:
    """Return the secret, or why there is none: only who needs it must fail."""
    try:
        instance, name, field = parts_of(reference)
        secret = await store(instance).get_secret(name)
        return field_of(secret.get_secret_value(), field)
    except UnresolvedError as error:
        return error
    except PegboardError as error:
        return UnresolvedError(f"{reference!r} cannot be fetched: {error}")
