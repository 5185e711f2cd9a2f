"""``pegboard keys``: secrets in secret stores, none of which is shown."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, TypeVar

import click

from pegboard import SecretVault
from pegboard._keys import parted
from pegboard.errors import NotFound

from ._health import show_health
from ._secret import read_secret
from ._table import show

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from pegboard import Pegboard

    from ._place import Place

Result = TypeVar("Result")


def list_all(place: Place, store: str | None, *, as_json: bool) -> None:
    """Print the names in *store*, or in all that can tell, and who uses them."""
    found = asyncio.run(_with(place, lambda board: _listed(board, store)))
    if as_json:
        click.echo(json.dumps(found, indent=2))
    elif found:
        show(("key", "used by"), ((key, ", ".join(by)) for key, by in found.items()))
    else:
        click.echo("There are no secrets, or no store that lists them.")


def store(place: Place, key: str) -> None:
    """Read a secret and store it as *key*."""

    async def work(board: Pegboard) -> None:
        vault, name = _opened(board, key)
        await vault.set_secret(name, read_secret(key))

    asyncio.run(_with(place, work))
    click.echo(f"{key} is stored.")


def check(place: Place, key: str, *, as_json: bool) -> None:
    """Print how what uses *key* is; exit with 1 if anything is down."""
    found = asyncio.run(_with(place, lambda board: board.check_secret(key)))
    if not found and not as_json:
        click.echo(f"{key} is stored, and nothing refers to it.")
        return
    show_health(found, as_json=as_json)
    if any(one.status == "down" for one in found.values()):
        raise click.exceptions.Exit(1)


def rotate(place: Place, key: str) -> None:
    """Read a secret, try it, and store it as *key*."""

    async def work(board: Pegboard) -> list[str]:
        _opened(board, key)
        return [*await board.rotate_secret(key, read_secret(key))]

    users = asyncio.run(_with(place, work))
    tried = f"It works for {', '.join(users)}." if users else "Nothing refers to it."
    click.echo(f"{key} is stored. {tried}")


def delete(place: Place, key: str) -> None:
    """Forget *key*, which must be there."""

    async def work(board: Pegboard) -> None:
        vault, name = _opened(board, key)
        if name not in await vault.list_secrets():
            msg = f"There is no {key}."
            raise NotFound(msg, request_sent="no")
        await vault.delete_secret(name)

    asyncio.run(_with(place, work))
    click.echo(f"{key} is deleted.")


async def _with(place: Place, work: Callable[[Pegboard], Awaitable[Result]]) -> Result:
    async with place.board() as board:
        return await work(board)


async def _listed(board: Pegboard, store: str | None) -> dict[str, list[str]]:
    """Return who uses each key, by key."""
    keys = board._keys  # noqa: SLF001 - the board's own command
    found = {}
    for one in [store] if store else keys.vaults():
        for name in await board.integration(one, SecretVault).list_secrets():
            found[f"{one}/{name}"] = keys.users(f"{one}/{name}")
    return found


def _opened(board: Pegboard, key: str) -> tuple[SecretVault, str]:
    """Return the store of *key*, and its name there; before anybody types anything."""
    store, name = parted(key)
    return board.integration(store, SecretVault), name
