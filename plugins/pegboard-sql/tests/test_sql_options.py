from __future__ import annotations

import pytest
from pegboard import Context, Database, KeyValue, Pegboard
from pegboard.errors import (
    Authentication,
    CallError,
    ConnectionFailed,
    NotFound,
    PegboardError,
)
from pegboard_sql._engines import Engines
from pegboard_sql.options import PostgresqlOptions, SqlOptions
from sqlalchemy import text

SECRET = "sentinel-of-a-password"
URL = f"postgresql://app:{SECRET}@127.0.0.1:1/app"


def board_of(**section):
    """Return a board with the database as ``storage.main``."""
    return Pegboard.isolated({"storage": {"main": section}})


def engines(tmp_path, kind=PostgresqlOptions, **options):
    """Return what makes engines by these options."""
    context = Context("storage.main", tmp_path)
    return Engines(kind.model_validate(options), context)


@pytest.mark.parametrize(
    ("provider", "url", "told"),
    [
        ("postgresql", "mysql://host/name", "not a PostgreSQL url"),
        ("postgresql", "host/name", "not a PostgreSQL url"),
        ("sql", "app.sqlite", "not a database url"),
        ("sql", "sqlite://", "keeps nothing"),
        ("sql", "sqlite:///:memory:", "keeps nothing"),
    ],
)
def test_bad_url_is_refused(provider, url, told):
    """It is found by ``pegboard check``, and not shown."""
    (problem,) = board_of(provider=provider, url=url).check()

    assert problem.where == "storage.main.url"
    assert told in problem.message
    assert url not in problem.message or url == "sqlite://"


@pytest.mark.parametrize(
    "options",
    [
        {"table": "a b"},
        {"table": "a.b.c"},
        {"table": "x" * 56},
        {"documents_table": "a b"},
        {"documents_table": "a", "table": "a"},
        {"metadata": "models"},
        {"pool_size": 0},
        {"tls": "yes"},
        {"ttl": 0},
    ],
)
def test_bad_option_is_refused(options):
    """Each has its own problem."""
    (problem,) = board_of(provider="postgresql", url=URL, **options).check()

    assert problem.where == f"storage.main.{next(iter(options))}"


@pytest.mark.parametrize(
    "url",
    [
        "postgres://u@h/d",
        "postgresql://u@h/d",
        "postgresql+asyncpg://u@h/d",
        "postgresql+psycopg2://u@h/d",
    ],
)
def test_any_spelling_of_postgresql_will_do(url, tmp_path):
    """A url that was written for another driver leads to the same place."""
    made = engines(tmp_path, url=url)
    both = (made.make(made.primary), made.make_blocking(made.primary))

    assert {str(engine.url) for engine in both} == {"postgresql+psycopg://u@h/d"}


def test_tls_is_handed_to_the_driver(tmp_path):
    """What the settings say goes before what the url says."""
    made = engines(
        tmp_path,
        url="postgresql+asyncpg://h/d?ssl=require",
        tls="verify-full",
        tls_root="/certs/root.pem",
    )
    plain = engines(tmp_path, url="postgresql+asyncpg://h/d?ssl=require")
    arguments = made._arguments(made.primary)["connect_args"]

    assert arguments["sslmode"] == "verify-full"
    assert arguments["sslrootcert"] == "/certs/root.pem"
    assert plain._arguments(plain.primary)["connect_args"]["sslmode"] == "require"


async def test_tls_that_is_required_is_not_done_without(database_url):
    """The server has none, so nothing is sent to it in the clear."""
    async with board_of(provider="postgresql", url=database_url, tls="require") as b:
        with pytest.raises(ConnectionFailed, match="SSL"):
            await b.storage("main", KeyValue).get("key")


async def test_pool_is_as_the_options_say(tmp_path):
    """Sizes and times arrive; connections are taken last in, first out."""
    made = engines(
        tmp_path, url=URL, pool_size=3, max_overflow=2, pool_timeout=4, pool_recycle=60
    )
    pool = made.make(made.primary).sync_engine.pool

    assert pool.size() == 3
    assert (pool._max_overflow, pool._timeout, pool._recycle) == (2, 4, 60)
    assert pool._pool.use_lifo


