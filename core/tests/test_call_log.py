"""The log of calls to models."""

import asyncio
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing, suppress
from dataclasses import replace

import pytest
from pegboard import Message, Pegboard, errors
from pegboard._observers import call_log as _call_log
from pegboard._observers.call_log import CallLog
from pegboard._observers.call_rows import CallRow, read, write
from pegboard._settings.settings import CallsSettings
from pegboard.contracts.chat import ChatRequest, Reply, Text, Usage
from pegboard.observers import Call, CallFinished
from pegboard.testing.clock import ManualClock, run_virtual

NOW = 1_000_000_000.0
DAY = 24 * 3600
ROW = CallRow(
    began=NOW,
    address="llm.x",
    operation="complete",
    provider="fake",
    model="m",
    outcome="ok",
    attempts=1,
    latency=1.0,
)


def path_in(folder):
    """Return where the log of a board with the data folder *folder* is."""
    return folder / "calls" / "calls.sqlite"


def rows_in(folder):
    """Return all rows, the oldest first."""
    return read(path_in(folder), [], 1000)


def board_of(folder, llm=None, *, others=None, **calls):
    """Return a board that records its calls below *folder*."""
    settings = {
        "llm": {"default": llm or {"provider": "fake"}, **(others or {})},
        "data_folder": str(folder),
        "calls": {"record": True, **calls},
    }
    return Pegboard.isolated(settings, clock=ManualClock(NOW))


def rows_after(folder, llm=None, *, prompt="Hi", **calls):
    """Return the rows after one call to *llm*."""

    async def main():
        async with board_of(folder, llm, **calls) as board:
            with suppress(errors.CallError):
                await board.llm().complete(prompt)

    run_virtual(main())
    return rows_in(folder)


# --- what is written ---


def test_call_is_a_row(tmp_path):
    """Where it went, how it ended, how long it took and what it used."""
    fake = {
        "provider": "fake",
        "delay": 2,
        "failures": ["RateLimited"],
        "policy": {"backoff": 0},
    }

    (row,) = rows_after(tmp_path, fake)

    assert row == CallRow(
        began=NOW - 2,
        address="llm.default",
        operation="complete",
        provider="fake",
        model="fake",
        outcome="ok",
        attempts=2,
        latency=2.0,
        input=row.input,
        cache_read=0,
        cache_write=0,
        output=row.output,
        reasoning=0,
    )
    assert row.input > 0
    assert row.output > 0


def test_failed_call_is_a_row(tmp_path):
    """With the kind of the error; what it says may quote what was asked."""
    fake = {"provider": "fake", "failures": ["Authentication"]}

    (row,) = rows_after(tmp_path, fake)

    assert (row.outcome, row.attempts, row.input) == ("Authentication", 1, None)


def must_be_long(reply):
    """Raise, whatever it is."""
    raise ValueError(reply)


def test_reply_that_is_no_good_has_tokens(tmp_path):
    """It was paid for, though the call failed."""
    fake = {"provider": "fake", "validate_reply": must_be_long}

    (row,) = rows_after(tmp_path, {**fake, "policy": {"attempts": 1}})

    assert (row.outcome, row.model) == ("InvalidReply", "fake")
    assert row.output > 0


def test_call_that_is_given_up_is_a_row(tmp_path):
    """Who cancels is no failure of the service."""

    async def main():
        async with board_of(tmp_path, {"provider": "fake", "delay": 10}) as board:
            with suppress(TimeoutError):
                async with asyncio.timeout(3):
                    await board.llm().complete("Hi")

    run_virtual(main())

    (row,) = rows_in(tmp_path)
    assert (row.outcome, row.latency) == ("cancelled", 3.0)


def test_stream_is_a_row(tmp_path):
    """With the time to its first event; the tokens are those of its end."""

    async def main():
        async with board_of(tmp_path, {"provider": "fake", "delay": 1}) as board:
            async for _ in board.llm().stream("Hi"):
                pass

    run_virtual(main())

    (row,) = rows_in(tmp_path)
    assert (row.operation, row.outcome) == ("stream", "ok")
    assert 0 < row.first_item <= row.latency
    assert row.output > 0


def test_cost_is_that_of_the_price_list(tmp_path):
    """What has no price has no cost: that of fake models is unknown."""

    async def main():
        log = CallLog(path_in(tmp_path), CallsSettings(record=True), lambda: NOW)
        for provider in ("openai", "fake"):
            call = Call("llm.x", "complete", provider, 0.0, 9.0, lambda: 0.0)
            usage = Usage(input=10**6)
            reply = Reply(
                parts=(), finish_reason="stop", usage=usage, model="gpt-5-nano"
            )
            log.notify(CallFinished(call, 1.0, reply))
        await log.aclose()

    asyncio.run(main())

    assert [row.cost for row in rows_in(tmp_path)] == [0.05, None]


