"""pegboard copy: from one storage to another."""

import asyncio
import json

import pytest
from click.testing import CliRunner
from pegboard import Blobs, KeyValue, Pegboard
from pegboard.cli._commands import cli


def run(*arguments):
    """Return the result of the command."""
    return CliRunner().invoke(cli, ["copy", *arguments])


@pytest.fixture
def old_and_new(project):
    """Have a storage with three values, and an empty one."""
    project.joinpath("pegboard.toml").write_text(
        '[storage.old]\nprovider = "sqlite"\n[storage.new]\nprovider = "sqlite"\n'
    )
    store("old", {"a": 1, "b": 2, "c": 3})


def store(name, values):
    """Store *values* in the storage *name*."""

    async def main():
        async with Pegboard() as board:
            await board.storage(name, KeyValue).set_many(values)

    asyncio.run(main())


@pytest.mark.usefixtures("old_and_new")
def test_copy_says_what_it_did():
    """One line for each kind of thing, and JSON for programs."""
    first, second = (
        run("storage.old", "storage.new"),
        run("storage.old", "storage.new", "--json"),
    )

    assert first.exit_code == 0
    assert "values  3      3       0" in first.stdout
    assert json.loads(second.stdout) == [
        {
            "what": "values",
            "found": 3,
            "copied": 0,
            "differing": 0,
            "differences": [],
        }
    ]


@pytest.mark.usefixtures("old_and_new")
def test_copy_does_not_overwrite_unless_asked():
    """It says what is in the way, and how to go on."""
    store("new", {"b": "mine"})
    refused = run("storage.old", "storage.new")
    asked = run("storage.old", "storage.new", "--overwrite")

    assert refused.exit_code == 1
    assert "The target is not empty: it has 'b'" in refused.stderr
    assert "overwrite" in refused.stderr
    assert asked.exit_code == 0


@pytest.mark.usefixtures("old_and_new")
def test_copy_takes_a_part():
    """A prefix, or one kind of thing."""
    assert (
        "values  1      1       0"
        in run("storage.old", "storage.new", "--prefix", "c", "--only", "values").stdout
    )
    nothing = run("storage.old", "storage.new", "--only", "documents")
    assert "nothing" in nothing.stdout
    named = run(
        "storage.old", "storage.new", "--only", "documents", "--collection", "x"
    )
    assert "documents of x  0" in named.stdout


@pytest.mark.usefixtures("old_and_new")
@pytest.mark.parametrize("address", ["old", "llm.default", "storage"])
def test_copy_takes_addresses_of_storages(address):
    """Anything else is told what to write."""
    result = run(address, "storage.new")

    assert result.exit_code == 1
    assert "such as storage.sessions" in result.stderr


def test_copy_fails_if_anything_differs(project):
    """What differs is named, and the exit code is 1."""
    project.joinpath("pegboard.toml").write_text(
        '[storage.old]\nprovider = "files"\n[storage.new]\nprovider = "files"\n'
    )
    content = b"as it was stored"

    async def put():
        async with Pegboard() as board:
            await board.storage("old", Blobs).put("key", content)

    asyncio.run(put())
    first = run("storage.old", "storage.new")
    for file in project.rglob("new/**/*"):
        if file.is_file() and content in file.read_bytes():
            file.write_bytes(file.read_bytes().replace(content, content.upper()))
    second = run("storage.old", "storage.new")

    assert first.exit_code == 0
    assert second.exit_code == 1
    assert "blobs: 'key' is not the same" in second.stderr
