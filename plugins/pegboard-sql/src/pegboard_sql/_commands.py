"""``pegboard db``: migrations from the command line."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Protocol

import click

if TYPE_CHECKING:
    from collections.abc import Callable

    from pegboard import Pegboard

    from ._migrations import Migrations

    class Place(Protocol):
        """What commands get of the options before them."""

        def board(self) -> Pegboard:
            """Return a new board with the settings."""
            ...


DISTRIBUTION = "pegboard-sql"
storage = click.option(
    "--storage", metavar="NAME", help="Which one, if the settings have several."
)


@click.group()
def db() -> None:
    """Look after the tables of a database."""


@db.command()
@click.argument("revision", default="head")
@storage
@click.pass_obj
def upgrade(place: Place, storage: str | None, revision: str) -> None:
    """Apply migrations up to REVISION, or all of them. Those in one run go together."""
    _run(place, storage, lambda migrations: migrations.upgrade(revision))


@db.command()
@click.argument("revision")
@storage
@click.pass_obj
def downgrade(place: Place, storage: str | None, revision: str) -> None:
    """Take back what came after REVISION: -1 is the last, 'base' is everything."""
    _run(place, storage, lambda migrations: migrations.downgrade(revision))


# So that a revision such as -1 is not taken for an option.
downgrade.context_settings = {"ignore_unknown_options": True}


@db.command()
@click.option("-m", "--message", required=True, help="What it changes.")
@click.option("--empty", is_flag=True, help="Do not compare tables; write it yourself.")
@storage
@click.pass_obj
def revision(place: Place, storage: str | None, message: str, *, empty: bool) -> None:
    """Write a new migration, by comparing the database with the declared tables."""
    _run(place, storage, lambda migrations: migrations.add(message, empty=empty))


@db.command()
@storage
@click.pass_obj
def status(place: Place, storage: str | None) -> None:
    """Show what is applied and what is not. Exits with 1 if anything is pending."""
    found = _run(place, storage, lambda migrations: migrations.status())
    click.echo(f"{found.applied} applied, {len(found.pending)} pending.")
    for pending in found.pending:
        click.echo(f"  {pending}")
    if found.pending:
        raise click.exceptions.Exit(1)


def _run(place: Place, name: str | None, work: Callable[[Migrations], Any]) -> Any:
    from alembic.util import CommandError  # noqa: PLC0415 - slow to import

    try:
        return asyncio.run(_in_board(place, name, work))
    except CommandError as error:
        raise click.ClickException(str(error)) from error


async def _in_board(
    place: Place, name: str | None, work: Callable[[Migrations], Any]
) -> Any:
    from ._storage import SqlStorage  # noqa: PLC0415 - the same

    async with place.board() as board:
        made = board.provider(_address(board, name))
        if not isinstance(made, SqlStorage):
            msg = f"storage.{name} is of another package. 'db' needs one of this."
            raise click.ClickException(msg)
        return await made.migrate(work, click.echo)


def _address(board: Pegboard, name: str | None) -> str:
    if name is not None:
        return f"storage.{name}"
    found = [
        address
        for address in board.addresses()
        if board.explain(address).distribution == DISTRIBUTION
    ]
    if len(found) == 1:
        return found[0]
    known = ", ".join(address.partition(".")[2] for address in found) or "none"
    msg = f"Say which database: --storage NAME. Databases in the settings: {known}."
    raise click.ClickException(msg)
