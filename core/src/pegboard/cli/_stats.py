"""``pegboard stats``: what programs wrote of their calls, summed up."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, NamedTuple

import click

from pegboard._observers.stats_file import read
from pegboard.stats import Latency, Stats

from ._table import show

if TYPE_CHECKING:
    from pathlib import Path

    from ._place import Place

NOTHING = (
    "No stats in {}. Programs write them there if the settings say\n"
    "[stats]\nwrite_every = 10"
)
HEADER = "address calls failures retries p50 p95 tokens cost breaker trips age"


class Sum(NamedTuple):
    """The stats of an address in all processes."""

    stats: Stats
    written: float
    """When the latest of them was written."""

    def plus(self, other: Sum) -> Sum:
        """Return both together."""
        return Sum(self.stats + other.stats, max(self.written, other.written))


def run(place: Place, *, as_json: bool) -> None:
    """Print the stats of every address, summed up over the files of processes."""
    folder = place.settings().data_folder / "stats"
    sums = _sums(folder)
    if as_json:
        click.echo(json.dumps({a: _values(one) for a, one in sums.items()}, indent=2))
    elif sums:
        show(HEADER.split(), map(_row, sums, sums.values()))
    else:
        click.echo(NOTHING.format(folder))


def _sums(folder: Path) -> dict[str, Sum]:
    found: dict[str, Sum] = {}
    for file in sorted(folder.glob("*.json")):
        try:
            written, _, stats = read(file.read_text("utf-8"))
            these = {a: Sum(Stats() + one, written) for a, one in stats.items()}
            for one in these.values():  # what is no number is found out here
                _row("", one)
        except (OSError, ValueError, TypeError, AttributeError) as error:
            click.echo(f"{file} is left out: {error}", err=True)
            continue
        for address, one in these.items():
            found[address] = found[address].plus(one) if address in found else one
    return dict(sorted(found.items()))


def _values(one: Sum) -> dict[str, object]:
    values = asdict(one.stats)
    del values["spent"], values["last_error"]
    cost = one.stats.cost
    return values | {
        "latency": _percentiles(one.stats.latency),
        "first_item": _percentiles(one.stats.first_item),
        "cost": None if cost is None else str(cost),
        "written": one.written,
    }


def _percentiles(latency: Latency) -> dict[str, float | None]:
    names = ("count", "p50", "p95", "p99", "longest")
    return {name: getattr(latency, name) for name in names}


def _row(address: str, one: Sum) -> tuple[str, ...]:
    stats = one.stats
    return (
        address,
        str(stats.calls),
        ", ".join(f"{count} {name}" for name, count in stats.failures.items()),
        str(stats.retries),
        _seconds(stats.latency.p50),
        _seconds(stats.latency.p95),
        str(stats.usage.total),
        "" if stats.cost is None else f"{stats.cost:.4f}",
        stats.breaker,
        str(stats.trips),
        f"{max(time.time() - one.written, 0):.0f} s",
    )


def _seconds(value: float | None) -> str:
    return "" if value is None else f"{value:.3g} s"
