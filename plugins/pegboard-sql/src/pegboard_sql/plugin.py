"""What pegboard-sql offers: databases, what is kept in their tables, migrations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pegboard import StorageProvider, hookimpl

if TYPE_CHECKING:
    import click
    from pegboard import Context

    from ._storage import SqlStorage
    from .options import SqlOptions

CONTRACTS = dict.fromkeys(
    ("Database", "DocumentCollections", "DocumentStore", "KeyValue"), 1
)
ENV = {
    "url": ("DATABASE_URL",),
    "pool_size": ("DB_POOL_SIZE",),
    "max_overflow": ("DB_MAX_OVERFLOW",),
    "pool_timeout": ("DB_POOL_TIMEOUT",),
    "pool_recycle": ("DB_POOL_RECYCLE",),
}


@hookimpl
def pegboard_storage_providers() -> list[StorageProvider]:
    """Return the server that most use, and whatever else SQLAlchemy speaks to."""
    return [
        StorageProvider(
            name="postgresql",
            factory=make_storage,
            options="pegboard_sql.options:PostgresqlOptions",
            contracts=CONTRACTS,
            install="pegboard-sql",
            env=ENV,
            summary="a PostgreSQL database, and values and documents in it",
        ),
        StorageProvider(
            name="sql",
            factory=make_storage,
            options="pegboard_sql.options:SqlOptions",
            contracts=CONTRACTS,
            offers=kept,
            install="pegboard-sql",
            env=ENV,
            summary="a database by its SQLAlchemy URL, values and documents in it",
        ),
    ]


@hookimpl
def pegboard_commands(cli: click.Group) -> None:
    """Add ``db``, which looks after the tables."""
    from ._commands import db  # noqa: PLC0415 - click is only there for commands

    cli.add_command(db)


def kept(options: SqlOptions) -> frozenset[str]:
    """Return the contracts that the database of *options* can keep."""
    from ._url import WITH_VALUES, backend  # noqa: PLC0415 - like the options

    known = backend(options.url.get_secret_value()) in WITH_VALUES
    return frozenset(CONTRACTS if known else {"Database"})


def make_storage(options: SqlOptions, context: Context) -> SqlStorage:
    """
    Make a database. Does no I/O.

    SQLAlchemy is slow to import and every plugin is loaded when a name is looked up,
    so it is imported here, when someone asks for the database.
    """
    from ._storage import SqlStorage  # noqa: PLC0415

    return SqlStorage(options, context)
