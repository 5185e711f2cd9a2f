"""Health: what is up and what is down, as it is now."""

import asyncio
import json
from contextlib import suppress

import pytest
from click.testing import CliRunner
from pegboard import (
    IntegrationProvider,
    Messenger,
    Options,
    Pegboard,
    errors,
    hookimpl,
    sync,
    time_left,
)
from pegboard.cli._commands import cli
from pegboard.cli._health import _watched
from pegboard.cli._place import Place
from pegboard.health import Health, judged, measured
from pegboard.stats import Stats
from pegboard.testing.clock import run_virtual


class Peg:
    """Something to ask: each address answers as the test says."""

    def __init__(self, _options, context):
        self.name = context.name
        self.outcomes = [errors.Authentication("no"), None]

    async def post_message(self, _channel, _text):
        outcome = self.outcomes.pop(0)
        if outcome is not None:
            raise outcome


def offering(name, factory):
    """Return a plugin that offers a messenger."""

    class Plugin:
        @hookimpl
        def pegboard_integrations(self):
            return [
                IntegrationProvider(
                    name=name,
                    factory=factory,
                    options=Options,
                    contracts={"Messenger": 1},
                )
            ]

    return Plugin()


def board_of(pings, **settings):
    """Return a board with an integration for each of *pings*, by name."""

    class Pinged(Peg):
        async def ping(self):
            return await pings[self.name]()

    instances = {name: {"provider": "pinged"} for name in pings}
    return Pegboard.isolated(
        {"integrations": instances, **settings}, plugins=[offering("pinged", Pinged)]
    )


async def fine():
    """Be reachable."""


async def hang():
    """Never answer."""
    await asyncio.Event().wait()


def health_of(ping, *, secrets=()):
    """Return what *ping* is measured as, in virtual time."""
    return run_virtual(measured(ping, 2.0, Stats(), secrets))


# --- measured ---


def test_answer_is_up():
    """What answers is up."""
    assert health_of(fine) == Health(status="up", reason="answered", elapsed=0.0)


def test_provider_may_say_what_it_found():
    """The answer is shown as the reason."""

    async def ping():
        return "12 models"

    assert health_of(ping).reason == "12 models"


def test_slow_answer_says_how_long_it_took():
    """The time of the check is told."""

    async def ping():
        await asyncio.sleep(1.5)

    assert health_of(ping).elapsed == 1.5


def test_silence_is_down():
    """A check is bounded, and says by what."""
    found = health_of(hang)

    assert (found.status, found.elapsed) == ("down", 2.0)
    assert found.reason == "no answer within 2 s"


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (
            errors.Authentication("bad key: s3cret"),
            "Authentication: bad key: ***",
        ),
        (ValueError("broken: s3cret"), "ValueError: broken: ***"),
    ],
)
def test_error_is_down_and_tells_no_secret(error, reason):
    """Whatever a plugin raises, the others are still told of."""

    async def ping():
        raise error

    found = health_of(ping, secrets=("s3cret",))

    assert (found.status, found.reason) == ("down", reason)


def test_provider_is_told_how_long_it_may_take():
    """A ping passes it on to its SDK, like a call does."""

    async def ping():
        return f"{time_left():g}"

    assert health_of(ping).reason == "2"


# --- judged by calls ---


@pytest.mark.parametrize(
    ("stats", "status", "reason"),
    [
        (Stats(), "unknown", "no call lately"),
        (Stats(last_answer=990.0), "up", "answered 10 s ago"),
        (Stats(last_answer=600.0), "unknown", "no call lately"),
        (
            Stats(last_answer=980.0, last_failure=990.0, last_error="gone"),
            "down",
            "failed 10 s ago: gone",
        ),
        (Stats(last_answer=995.0, last_failure=990.0), "up", "answered 5 s ago"),
        (Stats(breaker="open", last_error="gone"), "down", "breaker is open: gone"),
        (Stats(last_failure=600.0, last_error="gone"), "unknown", "no call lately"),
    ],
)
def test_without_a_check_calls_are_looked_at(stats, status, reason):
    """A recent call says something about now, an old one does not."""
    found = judged(stats, now=1000.0)

    assert found.status == status
    assert reason in found.reason


# --- on the board ---


async def test_all_instances_are_told_of(tmp_path):
    """Everything that is configured is asked, each in its own way."""
    settings = {
        "data_folder": str(tmp_path),
        "llm": {"default": {"provider": "fake"}},
        "storage": {"m": {"provider": "memory"}, "s": {"provider": "sqlite"}},
        "integrations": {
            "c": {"provider": "console"},
            "e": {"provider": "environment"},
            "f": {"provider": "files", "folder": str(tmp_path)},
        },
    }
    async with Pegboard.isolated(settings) as board:
        found = await board.health()

    assert list(found) == board.addresses()
    assert {one.status for one in found.values()} == {"up"}


async def test_missing_folder_of_secrets_is_down(tmp_path):
    """It is looked for, without reading a secret."""
    folder = tmp_path / "none"
    settings = {"f": {"provider": "files", "folder": str(folder)}}
    async with Pegboard.isolated({"integrations": settings}) as board:
        down = (await board.health())["integrations.f"]
        folder.mkdir()
        up = (await board.health())["integrations.f"]

    assert (down.status, up.status) == ("down", "up")
    assert down.reason.startswith("NotFound: The folder of secrets")


