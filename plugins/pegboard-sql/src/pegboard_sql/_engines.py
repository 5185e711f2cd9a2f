"""Engines: what SQLAlchemy keeps connections with, as the options say."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any

from sqlalchemy import create_engine, event, make_url
from sqlalchemy.exc import InvalidatePoolError
from sqlalchemy.ext.asyncio import create_async_engine

from ._url import POSTGRESQL

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pegboard import Context
    from sqlalchemy import URL, Connection, Engine
    from sqlalchemy.engine.interfaces import DBAPIConnection
    from sqlalchemy.ext.asyncio import AsyncEngine
    from sqlalchemy.pool import ConnectionPoolEntry

    from .options import SqlOptions

RESTS_SINCE = "pegboard rests since"
LOST_AT = "pegboard lost at"
READ_ONLY = "pegboard_read_only"
ON_CONNECT = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = NORMAL",
    "PRAGMA foreign_keys = ON",
)
TLS: Mapping[str, str] = {
    "tls": "sslmode",
    "tls_root": "sslrootcert",
    "tls_certificate": "sslcert",
    "tls_key": "sslkey",
}
"""Our options, and what the driver calls them."""
KEEP_ALIVE = {"keepalives_idle": "30", "keepalives_interval": "10"}


class Engines:
    """Makes engines. They connect when they are first used."""

    def __init__(self, options: SqlOptions, context: Context) -> None:
        self._options = options
        self._address = context.address
        self._password = options.password and options.password.get_secret_value()
        self.primary = self._url(options.url.get_secret_value())
        self.replicas = tuple(
            self._url(replica.get_secret_value(), like=self.primary)
            for replica in options.replicas
        )

    def make(self, url: URL) -> AsyncEngine:
        """Return an engine for an event loop."""
        engine = create_async_engine(
            url.set(drivername=_driver(url, sqlite="sqlite+aiosqlite")),
            **self._arguments(url),
        )
        self._listen(engine.sync_engine)
        return engine

    def make_blocking(self, url: URL) -> Engine:
        """Return an engine for threads."""
        engine = create_engine(
            url.set(drivername=_driver(url, sqlite="sqlite", other=_without_driver)),
            **self._arguments(url),
        )
        self._listen(engine)
        return engine

    def _url(self, text: str, like: URL | None = None) -> URL:
        url = make_url(text)
        if url.get_backend_name() in POSTGRESQL:
            url = _for_libpq(url)
        if url.password is None and url.get_backend_name() != "sqlite":
            url = url.set(password=self._password or (like.password if like else None))
        return url

    def _arguments(self, url: URL) -> dict[str, Any]:
        options = self._options
        return {
            "pool_size": options.pool_size,
            "max_overflow": options.max_overflow,
            "pool_timeout": options.pool_timeout,
            "pool_recycle": options.pool_recycle,
            "pool_use_lifo": True,
            "hide_parameters": True,
            "connect_args": self._connect_arguments(url),
        }

    def _connect_arguments(self, url: URL) -> dict[str, Any]:
        name = url.get_backend_name()
        if name == "sqlite":
            return {"timeout": self._options.timeout}
        return self._of_postgresql(url) if name == "postgresql" else {}

    def _of_postgresql(self, url: URL) -> dict[str, Any]:
        options = self._options
        given = {name: getattr(options, ours, None) for ours, name in TLS.items()}
        arguments = {
            "application_name": f"pegboard {self._address}",
            "connect_timeout": str(max(2, round(options.connect_timeout))),
            **KEEP_ALIVE,
            **{name: str(value) for name, value in url.query.items()},
            **{name: str(value) for name, value in given.items() if value is not None},
        }
        if options.statement_timeout is not None:
            limit = f"-c statement_timeout={round(options.statement_timeout * 1000)}"
            arguments["options"] = f"{arguments.get('options', '')} {limit}".strip()
        return arguments

    def _listen(self, engine: Engine) -> None:
        _try_after_rest(engine, self._options.ping_after)
        if engine.dialect.name == "sqlite":
            event.listen(engine, "connect", _prepare_sqlite)
            event.listen(engine, "checkout", _take_transactions_over)
            event.listen(engine, "begin", _begin_sqlite)


def distrust(engine: Engine) -> None:
    """Have every connection tried that rests now: one like them was lost."""
    engine.pool.__dict__[LOST_AT] = monotonic()


def forbid_writes(connection: Connection) -> None:
    """Have the database refuse to write on *connection*, until it is handed back."""
    name = connection.dialect.name
    if name == "postgresql":
        connection.execution_options(postgresql_readonly=True)
    elif name == "sqlite":
        connection.execution_options(**{READ_ONLY: True})
        _execute(connection.connection, "PRAGMA query_only = ON")


def hand_back(connection: Connection) -> None:
    """Close *connection*, which may write again when the pool hands it out."""
    try:
        if connection.dialect.name == "sqlite" and not connection.invalidated:
            connection.rollback()  # within a transaction the PRAGMA does nothing
            _execute(connection.connection, "PRAGMA query_only = OFF")
    except BaseException:
        connection.invalidate()
        raise
    finally:
        connection.close()


def _try_after_rest(engine: Engine, ping_after: float) -> None:
    @event.listens_for(engine, "checkin")
    def note(_: DBAPIConnection | None, record: ConnectionPoolEntry) -> None:
        record.info[RESTS_SINCE] = monotonic()

    @event.listens_for(engine, "checkout")
    def test(connection: Any, record: ConnectionPoolEntry, _: object) -> None:
        since = record.info.get(RESTS_SINCE)
        if since is None or since > _suspicious(engine, ping_after):
            return
        try:
            engine.dialect.do_ping(connection)
        except engine.dialect.loaded_dbapi.Error as error:
            raise InvalidatePoolError from error


def _suspicious(engine: Engine, ping_after: float) -> float:
    """Return the time since when a connection must have rested to be tried."""
    lost_at: float = engine.pool.__dict__.get(LOST_AT, 0.0)
    return max(lost_at, monotonic() - ping_after)


def _take_transactions_over(connection: Any, *_: object) -> None:
    # Else the driver begins some of them, too, after its own rules.
    if connection.isolation_level is not None:
        connection.isolation_level = None


def _prepare_sqlite(connection: Any, _: ConnectionPoolEntry) -> None:
    _take_transactions_over(connection)
    for pragma in ON_CONNECT:
        _execute(connection, pragma)


def _begin_sqlite(connection: Connection) -> None:
    # Who reads first and then writes could not go on once another has written.
    reads = connection.get_execution_options().get(READ_ONLY, False)
    connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")


def execute_at_once(connection: Connection, statement: str) -> None:
    """Execute *statement*, if there is one, outside of any transaction."""
    if statement:
        connection.rollback()
        _execute(connection.connection, statement)
        connection.connection.commit()


def _execute(connection: Any, statement: str) -> None:
    cursor = connection.cursor()
    cursor.execute(statement)
    cursor.close()


def _driver(url: URL, *, sqlite: str, other: Any = str) -> str:
    name = url.get_backend_name()
    if name == "postgresql":
        return "postgresql+psycopg"
    drivername: str = sqlite if name == "sqlite" else other(url.drivername)
    return drivername


def _without_driver(name: str) -> str:
    return name.partition("+")[0]


def _for_libpq(url: URL) -> URL:
    """Return *url* as the driver takes it, whichever one it was written for."""
    query = dict(url.query)
    mode = query.pop("ssl", None)  # the spelling of another driver
    if mode is not None:
        query.setdefault("sslmode", "require" if mode == "true" else mode)
    return url.set(drivername="postgresql", query=query)
