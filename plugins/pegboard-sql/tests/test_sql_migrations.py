from __future__ import annotations

import importlib
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from pegboard.cli._commands import cli
from pegboard.sync import Database, DocumentStore, KeyValue, Pegboard
from pegboard.testing.documents import PETS
from sqlalchemy import text

MODELS = """
from sqlalchemy import ForeignKey, MetaData, String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    metadata = MetaData(naming_convention={"uq": "uq_%(table_name)s_%(column_0_name)s"})


class User(Base):
    __tablename__ = "users"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(50))
"""
MORE = """
    email: Mapped[str | None] = mapped_column(String(100), unique=True)


class Post(Base):
    __tablename__ = "posts"
    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
"""
PROGRAM = "from pegboard.cli import main; main()"


class Project:
    """A folder with settings and declared tables, and the command line in it."""

    def __init__(self, folder, settings):
        self.folder = folder
        self.settings = {**settings, "metadata": "models:Base"}
        self.write_settings()
        self.declare(MODELS)

    def write_settings(self, **more):
        """Write the settings, with *more* for the database."""
        lines = [f"{k} = {json.dumps(v)}" for k, v in (self.settings | more).items()]
        head = ["[plugins]", 'use = ["sql"]', "[storage.main]"]
        (self.folder / "pegboard.toml").write_text("\n".join([*head, *lines]))

    def declare(self, text):
        """Write the tables."""
        (self.folder / "models.py").write_text(text)

    def pegboard(self, *arguments, code=0):
        """Run ``pegboard``; return what it prints."""
        sys.modules.pop("models", None)
        importlib.invalidate_caches()
        result = CliRunner().invoke(cli, arguments)
        assert result.exit_code == code, result.output
        return result.output

    def db(self, *arguments, code=0):
        """Run ``pegboard db``; return what it prints."""
        return self.pegboard("db", *arguments, code=code)

    def execute(self, sql):
        """Run a statement; return the rows, if there are any."""
        with (
            Pegboard() as board,
            board.storage("main", Database).transaction() as session,
        ):
            found = session.execute(text(sql))
            return [tuple(row) for row in found] if found.returns_rows else []


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Be in an empty folder, whose modules are forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    return tmp_path


@pytest.fixture
def project(folder, settings):
    """Return a project whose one database is empty, of each kind in turn."""
    return Project(folder, settings)


@pytest.fixture
def small(folder, sqlite_url):
    """Return a project whose database is a file."""
    return Project(folder, {"provider": "sql", "url": sqlite_url})


def test_tables_come_and_go(project):
    """Written by comparing, applied, shown, taken back."""
    assert "Wrote " in project.db("revision", "-m", "add users")
    assert "0 applied, 1 pending." in project.db("status", code=1)
    assert "add users" in project.db("upgrade")
    assert project.db("status") == "1 applied, 0 pending.\n"
    assert project.execute("SELECT count(*) FROM users") == [(0,)]
    assert "Took back" in project.db("downgrade", "-1")
    assert "0 applied, 1 pending." in project.db("status", code=1)


def test_second_migration_is_what_changed(project):
    """Rows stay where a table is altered, those that refer to it included."""
    project.db("revision", "-m", "add users")
    project.db("upgrade")
    project.execute("INSERT INTO users (id, name) VALUES (1, 'Ada')")
    project.declare(MODELS + MORE)
    project.db("revision", "-m", "add posts and emails")
    project.db("upgrade")
    project.execute("INSERT INTO posts (id, user_id) VALUES (1, 1)")
    project.declare((MODELS + MORE).replace("String(50)", "String(60)"))
    project.db("revision", "-m", "lengthen names")
    project.db("upgrade")

    assert project.db("status") == "3 applied, 0 pending.\n"
    assert project.execute("SELECT name, email FROM users") == [("Ada", None)]
    assert project.execute("SELECT user_id FROM posts") == [(1,)]


