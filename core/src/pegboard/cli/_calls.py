"""``pegboard calls``: the log of calls to models."""

from __future__ import annotations

import csv
import json
import re
import sqlite3
import sys
import time
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from pegboard._observers.call_rows import COLUMNS, CallRow, UnknownFormatError, read

from ._table import show

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ._place import Place

NOTHING = (
    "No calls in {}. Programs record them there if the settings say\n"
    "[calls]\nrecord = true"
)
HEADER = "began address model outcome attempts latency first tokens cost"
SHOWN, ALL = 20, -1
"""How many calls there are to see where nobody says; SQLite knows -1 as no limit."""
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 24 * 3600}


def run(  # noqa: PLR0913 - the options of the command
    place: Place,
    *,
    address: str | None,
    model: str | None,
    failed: bool,
    since: str | None,
    limit: int | None,
    as_json: bool,
    as_csv: bool,
) -> None:
    """Print the latest calls that are as asked for."""
    path = place.settings().data_folder / "calls" / "calls.sqlite"
    conditions = list(_conditions(address, model, since, failed=failed))
    if not path.exists():
        raise click.ClickException(NOTHING.format(path.parent))
    try:
        rows = read(path, conditions, limit or (ALL if as_json or as_csv else SHOWN))
    except (sqlite3.Error, UnknownFormatError) as error:
        msg = f"{path} cannot be read: {error}"
        raise click.ClickException(msg) from error
    if as_json:
        click.echo(json.dumps([asdict(row) for row in rows], indent=2))
    elif as_csv:
        _write_csv(rows)
    else:
        show(HEADER.split(), map(_cells, rows))


def _conditions(
    address: str | None, model: str | None, since: str | None, *, failed: bool
) -> Iterator[tuple[str, object]]:
    if address is not None:
        yield "address = ?", address
    if model is not None:
        yield "model = ?", model
    if since is not None:
        yield "began >= ?", time.time() - _seconds_of(since)
    if failed:
        yield "outcome NOT IN ('cancelled', ?)", "ok"


def _seconds_of(text: str) -> float:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd])", text)
    if found is None:
        msg = f"{text!r} is no time. Write a number and s, m, h or d, such as 15m."
        raise click.BadParameter(msg, param_hint="--since")
    return float(found[1]) * UNITS[found[2]]


def _write_csv(rows: Sequence[CallRow]) -> None:
    writer = csv.DictWriter(sys.stdout, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(map(asdict, rows))


def _cells(row: CallRow) -> tuple[str, ...]:
    return (
        time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(row.began)),
        row.address,
        row.model or "",
        row.outcome,
        str(row.attempts),
        f"{row.latency:.3g} s",
        "" if row.first_item is None else f"{row.first_item:.3g} s",
        _tokens(row),
        "" if row.cost is None else f"{row.cost:.6f}",
    )


def _tokens(row: CallRow) -> str:
    """Return the tokens that were read, and those that were written."""
    if row.input is None:
        return ""
    read = row.input + (row.cache_read or 0) + (row.cache_write or 0)
    return f"{read}+{(row.output or 0) + (row.reasoning or 0)}"
