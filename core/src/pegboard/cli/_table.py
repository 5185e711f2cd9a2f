"""Tables: pretty on a terminal, plain and whole anywhere else."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

NOTHING = "-"


def show(header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table in which every row is one line, unless a terminal is narrow."""
    lines = [[" ".join(cell.split()) or NOTHING for cell in row] for row in rows]
    if sys.stdout.isatty():
        _pretty(header, lines)
    else:
        _plain([header, *lines])


def _plain(lines: Sequence[Sequence[str]]) -> None:
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        cells = (c.ljust(width) for c, width in zip(line, widths, strict=True))
        click.echo("  ".join(cells).rstrip())


def _pretty(header: Sequence[str], lines: Iterable[Sequence[str]]) -> None:
    from rich.console import Console  # noqa: PLC0415 - slow, and for terminals only
    from rich.table import Table  # noqa: PLC0415 - the same
    from rich.text import Text  # noqa: PLC0415 - the same

    console = Console()
    style = "" if console.no_color else "bold"
    table = Table(box=None, header_style=style, pad_edge=False, padding=(0, 2, 0, 0))
    for name in header:
        table.add_column(name, overflow="fold")
    for line in lines:
        table.add_row(*map(Text, line))
    console.print(table)
