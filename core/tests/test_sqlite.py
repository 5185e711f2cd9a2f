from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing

import pytest
from pegboard import Context, KeyValue, Pegboard, errors
from pegboard.builtin._sqlite_file import APPLICATION_ID
from pegboard.builtin.sqlite import (
    DELETE,
    DELETE_MANY,
    EXISTS,
    GET,
    GET_ENTRY,
    GET_MANY,
    MOST_PURGED,
    PURGE,
    SCAN,
    SCHEMA,
    SET_IF_VERSION,
    TOUCH,
    TTL,
    WRITES_PER_PURGE,
    SqliteKeyValue,
    SqliteOptions,
)
from pegboard.testing.clock import ManualClock
from pegboard.testing.key_value import PersistentKeyValueContract
from pegboard.testing.leaks import no_leaks, open_files
from pydantic import ValidationError

STATEMENTS = (
    *(GET, GET_ENTRY, GET_MANY.format("?, ?"), EXISTS, TTL, SCAN),
    *(SET_IF_VERSION, TOUCH, DELETE, DELETE_MANY.format("?, ?"), PURGE),
)


class TestSqlite(PersistentKeyValueContract):
    @pytest.fixture
    def settings(self, tmp_path):
        """Return the settings of a new file."""
        return {"provider": "sqlite", "path": str(tmp_path / "kit.sqlite")}


class TestSqliteSafeFromPowerCuts(PersistentKeyValueContract):
    @pytest.fixture
    def settings(self, tmp_path):
        """Return the settings of a new file that waits for the disk."""
        path = str(tmp_path / "kit.sqlite")
        return {"provider": "sqlite", "path": path, "durability": "power"}


@pytest.fixture
def path(tmp_path):
    """Return where the file is."""
    return tmp_path / "kit.sqlite"


@pytest.fixture
def clock():
    """Return a clock that is moved by hand."""
    return ManualClock()


@pytest.fixture
async def make_store(path, tmp_path, clock):
    """Return a function that makes a store, which is closed after the test."""
    stores = []

    def make_store(**options):
        context = Context("storage.kit", tmp_path / "data", clock)
        stores.append(SqliteKeyValue(SqliteOptions(path=path, **options), context))
        return stores[-1]

    yield make_store
    for store in stores:
        await store.aclose()


@pytest.fixture
def store(make_store):
    """Return a store that was not used yet."""
    return make_store()


@pytest.fixture
def other(path):
    """Return a connection such as another process may have."""
    with closing(sqlite3.connect(path, isolation_level=None, timeout=0)) as connection:
        yield connection


