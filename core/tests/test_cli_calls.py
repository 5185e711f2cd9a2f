"""pegboard calls: the log of calls to models."""

import csv
import io
import json
import sqlite3
import time
from contextlib import closing

import pytest
from click.testing import CliRunner
from pegboard._observers.call_rows import COLUMNS, CallRow, write
from pegboard.cli._commands import cli

ROW = {
    "address": "llm.default",
    "operation": "complete",
    "provider": "fake",
    "model": "m",
    "outcome": "ok",
    "attempts": 1,
    "latency": 1.25,
    "input": 5,
    "cache_read": 2,
    "output": 3,
    "cost": 0.0001,
}


def run(*arguments):
    """Return the result of the command."""
    return CliRunner().invoke(cli, ["calls", *arguments])


def addresses(*arguments):
    """Return the addresses of the calls that the command shows."""
    return [row["address"] for row in json.loads(run("--json", *arguments).stdout)]


@pytest.fixture
def recorded(project):
    """Write calls as programs would, and return the file."""
    path = project / ".pegboard" / "calls" / "calls.sqlite"
    now = time.time()
    rows = [
        CallRow(**{**ROW, "began": now - 7200, "address": "llm.old"}),
        CallRow(**{**ROW, "began": now - 600, "outcome": "Timeout"}),
        CallRow(**{**ROW, "began": now - 300, "outcome": "cancelled"}),
        CallRow(**{**ROW, "began": now, "address": "llm.other", "model": "large"}),
    ]
    write(path, rows, oldest=0, most=100)
    return path


@pytest.mark.usefixtures("project")
def test_says_how_to_have_calls_recorded():
    """Where nothing is, it tells what to put into the settings."""
    result = run()

    assert result.exit_code == 1
    assert "record = true" in result.stderr


@pytest.mark.usefixtures("recorded")
def test_shows_a_table():
    """A line for each call, the latest last."""
    header, *lines = run().stdout.splitlines()

    assert header.split()[:3] == ["began", "address", "model"]
    assert len(lines) == 4
    assert lines[-1].split()[2:] == [
        *("llm.other", "large", "ok", "1", "1.25", "s", "-", "7+3", "0.000100")
    ]


@pytest.mark.usefixtures("recorded")
@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], ["llm.old", "llm.default", "llm.default", "llm.other"]),
        (["--address", "llm.other"], ["llm.other"]),
        (["--model", "large"], ["llm.other"]),
        (["--failed"], ["llm.default"]),
        (["--since", "1h"], ["llm.default", "llm.default", "llm.other"]),
        (["--since", "400s"], ["llm.default", "llm.other"]),
        (["--since", "0.5d", "--address", "llm.old"], ["llm.old"]),
        (["--limit", "1"], ["llm.other"]),
        (["--address", "llm.none"], []),
    ],
)
def test_filters(arguments, expected):
    """All conditions hold; of many, the latest are shown."""
    assert addresses(*arguments) == expected


def test_table_is_short_and_files_are_whole(recorded):
    """Twenty lines are enough for people; who takes JSON or CSV wants all."""
    rows = [CallRow(**{**ROW, "began": time.time()})] * 30
    write(recorded, rows, oldest=0, most=100)

    assert len(run().stdout.splitlines()) == 21
    assert len(addresses()) == 34
    assert len(run("--csv").stdout.splitlines()) == 35
    assert len(run("--csv", "--limit", "30").stdout.splitlines()) == 31


@pytest.mark.usefixtures("recorded")
def test_prints_csv():
    """With a header, and nothing where nothing is known."""
    first, *_ = csv.DictReader(io.StringIO(run("--csv").stdout))

    assert tuple(first) == COLUMNS
    assert (first["address"], first["input"], first["asked"]) == ("llm.old", "5", "")


@pytest.mark.usefixtures("recorded")
def test_time_that_is_none_is_refused():
    """With what to write instead."""
    result = run("--since", "yesterday")

    assert result.exit_code == 2
    assert "such as 15m" in result.stderr


def test_foreign_file_is_an_error(recorded):
    """It says what is wrong and what to do."""
    with closing(sqlite3.connect(recorded)) as connection:
        connection.execute("PRAGMA user_version = 2")

    result = run()

    assert result.exit_code == 1
    assert "move it away" in result.stderr


def test_file_that_is_no_database_is_an_error(recorded):
    """No traceback."""
    recorded.write_bytes(b"nonsense" * 1000)

    result = run()

    assert result.exit_code == 1
    assert "cannot be read" in result.stderr
