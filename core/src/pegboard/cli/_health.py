"""``pegboard health``: whether what is configured can be reached now."""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from ._table import show

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pegboard.health import Health

    from ._place import Place


def run(place: Place, *, as_json: bool, watch: float | None) -> None:
    """Print the health of every instance; exit with 1 if one is down."""
    found = asyncio.run(_watched(place, watch, as_json=as_json))
    if any(one.status == "down" for one in found.values()):
        raise click.exceptions.Exit(1)


async def _watched(
    place: Place, watch: float | None, *, as_json: bool
) -> Mapping[str, Health]:
    """Print the health, again after each *watch* seconds; return the last."""
    async with place.board() as board:
        while True:
            found = await board.health()
            show_health(found, as_json=as_json)
            if watch is None:
                return found
            await asyncio.sleep(watch)


def show_health(found: Mapping[str, Health], *, as_json: bool) -> None:
    """Print a row for each address, or JSON."""
    if as_json:
        values = {address: asdict(one) for address, one in found.items()}
        click.echo(json.dumps(values, indent=2))
    elif found:
        show(
            ("address", "status", "ms", "breaker", "reason"),
            map(_row, found, found.values()),
        )
    else:
        click.echo("Nothing is configured.")


def _row(address: str, one: Health) -> tuple[str, ...]:
    taken = "" if one.elapsed is None else f"{one.elapsed * 1000:.0f}"
    return address, one.status, taken, one.breaker, one.reason
