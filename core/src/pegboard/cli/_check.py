"""``pegboard check``: all that is wrong with the settings, at once."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import click

from pegboard.errors import SettingsError

if TYPE_CHECKING:
    from pegboard.errors import Problem

    from ._place import Place


def run(place: Place) -> None:
    """Print every problem; exit with 1 if there is one."""
    problems, instances = asyncio.run(_check(place))
    for problem in problems:
        click.echo(str(problem))
    if problems:
        click.echo(_counted(len(problems), "problem", "problems") + ".")
        raise click.exceptions.Exit(1)
    click.echo(_counted(instances, "instance is fine.", "instances are fine."))


async def _check(place: Place) -> tuple[list[Problem], int]:
    """Return the problems, and how many instances there are."""
    try:
        board = place.board()
    except SettingsError as error:
        return list(error.problems), 0
    async with board:  # an open one knows what its secret stores hold
        return board.check(), len(board.addresses())


def _counted(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"
