"""Sessions in a web framework that nobody here wrote."""

import asyncio
import os
from typing import Annotated

import pytest
from pegboard import Database
from pegboard.errors import Conflict
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session

fastapi = pytest.importorskip("fastapi", reason="FastAPI is not installed")
httpx = pytest.importorskip("httpx", reason="httpx is not installed")


@pytest.fixture
async def database(open_board):
    """Return a database with a table of words."""
    found = open_board().storage("main", Database)
    async with found.transaction() as session:
        await session.execute(text("CREATE TABLE words (word VARCHAR PRIMARY KEY)"))
    return found


@pytest.fixture
async def client(database):
    """Return a client of an application with the database in it."""
    app = fastapi.FastAPI()
    per_request = fastapi.Depends(database.per_request, scope="function")
    blocking = fastapi.Depends(database.blocking.per_request, scope="function")

    @app.post("/words/{word}")
    async def add(word: str, session: Annotated[AsyncSession, per_request]) -> int:
        await session.execute(text("INSERT INTO words VALUES (:word)"), {"word": word})
        return 1

    @app.post("/blocking/{word}")
    def add_blocking(word: str, session: Annotated[Session, blocking]) -> int:
        session.execute(text("INSERT INTO words VALUES (:word)"), {"word": word})
        return 1

    @app.post("/refused/{word}")
    async def refuse(word: str, session: Annotated[AsyncSession, per_request]) -> None:
        await session.execute(text("INSERT INTO words VALUES (:word)"), {"word": word})
        raise fastapi.HTTPException(418)

    @app.get("/words")
    async def count(session: Annotated[AsyncSession, per_request]) -> int:
        return await session.scalar(text("SELECT count(*) FROM words"))

    @app.exception_handler(Conflict)
    async def conflict(_request, _error):
        return fastapi.responses.JSONResponse({}, 409)

    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as made:
        yield made


async def test_request_is_a_transaction(client):
    """It is committed before the answer, unless the handler raised."""
    assert (await client.post("/words/peg")).status_code == 200
    assert (await client.post("/blocking/board")).status_code == 200
    assert (await client.post("/refused/hook")).status_code == 418

    assert (await client.get("/words")).json() == 2


async def test_conflict_is_seen_by_the_handler_of_the_application(client):
    """It arrives there as pegboard's, whichever database it is from."""
    await client.post("/words/peg")

    assert (await client.post("/words/peg")).status_code == 409
    assert (await client.get("/words")).json() == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
async def test_forked_process_has_connections_of_its_own(database):
    """Parent and child never write to one connection."""
    engine = database.blocking.engine()
    with database.blocking.session(read_only=True) as session:
        session.execute(text("SELECT 1"))
    child = os.fork()
    if not child:
        with database.blocking.session(read_only=True) as session:
            session.execute(text("SELECT 1"))
        os._exit(0 if database.blocking.engine() is not engine else 1)

    ended = await asyncio.to_thread(os.waitpid, child, 0)
    assert os.waitstatus_to_exitcode(ended[1]) == 0
    with database.blocking.session(read_only=True) as session:
        assert session.scalar(text("SELECT 2")) == 2
