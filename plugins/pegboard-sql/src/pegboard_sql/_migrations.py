"""Migrations: Alembic on an instance's own connection, without files to set it up."""

from __future__ import annotations

import io
import sys
import warnings
from argparse import Namespace
from contextlib import contextmanager
from pathlib import Path
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any, NamedTuple

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from ._engines import execute_at_once

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from sqlalchemy import Connection, MetaData

    from .options import SqlOptions

    Tell = Callable[[str], object]

LOCK = int.from_bytes(b"pegboard", "big", signed=True)
TURNS = {
    "postgresql": (
        f"SELECT pg_advisory_lock({LOCK})",
        f"SELECT pg_advisory_unlock({LOCK})",
    ),
    # It locks by itself. But changing a table there is to write it anew, and dropping
    # the old one would delete the rows that refer to it.
    "sqlite": ("PRAGMA foreign_keys = OFF", "PRAGMA foreign_keys = ON"),
}
"""What comes before and after changing tables, so that two deployments take turns."""
OURS = "pegboard_"
"""How the tables begin that nobody migrates: those of values and documents."""

OUR_INDEXES = f".*expression-based index {OURS}"
"""What SQLAlchemy says of those of documents in SQLite."""


class Status(NamedTuple):
    """How far the tables of a database are."""

    applied: int
    pending: list[str]
    """What is to come, as revision and message, the next one first."""


class Migrations:
    """The migrations of an instance, on a connection to its database."""

    def __init__(self, options: SqlOptions, connection: Connection, tell: Tell) -> None:
        self._options = options
        self._connection = connection
        self._tell = tell
        self.folder = Path(options.migrations).absolute()

    def upgrade(self, revision: str) -> None:
        """Apply what is missing up to *revision*."""
        with self._alone():
            command.upgrade(self._config(), revision)

    def downgrade(self, revision: str) -> None:
        """Take back what came after *revision*."""
        with self._alone():
            command.downgrade(self._config(), revision)

    def add(self, message: str, *, empty: bool) -> None:
        """Write a migration: what the declared tables differ by, or an *empty* one."""
        self.folder.mkdir(parents=True, exist_ok=True)
        declared = self._options.metadata is not None and not empty
        with warnings.catch_warnings():
            # Alembic looks at all tables before it asks which it is to compare.
            warnings.filterwarnings("ignore", OUR_INDEXES)
            made = command.revision(self._config(), message, autogenerate=declared)
        for script in made if isinstance(made, list) else [made]:
            if script is not None:
                self._tell(f"Wrote {script.path}")

    def status(self) -> Status:
        """Compare the database with the folder."""
        scripts = ScriptDirectory.from_config(self._config())
        current = MigrationContext.configure(self._connection).get_current_heads()
        everything = list(scripts.walk_revisions())
        applied = {
            script.revision for script in scripts.iterate_revisions(current, "base")
        }
        pending = [
            f"{script.revision} {script.doc}"
            for script in reversed(everything)
            if script.revision not in applied
        ]
        return Status(len(everything) - len(pending), pending)

    def _config(self) -> Config:
        """Return what Alembic reads from an ini file elsewhere."""
        config = Config(stdout=io.StringIO(), cmd_opts=Namespace(quiet=True))
        own = (self.folder / "env.py").is_file()
        place = _escaped(self.folder) if own else "pegboard_sql:alembic_environment"
        versions = self.folder / "versions" if own else self.folder
        config.set_main_option("script_location", place)
        config.set_main_option("path_separator", "newline")
        config.set_main_option("version_locations", _escaped(versions))
        config.attributes["connection"] = self._connection
        config.attributes["configure"] = self._environment()
        return config

    def _environment(self) -> dict[str, Any]:
        return {
            "connection": self._connection,
            "target_metadata": self._metadata(),
            "include_name": self._is_migrated,
            "on_version_apply": self._applied,
            "transactional_ddl": True,  # of SQLite, too: we begin its transactions
            "render_as_batch": self._connection.dialect.name == "sqlite",
        }

    def _metadata(self) -> MetaData | None:
        if self._options.metadata is None:
            return None
        here = str(Path.cwd())
        if here not in sys.path:  # a program there would find its modules
            sys.path.insert(0, here)
        declared: Any = resolve_name(self._options.metadata)
        metadata: MetaData = getattr(declared, "metadata", declared)
        return metadata

    def _is_migrated(self, name: str | None, kind: str, _: object) -> bool:
        named = (self._options.table, self._options.documents_table)
        ours = {table.rpartition(".")[2] for table in named if table}
        return kind != "table" or not (name in ours or str(name).startswith(OURS))

    def _applied(self, *, step: Any, **_: object) -> None:
        revision = step.up_revision
        done = "Applied" if step.is_upgrade else "Took back"
        self._tell(f"{done} {revision.revision} {revision.doc}")

    @contextmanager
    def _alone(self) -> Generator[None]:
        """Let no other deployment change the tables meanwhile."""
        take, give_back = TURNS.get(self._connection.dialect.name, ("", ""))
        execute_at_once(self._connection, take)
        try:
            yield
            self._connection.commit()
        finally:
            self._connection.rollback()
            execute_at_once(self._connection, give_back)


def _escaped(path: Path) -> str:
    return str(path).replace("%", "%%")