def test_model_made_of_others_is_no_row_of_its_own(tmp_path):
    """Its targets are; or sums would count tokens twice."""
    llm = {"provider": "fallback", "targets": ["bad", "good"]}
    bad = {"provider": "fake", "failures": ["Authentication"]}

    async def main():
        others = {"bad": bad, "good": {"provider": "fake"}}
        async with board_of(tmp_path, llm, others=others) as board:
            await board.llm().complete("Hi")

    run_virtual(main())

    found = [(row.address, row.outcome) for row in rows_in(tmp_path)]
    assert found == [("llm.bad", "Authentication"), ("llm.good", "ok")]


# --- content ---


def without_names(request):
    """Return *request* with the name hidden."""
    return replace(request, messages=(Message.of("user", "I am N."),))


def test_words_are_not_written_unless_settings_ask(tmp_path):
    """The file holds nothing of them."""
    (row,) = rows_after(tmp_path, prompt="My diary")

    assert (row.asked, row.said) == (None, None)
    assert b"diary" not in path_in(tmp_path).read_bytes()


@pytest.mark.parametrize("streams", [False, True])
def test_content_is_what_was_sent(streams, tmp_path):
    """What filter_request takes out is not written either."""
    llm = {"provider": "fake", "filter_request": without_names, "replies": ["Hello"]}

    async def main():
        async with board_of(tmp_path, llm, content=True) as board:
            if streams:
                async for _ in board.llm().stream("I am Ada."):
                    pass
            else:
                await board.llm().complete("I am Ada.")

    run_virtual(main())

    (row,) = rows_in(tmp_path)
    assert "I am N." in row.asked
    assert "Hello" in row.said
    assert b"Ada" not in path_in(tmp_path).read_bytes()


def test_others_on_the_machine_cannot_read_it(tmp_path):
    """The file is its owner's alone."""
    rows_after(tmp_path)

    assert stat.S_IMODE(path_in(tmp_path).stat().st_mode) == 0o600


# --- when it is written ---


def test_nothing_is_written_unasked(tmp_path):
    """Recording is off by default."""
    settings = {"llm": {"default": {"provider": "fake"}}, "data_folder": str(tmp_path)}

    async def main():
        async with Pegboard.isolated(settings) as board:
            await board.llm().complete("Hi")

    run_virtual(main())

    assert list(tmp_path.iterdir()) == []


def test_calls_are_written_together_some_seconds_later(tmp_path, monkeypatch):
    """Not at each call: calls do not wait for the file."""
    batches = []

    def counting(path, rows, **bounds):
        batches.append(len(rows))
        write(path, rows, **bounds)

    monkeypatch.setattr(_call_log, "write", counting)

    async def main():
        async with board_of(tmp_path, write_every=10) as board:
            for _ in range(3):
                await board.llm().complete("Hi")
            await asyncio.sleep(9)
            before = batches.copy()
            await asyncio.sleep(2)
            return before, batches.copy()

    assert run_virtual(main()) == ([], [3])


def test_next_calls_are_written_too(tmp_path):
    """Each time anew, and what is left when the board closes."""

    async def main():
        async with board_of(tmp_path, write_every=1) as board:
            for _ in range(3):
                await board.llm().complete("Hi")
                await asyncio.sleep(2)
            await board.llm().complete("Hi")
            return len(rows_in(tmp_path))

    assert run_virtual(main()) == 3
    assert len(rows_in(tmp_path)) == 4


# --- it harms no call ---


def test_file_that_cannot_be_written_harms_no_call(tmp_path):
    """Something else is where the folder should be: calls and closing do not mind."""
    (tmp_path / "calls").write_text("")

    async def main():
        async with board_of(tmp_path) as board:
            return (await board.llm().complete("Hi")).text

    assert run_virtual(main()) == "Hi"


def test_foreign_file_is_left_as_it_is(tmp_path):
    """That of another version is neither changed nor read."""
    rows_after(tmp_path)
    with closing(sqlite3.connect(path_in(tmp_path))) as connection:
        connection.execute("PRAGMA user_version = 2")

    async def main():
        async with board_of(tmp_path) as board:
            await board.llm().complete("Hi")

    run_virtual(main())

    with closing(sqlite3.connect(path_in(tmp_path))) as connection:
        assert connection.execute("SELECT count(*) FROM calls").fetchone() == (1,)


def test_locked_file_keeps_no_call_waiting(tmp_path):
    """Another process holds the file: calls go on, rows come when it lets go."""
    rows_after(tmp_path)

    async def main():
        async with board_of(tmp_path, write_every=1) as board:
            with closing(sqlite3.connect(path_in(tmp_path))) as other:
                other.isolation_level = None
                other.execute("BEGIN EXCLUSIVE")
                await board.llm().complete("Hi")
                answered = len(board.stats()["llm.default"].spent)
                other.execute("ROLLBACK")
        return answered

    assert run_virtual(main()) == 1
    assert len(rows_in(tmp_path)) == 2


