"""Databases with SQLAlchemy: the contract."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from .declare import contract, operation

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator
    from contextlib import AbstractAsyncContextManager, AbstractContextManager

    from sqlalchemy import Engine
    from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession
    from sqlalchemy.orm import Session


class BlockingDatabase(Protocol):
    """The same for code that is not async: for threads, and for ``pegboard.sync``."""

    def transaction(
        self, *, read_only: bool = False
    ) -> AbstractContextManager[Session]:
        """Open a session whose work is committed at the end; see ``Database``."""
        ...

    def session(self, *, read_only: bool = False) -> AbstractContextManager[Session]:
        """Open a session that commits when it is told to; see ``Database``."""
        ...

    def per_request(self) -> Generator[Session]:
        """Yield the session of a transaction; see ``Database``."""
        ...

    def engine(self) -> Engine:
        """Return the engine of the primary."""
        ...


@contract(family="storage", version=1, direct=True)
class Database(Protocol):
    """
    A database that is used through SQLAlchemy.

    Connections are pooled, for each event loop and for blocking code apart, and are
    closed with the board. What SQLAlchemy raises for the database's sake becomes an
    error of pegboard where it leaves a ``transaction`` or a ``session``; inside, and
    for who uses an engine, it is SQLAlchemy's own.

    ``read_only=True`` is both a promise and a hint: the database refuses to write, and
    a replica is asked if one is configured and can be reached, else the primary. What
    was just written may not have arrived there yet.
    """

    @operation(repeatable=True)
    async def ping(self) -> str | None:
        """
        Ask the database for an answer that costs nothing; say what was found.

        Raises:
            CallError: There is none.

        """
        ...

    def transaction(
        self, *, read_only: bool = False
    ) -> AbstractAsyncContextManager[AsyncSession]:
        """
        Open a session whose work is committed at the end of the block.

        An error in the block rolls it back.

        Raises:
            Conflict: The database refuses: another row is the same, or another
                transaction came in between.
            CallError: As the database's answer says, or the lack of one.

        """
        ...

    def session(
        self, *, read_only: bool = False
    ) -> AbstractAsyncContextManager[AsyncSession]:
        """Open a session that commits when it is told to, and is closed at the end."""
        ...

    def per_request(self) -> AsyncGenerator[AsyncSession]:
        """
        Yield the session of a transaction.

        It is what web frameworks take as a dependency, such as FastAPI's ``Depends``.
        """
        ...

    async def engine(self) -> AsyncEngine:
        """Return the engine of the primary, for the running event loop."""
        ...

    @property
    def blocking(self) -> BlockingDatabase:
        """The same for code that is not async."""
        ...