class TestFile:
    async def test_making_a_store_does_nothing(self, store, tmp_path):
        """The file is made when it is first used."""
        assert store
        assert list(tmp_path.iterdir()) == []

    async def test_reading_makes_the_file(self, store, path):
        """A first read finds an empty store, as any other."""
        assert await store.get("key") is None
        assert path.exists()

    async def test_default_file_is_named_after_the_instance(self, tmp_path):
        """Without a path, each instance has a file of its own in the data folder."""
        context = Context("storage.my sessions/../x", tmp_path / "data" / "here")
        store = SqliteKeyValue(SqliteOptions(), context)
        await store.set("key", 1)
        await store.aclose()

        files = {path.name for path in context.data_folder.iterdir()}
        assert files == {".gitignore", "my%20sessions%2F..%2Fx.sqlite"}

    async def test_data_folder_is_unseen_by_git(self, tmp_path):
        """What the program stores is not committed by accident."""
        context = Context("storage.kit", tmp_path / "data")
        store = SqliteKeyValue(SqliteOptions(), context)
        await store.get("key")
        await store.aclose()

        assert (tmp_path / "data" / ".gitignore").read_text() == "*\n"

    async def test_folder_that_exists_is_left_as_it_is(self, tmp_path):
        """A data folder that is the project itself must not be hidden from git."""
        store = SqliteKeyValue(SqliteOptions(), Context("storage.kit", tmp_path))
        await store.get("key")
        await store.aclose()

        assert not (tmp_path / ".gitignore").exists()

    async def test_folders_of_a_path_are_made(self, tmp_path):
        """A path may lead to where nothing is yet."""
        context = Context("storage.kit", tmp_path / "data")
        file = tmp_path / "a" / "b" / "c.sqlite"
        store = SqliteKeyValue(SqliteOptions(path=file), context)
        await store.get("key")
        await store.aclose()

        assert file.exists()
        assert not context.data_folder.exists()

    async def test_file_bears_our_mark(self, store, other):
        """The file tells whose it is and how its tables are laid out."""
        await store.set("key", 1)

        assert other.execute("PRAGMA application_id").fetchone() == (APPLICATION_ID,)
        assert other.execute("PRAGMA user_version").fetchone() == (SCHEMA.version,)
        assert other.execute("PRAGMA journal_mode").fetchone() == ("wal",)

    @pytest.mark.parametrize(("durability", "level"), [("process", 1), ("power", 2)])
    async def test_durability_sets_when_the_disk_is_waited_for(
        self, make_store, durability, level
    ):
        """A store that must survive a power cut writes through."""
        store = make_store(durability=durability)
        row = await store._file.run(
            lambda connection: connection.execute("PRAGMA synchronous").fetchone()
        )

        assert row == (level,)

    async def test_stores_may_share_a_file(self, make_store):
        """Two instances on one path see each other's values."""
        await make_store().set("key", 1)

        assert await make_store().incr("key") == 2

    async def test_what_has_expired_leaves_the_file(self, store, clock, other):
        """A store of keys that nobody asks for again does not grow for ever."""
        for number in range(1000):
            await store.set(f"key{number}", number, ttl=10)
            clock.advance(1)

        (rows,) = other.execute("SELECT count(*) FROM key_value").fetchone()
        assert rows <= 10 + WRITES_PER_PURGE

    async def test_a_purge_is_short(self, make_store, clock, other):
        """However much has expired, one write removes a small part of it."""
        store = make_store()
        for number in range(500):
            await store.set(f"key{number}", number, ttl=10 + number)
        clock.advance(1000)
        await make_store().set("key", 1)

        (rows,) = other.execute("SELECT count(*) FROM key_value").fetchone()
        assert rows == 501 - MOST_PURGED

    async def test_purges_keep_up_with_many(self, store, clock, other):
        """A store that takes a hundred keys at a time does not grow for ever."""
        for number in range(50):
            keys = [f"{number}/{key}" for key in range(100)]
            await store.set_many(dict.fromkeys(keys), ttl=10)
            clock.advance(20)

        (rows,) = other.execute("SELECT count(*) FROM key_value").fetchone()
        assert rows <= 100 + WRITES_PER_PURGE

    @pytest.mark.parametrize("sql", STATEMENTS)
    async def test_no_statement_reads_the_whole_table(self, store, other, sql):
        """Every statement finds its rows through an index, without sorting."""
        await store.get("key")
        parameters = (None,) * sql.count("?")
        plan = other.execute(f"EXPLAIN QUERY PLAN {sql}", parameters).fetchall()
        steps = [step for *_, step in plan if step != "LIST SUBQUERY 1"]

        assert all(step.startswith("SEARCH") for step in steps), steps


class TestRefusals:
    @pytest.mark.parametrize("path", [":memory:"])
    def test_memory_is_another_provider(self, path):
        """SQLite's name for a file that is none is refused with a hint."""
        with pytest.raises(ValidationError, match='set provider = "memory"'):
            SqliteOptions(path=path)

    async def test_folder_is_refused(self, path, store):
        """A path that is a folder is the settings' fault."""
        path.mkdir()

        with pytest.raises(errors.SettingsError, match="is a folder") as caught:
            await store.get("key")
        assert caught.value.problems[0].where == "storage.kit.path"

    async def test_other_files_are_refused(self, path, store):
        """A file that is no SQLite file is left alone."""
        path.write_text("Dear diary, " * 100)

        with pytest.raises(errors.SettingsError, match="is not a SQLite file"):
            await store.set("key", 1)
        assert path.read_text() == "Dear diary, " * 100

    @pytest.mark.parametrize(
        "sql", ["CREATE TABLE users (name)", "PRAGMA application_id = 7"]
    )
    async def test_files_of_others_are_refused(self, path, store, other, sql):
        """A SQLite file that another program made is left alone."""
        other.execute(sql)
        before = path.read_bytes()

        with pytest.raises(errors.SettingsError, match="belongs to another program"):
            await store.set("key", 1)
        assert path.read_bytes() == before

    async def test_newer_files_are_refused(self, make_store, other):
        """A file that a later version of pegboard wrote is left alone."""
        await make_store().set("key", 1)
        other.execute("PRAGMA user_version = 2")

        with pytest.raises(errors.PluginError, match="Upgrade pegboard"):
            await make_store().set("key", 1)

    async def test_refused_file_is_not_held_open(self, path, store):
        """What cannot be used is closed at once."""
        path.write_text("Dear diary")
        async with no_leaks():
            with pytest.raises(errors.SettingsError):
                await store.get("key")

    async def test_file_in_place_of_a_folder_is_refused(self, tmp_path):
        """A folder that cannot be made says so."""
        (tmp_path / "file").touch()
        options = SqliteOptions(path=tmp_path / "file" / "kit.sqlite")
        store = SqliteKeyValue(options, Context("storage.kit", tmp_path))

        with pytest.raises(errors.Unavailable, match="cannot be made") as caught:
            await store.get("key")
        assert caught.value.address == "storage.kit"

    async def test_empty_file_is_used(self, path, store):
        """A file that someone has only touched is as good as none."""
        path.touch()

        assert await store.incr("key") == 1