async def test_file_that_is_no_database_is_down(tmp_path):
    """The file is opened and read."""
    file = tmp_path / "x.sqlite"
    file.write_text("no database, just words, and many of them " * 100)
    settings = {"s": {"provider": "sqlite", "path": str(file)}}
    async with Pegboard.isolated({"storage": settings}) as board:
        found = (await board.health())["storage.s"]

    assert found.status == "down"


async def test_what_cannot_be_made_is_down():
    """A slip in the settings of one does not hide the others."""
    settings = {"a": {"provider": "fake", "modle": "x"}, "b": {"provider": "fake"}}
    async with Pegboard.isolated({"llm": settings}) as board:
        found = await board.health()

    assert (found["llm.a"].status, found["llm.b"].status) == ("down", "up")
    assert "Did you mean 'model'" in found["llm.a"].reason


def test_hanging_check_does_not_delay_the_others():
    """All are asked at once: the whole takes as long as the slowest."""
    answered = []

    async def ping():
        await asyncio.sleep(0.5)
        answered.append(asyncio.get_running_loop().time())

    async def main():
        board = board_of({"a": hang, "b": ping, "c": hang, "d": ping})
        start = asyncio.get_running_loop().time()
        async with board:
            found = await board.health()
        took = asyncio.get_running_loop().time() - start
        return found, [time - start for time in answered], took

    found, times, took = run_virtual(main())

    assert [one.status for one in found.values()] == ["down", "up", "down", "up"]
    assert (times, took) == ([0.5, 0.5], 2.0)


def test_time_of_a_check_is_a_setting():
    """``[health] timeout`` bounds each check."""

    async def main():
        async with board_of({"a": hang}, health={"timeout": 0.25}) as board:
            return await board.health()

    found = run_virtual(main())["integrations.a"]

    assert (found.reason, found.elapsed) == ("no answer within 0.25 s", 0.25)


async def test_health_is_not_remembered():
    """What is up again is up, twenty times over."""
    state = {"up": True}
    gone = errors.Unavailable("gone")

    async def ping():
        if not state["up"]:
            raise gone

    seen = []
    async with board_of({"a": ping}) as board:
        for number in range(20):
            state["up"] = number % 2 == 0
            seen.append((await board.health())["integrations.a"].status)

    assert seen == ["up", "down"] * 10


async def test_instance_without_a_check_follows_its_calls():
    """Its calls are all that is known of it."""
    now = [1000.0]
    settings = {"integrations": {"x": {"provider": "unpinged"}}}
    seen = []
    async with Pegboard.isolated(
        settings, plugins=[offering("unpinged", Peg)], clock=lambda: now[0]
    ) as board:
        messenger = board.integration("x", Messenger)
        seen.append((await board.health())["integrations.x"].status)
        for _ in range(2):
            now[0] += 1
            with suppress(errors.Authentication):
                await messenger.post_message("a", "b")
            seen.append((await board.health())["integrations.x"].status)
        now[0] += 1000
        seen.append((await board.health())["integrations.x"].status)

    assert seen == ["unknown", "down", "up", "unknown"]


def test_blocking_board_tells_its_health():
    """The same, without async."""
    with sync.Pegboard.isolated({"llm": {"default": {"provider": "fake"}}}) as board:
        assert board.health()["llm.default"].status == "up"


# --- on the command line ---


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Return a function that makes a text the settings of the project."""
    monkeypatch.chdir(tmp_path)
    return (tmp_path / "pegboard.toml").write_text


def run(*arguments):
    """Return the result of a command."""
    return CliRunner().invoke(cli, ["health", *arguments])


def test_command_prints_a_line_for_each(write):
    """With exit code 0 when nothing is down."""
    write('[llm.default]\nprovider = "fake"\n[storage.x]\nprovider = "memory"\n')

    result = run()

    assert result.exit_code == 0
    assert [line.split()[:2] for line in result.output.splitlines()] == [
        ["address", "status"],
        ["llm.default", "up"],
        ["storage.x", "up"],
    ]


def test_command_fails_if_anything_is_down(write):
    """So that a probe can use it."""
    write('[integrations.f]\nprovider = "files"\nfolder = "none"\n')

    result = run()

    assert result.exit_code == 1
    assert "down" in result.output


def test_command_prints_json(write):
    """Everything that is known, by address."""
    write('[llm.default]\nprovider = "fake"\n')

    found = json.loads(run("--json").output)["llm.default"]

    assert (found["status"], found["breaker"]) == ("up", "closed")
    assert found["elapsed"] >= 0


def test_watching_looks_again_and_again(write, capsys):
    """Until it is interrupted."""
    write('[llm.default]\nprovider = "fake"\n')

    async def main():
        watching = asyncio.create_task(_watched(Place(), 5.0, as_json=False))
        await asyncio.sleep(12)
        watching.cancel()
        await asyncio.wait([watching])

    run_virtual(main())

    assert capsys.readouterr().out.count("llm.default") == 3


def test_command_with_nothing_configured_says_so(write):
    """An empty table would look like a fault."""
    write("")

    assert run().output == "Nothing is configured.\n"
