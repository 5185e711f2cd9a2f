"""``pegboard plugins``: what is installed, what it offers, what is wrong with it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

import click

from pegboard._plugins.registry import Registry

from ._table import show

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pegboard._plugins.discovery import EntryPoint
    from pegboard._plugins.loading import Plugin

    from ._place import Place

BARRED = "barred by plugins.allow or plugins.deny"


class Row(NamedTuple):
    """An installed plugin."""

    distribution: str
    version: str
    entry_points: list[str]
    offers: Mapping[str, list[str]]
    """Provider names by family."""
    contracts: list[str]
    """What the providers offer, and what the plugin declares."""
    status: str
    """``ok``, ``broken`` or ``barred``."""
    reason: str | None
    """Why it is broken or barred."""


def run(place: Place, *, as_json: bool) -> None:
    """Print every installed plugin."""
    rules = place.settings().top.plugins
    rows = _rows(Registry(allow=rules.allow, deny=rules.deny))
    if as_json:
        click.echo(json.dumps([row._asdict() for row in rows], indent=2))
    else:
        header = "distribution version entry-points offers contracts status"
        show(header.split(), map(_cells, rows))


def _rows(registry: Registry) -> list[Row]:
    installed = _names([*registry.entries, *registry.refused])
    rows = [_row(one, installed[_module(one.entry)]) for one in registry.plugins()]
    rows += [
        Row(distribution, version, names, {}, [], "barred", BARRED)
        for (distribution, version, _), names in _names(registry.refused).items()
    ]
    return sorted(rows)


def _names(entries: Iterable[EntryPoint]) -> dict[tuple[str, str, str], list[str]]:
    """Return the entry points' names by what they lead to."""
    names: dict[tuple[str, str, str], list[str]] = {}
    for entry in entries:
        names.setdefault(_module(entry), []).append(entry.name)
    return names


def _module(entry: EntryPoint) -> tuple[str, str, str]:
    return entry.distribution, entry.version, entry.value


def _row(plugin: Plugin, names: list[str]) -> Row:
    offers: dict[str, list[str]] = {}
    for provider in plugin.providers:
        offers.setdefault(provider.family, []).append(provider.name)
    offered = {name for provider in plugin.providers for name in provider.contracts}
    return Row(
        plugin.entry.distribution,
        plugin.entry.version,
        names,
        offers,
        sorted(offered | set(plugin.contracts)),
        "broken" if plugin.broken else "ok",
        plugin.broken,
    )


def _cells(row: Row) -> tuple[str, ...]:
    offers = (f"{family}: {', '.join(names)}" for family, names in row.offers.items())
    return (
        row.distribution,
        row.version,
        ", ".join(row.entry_points),
        "; ".join(offers),
        ", ".join(row.contracts),
        f"{row.status}: {row.reason}" if row.reason else row.status,
    )