class TestFailures:
    @pytest.mark.parametrize(
        ("pragma", "error", "text"),
        [
            ("max_page_count = 1", errors.Unavailable, "free some space"),
            ("query_only = ON", errors.PermissionDenied, "may not be written"),
        ],
    )
    async def test_failed_write_is_told(self, store, pragma, error, text):
        """What SQLite cannot do is an error of ours; nothing of the value is stored."""
        await store.set("key", "old")
        await store._file.run(lambda link: link.execute(f"PRAGMA {pragma}").fetchall())

        with pytest.raises(error, match=text) as caught:
            await store.set("key", "x" * 100_000)
        assert isinstance(caught.value.__cause__, sqlite3.Error)
        assert caught.value.address == "storage.kit"
        assert await store.get("key") == "old"

    async def test_value_beyond_what_sqlite_holds_is_refused(self, store):
        """A value that is too big is the program's fault."""
        await store._file.run(
            lambda link: link.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 1000)
        )

        with pytest.raises(errors.InvalidRequest, match="so big a value"):
            await store.set("key", "x" * 1001)

    async def test_damaged_file_is_told(self, make_store, path):
        """A file that was overwritten in part is an error, not an empty store."""
        store = make_store()
        for number in range(100):
            await store.set(f"key{number}", "x" * 1000)
        await store.aclose()
        with path.open("r+b") as file:
            file.seek(4096)
            file.write(b"\xff" * (path.stat().st_size - 4096))

        with pytest.raises(errors.InvalidReply, match="is damaged"):
            await make_store().get("key50")

    async def test_foreign_value_is_told(self, store, other):
        """A row that something else wrote names its key."""
        await store.set("key", 1)
        other.execute("UPDATE key_value SET value = 'nonsense'")

        with pytest.raises(errors.InvalidReply, match="'key' is not JSON"):
            await store.get("key")

    async def test_mistake_in_a_call_is_not_disguised(self, store):
        """A condition that is no text fails as what it is."""
        with pytest.raises(sqlite3.Error):
            await store.delete("key", if_version=object())


class TestLocks:
    async def test_event_loop_goes_on_while_the_file_is_locked(self, store, other):
        """A lock of another process holds up the caller and nobody else."""
        await store.set("key", "old")
        other.execute("BEGIN IMMEDIATE")
        writing = asyncio.create_task(store.set("key", "new"))
        for _ in range(10):
            await asyncio.sleep(0.001)
        assert not writing.done()
        assert await store.get("key") == "old"

        other.execute("COMMIT")
        await writing
        assert await store.get("key") == "new"

    @pytest.mark.parametrize("busy_timeout", [0, 0.05])
    async def test_lock_that_stays_is_a_timeout(self, make_store, other, busy_timeout):
        """After the busy timeout the caller is told who has to do what."""
        store = make_store(busy_timeout=busy_timeout)
        await store.set("key", "old")
        other.execute("BEGIN IMMEDIATE")

        with pytest.raises(errors.Timeout, match=f"{busy_timeout} s") as caught:
            await store.set("key", "new")
        assert caught.value.request_sent == "no"
        assert caught.value.retryable
        assert caught.value.address == "storage.kit"

    async def test_lock_on_opening_is_waited_for(self, store, other):
        """A file that another process is just making is waited for."""
        other.execute("BEGIN EXCLUSIVE")
        reading = asyncio.create_task(store.get("key"))
        await asyncio.sleep(0.005)
        assert not reading.done()

        other.execute("COMMIT")
        assert await reading is None

    async def test_lock_on_purging_loses_no_write(self, make_store, other, clock):
        """A write whose purge has to wait is made once."""
        await make_store().set("old", 1, ttl=1)
        clock.advance(2)
        other.execute("BEGIN IMMEDIATE")
        counting = asyncio.create_task(make_store().incr("key"))
        await asyncio.sleep(0.005)
        other.execute("COMMIT")

        assert await counting == 1
        assert await make_store().get("key") == 1

    async def test_cancelled_wait_changes_nothing(self, store, other):
        """Who stops waiting for a lock has not written."""
        await store.set("key", "old")
        other.execute("BEGIN IMMEDIATE")
        writing = asyncio.create_task(store.set("key", "new"))
        await asyncio.sleep(0.005)
        writing.cancel()
        await asyncio.wait([writing])
        other.execute("COMMIT")

        assert writing.cancelled()
        assert await store.get("key") == "old"


