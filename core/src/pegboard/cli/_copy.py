"""``pegboard copy``: what a storage keeps, to another one."""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from pegboard.copying import ALL, Copied, Kind, Progress, copy_storage
from pegboard.errors import InvalidRequest

from ._table import show

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ._place import Place

FAMILY = "storage."


def run(  # noqa: PLR0913 - what click passes
    place: Place,
    *,
    source: str,
    target: str,
    only: Sequence[Kind],
    collections: Sequence[str],
    prefix: str,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Copy, and print what came of it; exit with 1 if anything differs."""

    async def work(tell: Callable[[Progress], None]) -> list[Copied]:
        async with place.board() as board:
            return await copy_storage(
                board,
                _name(source),
                _name(target),
                only=only or ALL,
                collections=collections or None,
                prefix=prefix,
                overwrite=overwrite,
                tell=tell,
            )

    with _shown() as tell:
        found = asyncio.run(work(tell))
    _report(found, as_json=as_json)
    if any(copied.differing for copied in found):
        raise click.exceptions.Exit(1)


def _name(address: str) -> str:
    if address.startswith(FAMILY):
        return address.removeprefix(FAMILY)
    msg = f"{address} is no storage. Name one by its address, such as storage.sessions."
    raise InvalidRequest(msg, request_sent="no")


def _report(found: Sequence[Copied], *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps([asdict(copied) for copied in found], indent=2))
        return
    if not found:
        click.echo("There is nothing that both of them keep.")
        return
    show(("what", "found", "copied", "differing"), map(_row, found))
    for copied in found:
        for one in copied.differences:
            click.echo(f"{copied.what}: {one.name!r} {one.reason}", err=True)
        if more := copied.differing - len(copied.differences):
            click.echo(f"{copied.what}: {more} more differ", err=True)


def _row(copied: Copied) -> tuple[str, ...]:
    numbers = (copied.found, copied.copied, copied.differing)
    return copied.what, *map(str, numbers)


@contextmanager
def _shown() -> Iterator[Callable[[Progress], None]]:
    """Show on a terminal how far it is; elsewhere say nothing."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console  # noqa: PLC0415 - slow, and for terminals only
    from rich.markup import escape  # noqa: PLC0415 - the same
    from rich.progress import BarColumn, MofNCompleteColumn  # noqa: PLC0415 - the same
    from rich.progress import Progress as Bars  # noqa: PLC0415 - the same

    columns = ("{task.description}", BarColumn(), MofNCompleteColumn())
    with Bars(*columns, console=Console(stderr=True)) as bars:
        tasks = {}

        def tell(progress: Progress) -> None:
            name = f"{progress.step} {progress.what}"
            if name not in tasks:
                tasks[name] = bars.add_task(escape(name), total=progress.total)
            bars.update(tasks[name], completed=progress.done)

        yield tell