async def test_database_url_is_enough(database_url):
    """The variable that many have already is the only setting needed."""
    board = Pegboard.isolated(
        {"storage": {"main": {"provider": "postgresql"}}},
        environ={"DATABASE_URL": database_url, "DB_POOL_SIZE": "2"},
    )
    async with board:
        engine = await board.storage("main", Database).engine()
        await board.storage("main", KeyValue).set("a", 1)

    assert engine.sync_engine.pool.size() == 2


async def test_password_may_stand_apart(database_url):
    """The url then has none."""
    bare = database_url.replace(f":{SECRET}", "")
    async with board_of(provider="postgresql", url=bare, password=SECRET) as board:
        await board.storage("main", KeyValue).set("a", 1)


async def test_password_is_shown_nowhere(database_url):
    """Not in explanations, nor in what engines, handles and errors say."""
    async with board_of(provider="postgresql", url=database_url) as board:
        database = board.storage("main", Database)
        engine = await database.engine()
        async with engine.connect() as connection:
            shown = [board, database, engine, engine.url, connection, database.blocking]
            texts = [f"{thing} {thing!r}" for thing in shown]
            texts.append(str(database.blocking.engine()))
        texts.append(str(board.explain("storage.main")))
        texts.append(repr(board.provider("storage.main").__dict__))

    assert SECRET not in " ".join(texts)


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ((SECRET, "wrong-sentinel"), (Authentication, ConnectionFailed)),
        (("/test_", "/absent_"), (NotFound, ConnectionFailed)),
        (("127.0.0.1", "127.0.0.2"), ConnectionFailed),
    ],
)
async def test_refused_connection_is_told_without_secrets(database_url, change, kind):
    """The server's own words, none of ours."""
    url = database_url.replace(*change)
    async with board_of(provider="postgresql", url=url) as board:
        with pytest.raises(kind) as caught:
            await board.storage("main", KeyValue).get("key")
        health = (await board.health())["storage.main"]

    told = f"{caught.value} {caught.value.__cause__} {health.reason}"
    assert "sentinel" not in told
    assert caught.value.request_sent == "no"


async def test_values_of_a_statement_are_not_in_its_error(open_board):
    """What a program stores is no business of its logs."""
    database = open_board().storage("main", Database)

    async def fail():
        async with database.session() as session:
            await session.execute(text("SELECT :x FROM nowhere"), {"x": "sentinel"})

    with pytest.raises(CallError) as caught:
        await fail()
    assert "sentinel" not in f"{caught.value} {caught.value.__cause__}"


async def test_table_may_be_named(open_board):
    """Instances that name one table share its values; others do not."""
    first = open_board(table="shared_values").storage("main", KeyValue)
    second = open_board(table="shared_values").storage("main", KeyValue)
    third = open_board().storage("main", KeyValue)
    await first.set("a", 1)

    assert await second.get("a") == 1
    assert await third.get("a") is None


async def test_instances_of_one_database_keep_apart(database_url):
    """Each has a table of its own, however long its name is."""
    section = {"provider": "postgresql", "url": database_url}
    names = ("a-b", "a_b", "A-B", "x" * 80 + "1", "x" * 80 + "2")
    async with Pegboard.isolated({"storage": dict.fromkeys(names, section)}) as board:
        for name in names:
            await board.storage(name, KeyValue).set("name", name)
        found = [await board.storage(name, KeyValue).get("name") for name in names]

    assert found == [*names]


async def test_other_databases_have_no_values():
    """Who asks is told what there is, before anything is connected."""
    board = board_of(provider="sql", url="mysql+asyncmy://host/name")

    with pytest.raises(PegboardError, match="does not offer KeyValue"):
        board.storage("main", KeyValue)


def test_blocking_engine_of_another_database_has_its_own_driver(tmp_path):
    """An async driver is no use to threads."""
    made = engines(tmp_path, SqlOptions, url="mysql+asyncmy://host/name")

    with pytest.raises(ModuleNotFoundError, match="MySQLdb"):
        made.make_blocking(made.primary)
