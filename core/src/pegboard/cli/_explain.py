"""``pegboard explain``: what an instance is, and where each value came from."""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from ._table import NOTHING, show

if TYPE_CHECKING:
    from pegboard._explain import Explanation, Value

    from ._place import Place


def run(place: Place, address: str, *, as_json: bool) -> None:
    """Print what is at *address*."""
    explanation = asyncio.run(_explained(place, address))
    if as_json:
        click.echo(json.dumps(asdict(explanation), indent=2))
    else:
        _print(explanation)


async def _explained(place: Place, address: str) -> Explanation:
    async with place.board() as board:
        return board.explain(address)


def _print(what: Explanation) -> None:
    _fact("address", what.address)
    _fact("provider", what.provider)
    _fact("distribution", f"{what.distribution} {what.version}")
    _fact("contracts", ", ".join(what.contracts))
    _fact("capabilities", ", ".join(what.capabilities))
    _fact("calls", "through the policy" if what.external else "direct")
    _values("option", what.options)
    if what.external:
        _values("policy", what.policy)


def _fact(name: str, text: str) -> None:
    click.echo(f"{name:<14}{text or NOTHING}")


def _values(title: str, values: tuple[Value, ...]) -> None:
    click.echo()
    rows = ((value.key, value.shown, value.origin) for value in values)
    show((title, "value", "origin"), rows)