class TestConnections:
    async def test_closing_leaves_nothing_open(self, make_store):
        """Closing closes the connections of all threads."""
        async with no_leaks():
            store = make_store()
            await asyncio.gather(
                *(asyncio.to_thread(asyncio.run, store.incr("key")) for _ in range(8))
            )
            await store.aclose()

    async def test_closing_removes_the_files_beside(self, store, tmp_path):
        """The last one to close leaves one file."""
        await store.set("key", 1)
        await store.aclose()

        assert [path.name for path in tmp_path.iterdir()] == ["kit.sqlite"]

    async def test_closing_twice_is_no_error(self, store):
        """What is closed can be closed again."""
        await store.set("key", 1)
        await store.aclose()
        await store.aclose()

    async def test_closing_what_was_not_used_makes_no_file(self, store, path):
        """A store that nobody used leaves no trace."""
        await store.aclose()

        assert not path.exists()

    async def test_ended_threads_leave_no_connection(self, store):
        """Connections are as many as are used at once, not as threads were started."""
        await store.set("key", 0)
        before = len(open_files())
        for _ in range(20):
            thread = threading.Thread(target=asyncio.run, args=(store.incr("key"),))
            thread.start()
            await asyncio.to_thread(thread.join)

        assert len(open_files()) == before
        assert await store.get("key") == 20

    async def test_closing_misses_no_connection(self, store):
        """A connection that is in use while the store closes is closed after it."""
        closed = []

        def close_meanwhile(connection):
            closing = threading.Thread(target=asyncio.run, args=(store.aclose(),))
            closing.start()
            closing.join()
            closed.append(connection)
            return connection.execute("SELECT 7").fetchone()

        row = await store._file.run(close_meanwhile)

        assert row == (7,)
        with pytest.raises(sqlite3.ProgrammingError, match="closed"):
            closed[0].execute("SELECT 7")

    async def test_failed_work_returns_its_connection(self, store):
        """An error does not cost a connection."""
        await store.set("key", "text")
        before = len(open_files())
        for _ in range(10):
            with pytest.raises(errors.InvalidRequest):
                await store.incr("key")

        assert len(open_files()) == before

    def test_fork_gets_connections_of_its_own(self, path):
        """A forked child never uses its parent's connections, and both go on."""
        run = subprocess.run(
            [sys.executable, "-c", FORK, str(path)],
            capture_output=True,
            text=True,
            check=False,
        )

        assert (run.stdout, run.stderr) == ("child 2\nparent 3\n", "")


FORK = """
import asyncio, os, sys
from pathlib import Path
from pegboard import Context
from pegboard.builtin.sqlite import SqliteKeyValue, SqliteOptions

path = Path(sys.argv[1])
store = SqliteKeyValue(SqliteOptions(path=path), Context("storage.kit", path.parent))
asyncio.run(store.incr("key"))
parents = list(store._file._idle)
child = os.fork()
if not child:
    print("child", asyncio.run(store.incr("key")), flush=True)
    assert len(store._file._idle) == 1
    assert store._file._idle[0] not in parents
    assert store._file._inherited == [parents]
    asyncio.run(store.aclose())
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
print("parent", asyncio.run(store.incr("key")))
assert store._file._idle == parents
asyncio.run(store.aclose())
"""


async def test_embedded_default_is_sqlite(tmp_path, monkeypatch):
    """With no settings at all, storage is a file in the data folder."""
    monkeypatch.chdir(tmp_path)
    async with Pegboard.isolated({}) as board:
        store = board.storage("anything", KeyValue)

        assert isinstance(store, SqliteKeyValue)
        assert await store.incr("key") == 1
