"""The logs of events that come with the core keep the contract."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest
from pegboard.builtin import _sqlite_events, _sqlite_queue
from pegboard.builtin.messaging import SCHEMA
from pegboard.testing.event_log import EventLogContract, PersistentEventLogContract


class TestMemory(EventLogContract):
    @pytest.fixture
    def settings(self):
        """Return the settings of a log in memory."""
        return {"provider": "memory"}


class TestSqlite(PersistentEventLogContract):
    @pytest.fixture
    def settings(self, tmp_path):
        """Return the settings of a log in a file."""
        return {"provider": "sqlite", "path": str(tmp_path / "kit.sqlite")}


@pytest.mark.parametrize(
    ("sql", "values"),
    [
        (_sqlite_events.BOUNDS, ()),
        (_sqlite_events.READ, (1,)),
        (_sqlite_events.TRIM, (1,)),
        (_sqlite_queue.LOOK, (1.0, 5)),
        (_sqlite_queue.TAKE, {"now": 1.0, "until": 2.0, "most": 1}),
        (_sqlite_queue.ACK, (1, 1)),
        (_sqlite_queue.LIST, (1, 1)),
    ],
)
def test_no_statement_reads_all_there_is(sql, values):
    """What a call costs does not grow with how much is kept."""
    with closing(sqlite3.connect(":memory:")) as connection:
        for statement in SCHEMA.statements:
            connection.execute(statement)
        plan = connection.execute(f"EXPLAIN QUERY PLAN {sql}", values).fetchall()

    steps = [step for *_, step in plan]
    assert steps
    assert not [
        step for step in steps if step.startswith("SCAN") and "CONST" not in step
    ]