@pytest.mark.parametrize("tables", [{}, {"table": "use", "documents_table": "papers"}])
def test_tables_of_pegboard_are_left_alone(project, tables):
    """What it makes by itself is no difference; what is named nearly alike is one."""
    project.write_settings(**tables)
    with Pegboard() as board:
        board.storage("main", KeyValue).set("a", 1)
        board.storage("main", DocumentStore).put_document(PETS, "a", {"age": 1})
    project.db("revision", "-m", "add users")
    (written,) = project.folder.glob("migrations/*.py")

    changed = re.findall(r"op\.(\w+)\(\s*['\"](\w+)", written.read_text())
    assert changed == [("create_table", "users"), ("drop_table", "users")]
    project.db("upgrade")
    project.db("revision", "-m", "nothing")
    written = max(project.folder.glob("migrations/*_nothing.py"))
    assert "op." not in written.read_text().replace("import op", "")


def test_failed_migration_leaves_nothing(project):
    """All that one run applies is one transaction."""
    project.db("revision", "-m", "add users")
    project.db("revision", "--empty", "-m", "fail", code=0)
    written = max(project.folder.glob("migrations/*_fail.py"))
    broken = written.read_text().replace(
        '"""Change the tables."""\n    pass',
        'op.execute("INSERT INTO nowhere VALUES (1)")',
    )
    written.write_text(broken)

    assert "nowhere" in project.db("upgrade", code=1)
    assert "0 applied, 2 pending." in project.db("status", code=1)


def test_two_deployments_take_turns(project):
    """Who comes second finds nothing to do."""
    project.db("revision", "-m", "add users")
    command = [sys.executable, "-c", PROGRAM, "db", "upgrade"]
    running = [subprocess.Popen(command, cwd=project.folder) for _ in range(3)]

    assert [process.wait() for process in running] == [0, 0, 0]
    assert project.db("status") == "1 applied, 0 pending.\n"


def test_revision_wants_the_database_up_to_date(small):
    """Else the difference would hold what another migration does already."""
    small.db("revision", "-m", "add users")

    assert "not up to date" in small.db("revision", "-m", "again", code=1)


def test_unknown_revision_is_told(small):
    """It is an error of one line."""
    small.db("revision", "-m", "add users")
    told = small.db("upgrade", "nonsense", code=1)

    assert told.startswith("Error: ")
    assert "nonsense" in told
    assert "Traceback" not in told


def test_several_databases_have_to_be_told_apart(small):
    """The names to choose from are shown."""
    with (small.folder / "pegboard.toml").open("a") as file:
        file.write('\n[storage.other]\nprovider = "sql"\nurl = "sqlite:///o.sqlite"\n')

    told = small.db("status", code=1)
    assert "--storage NAME. Databases in the settings: main, other." in told
    assert "0 applied" in small.db("status", "--storage", "other")


def test_other_storage_is_refused(small):
    """Migrations need a database of this package."""
    with (small.folder / "pegboard.toml").open("a") as file:
        file.write('\n[storage.cache]\nprovider = "memory"\n')

    assert "storage.cache" in small.db("status", "--storage", "cache", code=1)


def test_own_environment_is_used(small):
    """A folder with an env.py is Alembic's usual one."""
    folder = small.folder / "migrations"
    (folder / "versions").mkdir(parents=True)
    ours = Path(__file__).parents[1] / "src/pegboard_sql/alembic_environment"
    text = (ours / "env.py").read_text()
    (folder / "env.py").write_text(f"{text}\nprint('own environment')\n")
    (folder / "script.py.mako").write_text((ours / "script.py.mako").read_text())

    small.db("revision", "-m", "add users")
    assert "own environment" in small.db("upgrade")
    assert len([*(folder / "versions").glob("*.py")]) == 1


def test_unreachable_database_is_one_line(small):
    """What is wrong is said without a traceback, and without the password."""
    url = "postgresql://postgres:sentinel-of-a-password@127.0.0.1:1/x"
    small.write_settings(provider="postgresql", url=url)
    told = small.db("status", code=1)

    assert "Traceback" not in told
    assert "sentinel" not in told
    assert "Check url" in told


def test_help_lists_the_commands(small):
    """Where the plugin is used, its commands are there like any other."""
    assert "db " in small.pegboard("--help")
    told = small.db("--help")
    assert all(name in told for name in ("upgrade", "downgrade", "revision", "status"))
