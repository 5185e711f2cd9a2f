"""pegboard worker: a process that works on a queue."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys

import pytest
from pegboard import Pegboard, Queue, QueueCounts

SETTINGS = """
[integrations.jobs]
provider = "sqlite"

[integrations.vault]
provider = "environment"
"""
HANDLERS = """
import asyncio

async def show(delivery):
    print("got", delivery.body, flush=True)

async def show_addresses(delivery, board):
    print(board.addresses(), flush=True)

async def fail(delivery):
    raise ValueError(f"no {delivery.body}")

async def hang(delivery):
    print("begun", flush=True)
    try:
        await asyncio.sleep(delivery.body)
    finally:
        print("ended", flush=True)

def plain(delivery):
    pass
"""


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Be in a project with handlers."""
    (tmp_path / "pegboard.toml").write_text(SETTINGS)
    (tmp_path / "handlers.py").write_text(HANDLERS)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def publish(*bodies):
    """Put messages into the queue of the project."""

    async def main():
        async with Pegboard() as board:
            for body in bodies:
                await board.integration("jobs", Queue).publish(body)

    asyncio.run(main())


def counts():
    """Return how many messages there are."""

    async def main():
        async with Pegboard() as board:
            return await board.integration("jobs", Queue).count()

    return asyncio.run(main())


def command(*arguments):
    """Return the command line of a worker."""
    return [sys.executable, "-m", "pegboard", "worker", "--queue", "jobs", *arguments]


def run(*arguments):
    """Run a worker to its end."""
    return subprocess.run(
        command(*arguments), capture_output=True, text=True, check=False
    )


@pytest.fixture
def start():
    """Return a function that starts a worker, which does not outlive the test."""
    started = []

    def start(*arguments):
        pipe = subprocess.PIPE
        process = subprocess.Popen(
            command(*arguments), stdout=pipe, stderr=pipe, text=True
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.mark.usefixtures("project")
def test_messages_are_handled():
    """Each one, and then it ends if it is told to."""
    publish({"a": 1}, 2)
    ran = run("handlers:show", "--drain")

    assert sorted(ran.stdout.splitlines()) == ["got 2", "got {'a': 1}"]
    assert (ran.returncode, ran.stderr) == (0, "Done: 2. Failed: 0.\n")
    assert counts() == QueueCounts(0, 0, 0)


@pytest.mark.usefixtures("project")
def test_handler_may_have_the_board():
    """A parameter of that name is how it says so."""
    publish(1)
    ran = run("handlers:show_addresses", "--drain")

    assert ran.stdout == "['integrations.jobs', 'integrations.vault']\n"


@pytest.mark.usefixtures("project")
def test_failure_is_told():
    """On stderr, with which message and what was raised; the message stays."""
    publish("luck")
    ran = run("handlers:fail", "--drain")

    assert "failed at delivery 1: ValueError: no luck\n" in ran.stderr
    assert "Done: 0. Failed: 1.\n" in ran.stderr
    assert counts().in_flight == 0
    assert sum(json.loads(json.dumps([counts().ready, counts().delayed]))) == 1


@pytest.mark.usefixtures("project")
def test_sigterm_lets_it_finish(start):
    """What was begun is done, and acknowledged."""
    publish(0.5)
    worker = start("handlers:hang")
    assert worker.stdout.readline() == "begun\n"
    worker.send_signal(signal.SIGTERM)
    out, err = worker.communicate()

    assert (worker.returncode, out) == (0, "ended\n")
    assert err == "Done: 1. Failed: 0.\n"
    assert counts() == QueueCounts(0, 0, 0)


@pytest.mark.usefixtures("project")
def test_second_signal_gives_back(start):
    """Others get what was begun, at once."""
    publish(600)
    worker = start("handlers:hang")
    assert worker.stdout.readline() == "begun\n"
    worker.send_signal(signal.SIGINT)
    worker.send_signal(signal.SIGTERM)
    out, err = worker.communicate()

    assert (worker.returncode, out) == (130, "ended\n")
    assert err == "Done: 0. Failed: 0.\n"
    assert counts() == QueueCounts(ready=1, delayed=0, in_flight=0)


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize(
    ("handler", "said"),
    [
        ("handlers:nobody", "Name it as package.module:function"),
        ("nowhere:show", "Name it as package.module:function"),
        ("handlers:plain", "is not async"),
    ],
)
def test_bad_handler_is_told(handler, said):
    """Before any message is received."""
    publish(1)
    ran = run(handler, "--drain")

    assert said in ran.stderr
    assert ran.returncode in {1, 2}
    assert counts() == QueueCounts(ready=1, delayed=0, in_flight=0)


@pytest.mark.usefixtures("project")
def test_what_is_no_queue_is_told():
    """With what to do."""
    ran = subprocess.run(
        [*command("handlers:show")[:4], "--queue", "vault", "handlers:show"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert "Queue" in ran.stderr
    assert ran.returncode == 1
