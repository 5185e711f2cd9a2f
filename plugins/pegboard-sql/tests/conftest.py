from __future__ import annotations

import itertools
import runpy
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from pegboard import Pegboard

Postgres = runpy.run_path(str(Path(__file__).with_name("postgres.py")))["Postgres"]
OpenBoard = Callable[..., Pegboard]
NUMBERS = itertools.count()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Any]:
    """Run a PostgreSQL server that every test finds as it was."""
    server = Postgres()
    server.start()
    yield server
    server.remove()


@pytest.fixture
def mortal() -> Iterator[Any]:
    """Run a PostgreSQL server that the test may stop."""
    server = Postgres()
    server.start()
    yield server
    server.remove()


@pytest.fixture
def database_url(postgres: Any) -> str:
    """Return the url of a new database."""
    name = f"test_{next(NUMBERS)}"
    with psycopg.connect(postgres.url(), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")  # type: ignore[arg-type]
    return postgres.url(name)


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """Return the url of a new file."""
    return f"sqlite:///{tmp_path}/test.sqlite"


@pytest.fixture(params=["postgresql", "sqlite"])
def settings(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Return the settings of an empty database, of each kind in turn."""
    if request.param == "sqlite":
        return {"provider": "sql", "url": request.getfixturevalue("sqlite_url")}
    url = request.getfixturevalue("database_url")
    return {"provider": "postgresql", "url": url}


@pytest.fixture
async def open_board(settings: dict[str, Any]) -> AsyncIterator[OpenBoard]:
    """Return what makes boards with the database as ``storage.main``."""
    opened = []

    def make(**more: object) -> Pegboard:
        section = {**settings, **more}
        opened.append(Pegboard.isolated({"storage": {"main": section}}))
        return opened[-1]

    yield make
    for board in opened:
        await board.aclose()
