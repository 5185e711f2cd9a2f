"""pegboard stats: what programs wrote of their calls."""

import asyncio
import json

import pytest
from click.testing import CliRunner
from pegboard import Pegboard
from pegboard._observers.stats_file import StatsFile
from pegboard._policy.accounts import Histogram
from pegboard.cli._commands import cli
from pegboard.stats import Stats


def run(*arguments):
    """Return the result of the command."""
    return CliRunner().invoke(cli, ["stats", *arguments])


def call(times):
    """Call the model of the project *times* times, as a program would."""

    async def main():
        async with Pegboard({"stats": {"write_every": 10}}) as board:
            for _ in range(times):
                await board.llm().complete("Hi")

    asyncio.run(main())


@pytest.mark.usefixtures("project")
def test_says_how_to_have_stats_written():
    """Where nothing is, it tells what to put into the settings."""
    result = run()

    assert result.exit_code == 0
    assert "write_every = 10" in result.output


@pytest.mark.usefixtures("project")
def test_sums_up_what_several_programs_did():
    """By address."""
    call(2)
    call(3)

    found = json.loads(run("--json").output)["llm.default"]

    assert (found["calls"], found["latency"]["count"]) == (5, 5)


@pytest.mark.usefixtures("project")
def test_shows_a_table():
    """A line for each address."""
    call(2)

    header, line = run().output.splitlines()

    assert header.split()[:3] == ["address", "calls", "failures"]
    assert line.split()[:3] == ["llm.default", "2", "-"]


@pytest.mark.usefixtures("project")
def test_percentiles_are_those_of_all_calls_together(tmp_path):
    """Not those of the slowest process, nor a mean: 90 fast ones outweigh 10 slow."""
    for durations in ([0.1] * 90, [10.0] * 10):
        histogram = Histogram()
        for seconds in durations:
            histogram.add(seconds)
        stats = {"llm.x": Stats(calls=len(durations), latency=histogram.latency())}
        clock, folder = (lambda: 0.0), tmp_path / ".pegboard" / "stats"
        StatsFile(folder, 1, clock, lambda stats=stats: stats).close()

    latency = json.loads(run("--json").output)["llm.x"]["latency"]

    assert (latency["count"], latency["longest"]) == (100, 10.0)
    assert latency["p50"] == pytest.approx(0.1, rel=0.03)
    assert latency["p95"] == pytest.approx(10, rel=0.03)


@pytest.mark.parametrize("text", ["", '{"form', "[]", "{}", '{"format": 1}', "3"])
def test_leaves_out_what_is_no_such_file(text, project):
    """Torn and foreign files are named, the others are shown."""
    call(1)
    (project / ".pegboard" / "stats" / "foreign.json").write_text(text)

    result = run()

    assert result.exit_code == 0
    assert "foreign.json is left out" in result.stderr
    assert "llm.default" in result.stdout


@pytest.mark.parametrize("key", ["calls", "failures", "latency", "breaker", "usage"])
def test_leaves_out_what_does_not_add_up(key, project):
    """A file with something else where numbers should be is named and left out."""
    call(1)
    folder = project / ".pegboard" / "stats"
    (file,) = folder.glob("*.json")
    whole = json.loads(file.read_text())
    whole["stats"]["llm.default"][key] = "many"
    (folder / "foreign.json").write_text(json.dumps(whole))

    result = run()

    assert result.exit_code == 0
    assert "foreign.json is left out" in result.stderr