def test_waiting_calls_are_bounded(tmp_path, monkeypatch):
    """A file that nobody writes fills no memory."""
    monkeypatch.setattr(_call_log, "MOST_WAITING", 5)

    async def main():
        async with board_of(tmp_path, write_every=100) as board:
            for _ in range(9):
                await board.llm().complete("Hi")

    run_virtual(main())

    assert len(rows_in(tmp_path)) == 5


def test_loop_that_ended_loses_no_call(tmp_path):
    """What it had no time to write is written with the next, or at the end."""
    log = CallLog(path_in(tmp_path), CallsSettings(record=True), lambda: NOW)

    async def call(number):
        of = Call("llm.x", "complete", str(number), 0.0, 9.0, lambda: 0.0)
        log.notify(CallFinished(of, 1.0, None))

    async def last():
        await call(2)
        await log.aclose()

    asyncio.run(call(0))
    asyncio.run(call(1))
    asyncio.run(last())

    assert [row.provider for row in rows_in(tmp_path)] == ["0", "1", "2"]


def test_nothing_is_written_after_closing(tmp_path):
    """A call that outlives its board is left out; nobody waits for it."""

    async def main():
        log = CallLog(path_in(tmp_path), CallsSettings(record=True), lambda: NOW)
        await log.aclose()
        of = Call("llm.x", "complete", "fake", 0.0, 9.0, lambda: 0.0)
        log.notify(CallFinished(of, 1.0, None))
        return asyncio.all_tasks()

    assert len(asyncio.run(main())) == 1
    assert not path_in(tmp_path).exists()


# --- how long it is kept ---


@pytest.mark.parametrize(("age", "kept"), [(30 * DAY, 2), (30 * DAY + 1, 1)])
def test_old_calls_are_removed(age, kept, tmp_path):
    """Those from before the days that the settings name."""
    path = path_in(tmp_path)
    write(path, [replace(ROW, began=NOW - age)], oldest=0, most=10)

    write(path, [ROW], oldest=NOW - 30 * DAY, most=10)

    assert len(rows_in(tmp_path)) == kept


def test_no_more_calls_are_kept_than_settings_say(tmp_path):
    """The latest stay."""
    rows = [replace(ROW, model=str(number)) for number in range(25)]

    write(path_in(tmp_path), rows, oldest=0, most=10)

    found = [row.model for row in rows_in(tmp_path)]
    assert found == [str(number) for number in range(15, 25)]


def test_settings_say_how_long(tmp_path):
    """Days and number of calls."""
    write(path_in(tmp_path), [replace(ROW, began=NOW - DAY)] * 3, oldest=0, most=10)

    (row,) = rows_after(tmp_path, keep_days=0.5, keep_calls=2)

    assert row.address == "llm.default"


def test_processes_share_a_file(tmp_path):
    """Each adds its rows; none is lost."""
    program = (
        "import asyncio, sys\n"
        "from pegboard import Pegboard\n"
        "async def main():\n"
        "    settings = {'llm': {'default': {'provider': 'fake'}},\n"
        "        'data_folder': sys.argv[1],\n"
        "        'calls': {'record': True, 'write_every': 0.001}}\n"
        "    async with Pegboard.isolated(settings) as board:\n"
        "        for _ in range(50):\n"
        "            await board.llm().complete('Hi')\n"
        "            await asyncio.sleep(0.001)\n"
        "asyncio.run(main())\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    running = [subprocess.Popen(command) for _ in range(3)]

    assert [process.wait(60) for process in running] == [0, 0, 0]
    assert len(rows_in(tmp_path)) == 150


def test_request_of_another_kind_has_no_words(tmp_path):
    """Embeddings are rows, without content."""

    async def main():
        async with board_of(tmp_path, content=True) as board:
            await board.llm().embed("Hi")

    run_virtual(main())

    (row,) = rows_in(tmp_path)
    assert (row.operation, row.asked) == ("embed", None)
    assert row.input > 0


def test_content_of_a_stream_is_kept_apart(tmp_path):
    """Streams at the same time do not mix."""

    async def read_all(stream):
        async for _ in stream:
            pass

    async def main():
        llm = {"provider": "fake"}
        async with board_of(tmp_path, llm, content=True) as board:
            prompts = ("one", "two")
            streams = [read_all(board.llm().stream(prompt)) for prompt in prompts]
            await asyncio.gather(*streams)

    run_virtual(main())

    for row in rows_in(tmp_path):
        (name,) = [name for name in ("one", "two") if name in row.asked]
        assert name in row.said


def test_reply_without_content_is_empty():
    """A call that failed has said nothing."""
    request = ChatRequest(messages=(Message("user", (Text("Hi"),)),))
    call = Call("llm.x", "complete", "fake", 0.0, 9.0, lambda: 0.0, request)
    ended = _call_log.Ended(call, 1.0, NOW, error=errors.Unavailable("down"))

    row = ended.row(keeps_content=True)

    assert ("Hi" in row.asked, row.said) == (True, None)
