"""``pegboard stats``: what programs wrote of their calls, summed up."""

from __future__ import annotations

import json
import time
from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING, NamedTuple

import click

from pegboard._accounts import STATES
from pegboard._stats_file import read
from pegboard.contracts.chat import Usage
from pegboard.stats import Latency, Stats

from ._table import show

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
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
    found: dict[str, list[Sum]] = {}
    for file in sorted(folder.glob("*.json")):
        try:
            written, _, stats = read(file.read_text("utf-8"))
            for one in stats.values():  # what is no number does not add up
                _row("", _sum([Sum(one, written)]))
        except (OSError, ValueError, TypeError, AttributeError) as error:
            click.echo(f"{file} is left out: {error}", err=True)
            continue
        for address, one in stats.items():
            found.setdefault(address, []).append(Sum(one, written))
    return {address: _sum(found[address]) for address in sorted(found)}


def _sum(sums: Sequence[Sum]) -> Sum:
    every = [one.stats for one in sums]
    stats = Stats(
        calls=sum(one.calls for one in every),
        attempts=sum(one.attempts for one in every),
        retries=sum(one.retries for one in every),
        retried=sum((Counter(one.retried) for one in every), Counter()),
        failures=sum((Counter(one.failures) for one in every), Counter()),
        cancelled=sum(one.cancelled for one in every),
        breaker=max((one.breaker for one in every), key=STATES.index),
        trips=sum(one.trips for one in every),
        last_success=_largest(one.last_success for one in every),
        last_failure=_largest(one.last_failure for one in every),
        last_answer=_largest(one.last_answer for one in every),
        latency=_slowest([one.latency for one in every]),
        first_item=_slowest([one.first_item for one in every]),
        usage=sum((one.usage for one in every), Usage()),
        unknown_usage=sum(one.unknown_usage for one in every),
        spent=tuple(spending for one in every for spending in one.spent),
    )
    return Sum(stats, max(one.written for one in sums))


def _slowest(every: Sequence[Latency]) -> Latency:
    """Return the percentiles of the slowest process: they cannot be summed up."""
    return Latency(
        count=sum(one.count for one in every),
        p50=_largest(one.p50 for one in every),
        p95=_largest(one.p95 for one in every),
        p99=_largest(one.p99 for one in every),
        longest=_largest(one.longest for one in every),
    )


def _largest(values: Iterable[float | None]) -> float | None:
    return max((value for value in values if value is not None), default=None)


def _values(one: Sum) -> dict[str, object]:
    values = asdict(one.stats)
    del values["spent"], values["last_error"]
    cost = one.stats.cost
    return values | {
        "cost": None if cost is None else str(cost),
        "written": one.written,
    }


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
