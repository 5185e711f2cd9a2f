"""Alerts: messages to people when calls go wrong."""

import asyncio
from contextlib import suppress

import pytest
from pegboard import (
    IntegrationProvider,
    Options,
    Pegboard,
    Posted,
    errors,
    hookimpl,
    time_left,
)
from pegboard._observers.alerts import MOST_WAITING, Alerts
from pegboard._settings.settings import AlertSettings
from pegboard.observers import BreakerChanged, Call, CallSlow, TargetMissed
from pegboard.testing.clock import ManualClock, run_virtual

BREAKING = {
    "provider": "fake",
    "failures": ["Unavailable"] * 3,
    "policy": {"attempts": 1, "breaker": {"failures": 1, "open_for": 10}},
}


class Pager:
    """A messenger that remembers, and does as it is told."""

    def __init__(self):
        self.posted = []
        self.ready = asyncio.Event()
        self.ready.set()
        self.error = None
        self.time_left = []

    async def post_message(self, channel, text):
        self.time_left.append(time_left())
        await self.ready.wait()
        if self.error is not None:
            raise self.error
        self.posted.append((channel, text))
        return Posted(channel, "1")


@pytest.fixture
def pager():
    """Return a messenger."""
    return Pager()


def board_of(pager, llm, clock=None, **alerts):
    """Return a board that posts alerts through *pager*."""

    class Plugin:
        @hookimpl
        def pegboard_integrations(self):
            return [
                IntegrationProvider(
                    name="pager",
                    factory=lambda _options, _context: pager,
                    options=Options,
                    contracts={"Messenger": 1},
                )
            ]

    settings = {
        "llm": {"default": llm},
        "integrations": {"ops": {"provider": "pager"}},
        "alerts": {"to": "ops", **alerts},
    }
    return Pegboard.isolated(settings, plugins=[Plugin()], clock=clock or ManualClock())


async def fail(board):
    """Have a call fail."""
    with suppress(errors.CallError):
        await board.llm().complete("Hello.")


def opened(address="llm.x"):
    """Return that a breaker has opened."""
    return BreakerChanged(address, "closed", "open")


# --- what is posted ---


async def test_open_breaker_is_told(pager):
    """In the channel that the settings name, before the board is closed."""
    async with board_of(pager, BREAKING, channel="#ops") as board:
        await fail(board)

    ((channel, text),) = pager.posted
    assert channel == "#ops"
    assert text.startswith("llm.default: the circuit breaker has opened.")


async def test_part_of_an_instance_is_named(pager):
    """An instance may have a breaker for each of its models."""
    alerts = Alerts(AlertSettings(to="ops"), ManualClock(), lambda: pager)
    alerts.notify(BreakerChanged("llm.x", "closed", "open", part="large"))
    await alerts.aclose()

    assert pager.posted[0][1].startswith("llm.x large: the circuit breaker")


def test_closed_breaker_is_told(pager):
    """Good news too."""

    async def main():
        async with board_of(pager, {**BREAKING, "failures": ["Unavailable"]}) as board:
            await fail(board)
            await asyncio.sleep(11)
            await board.llm().complete("Hello.")

    run_virtual(main())

    assert ["opened" in text for _, text in pager.posted] == [True, False]
    assert "has closed" in pager.posted[1][1]


def test_slow_call_is_told(pager):
    """If the settings ask for it; what is slow is said by the breaker's policy."""
    slow = {
        "provider": "fake",
        "delay": 2,
        "policy": {"breaker": {"slow_call": 1.5}},
    }

    async def main():
        async with board_of(pager, slow, on=["slow"]) as board:
            await board.llm().complete("Hello.")

    run_virtual(main())

    ((_, text),) = pager.posted
    assert text == "llm.default: complete took 2 s. From 1.5 s on, it is slow."


async def test_only_what_is_asked_for_is_told(pager):
    """``on`` lists it."""
    async with board_of(pager, BREAKING, on=["slow"]) as board:
        await fail(board)

    assert pager.posted == []


async def test_no_alerts_unless_someone_posts_them(pager):
    """Without ``to`` nothing is made and nothing is posted."""
    async with board_of(pager, BREAKING, to=None) as board:
        await fail(board)

    assert pager.posted == []


# --- how often ---


async def test_repeats_are_left_out_and_counted(pager):
    """The same about the same address is posted once in a while."""
    clock = ManualClock()
    alerts = Alerts(AlertSettings(to="ops", suppress=300), clock, lambda: pager)
    for address in ("llm.x", "llm.x", "llm.y", "llm.x"):
        alerts.notify(opened(address))
    clock.advance(300)
    alerts.notify(opened())
    await alerts.aclose()

    texts = [text for _, text in pager.posted]
    assert [text.partition(":")[0] for text in texts] == ["llm.x", "llm.y", "llm.x"]
    assert sum("(2 other alerts were left out.)" in text for text in texts) == 1


async def test_each_target_and_each_part_is_told_of(pager):
    """Only the same again is a repeat, not another target of the same address."""
    settings = AlertSettings(to="ops", on=["target_missed", "breaker_open"])
    alerts = Alerts(settings, ManualClock(), lambda: pager)
    for slo, target in (
        ("fast", "p95"),
        ("fast", "error_rate"),
        ("lax", "p95"),
        ("fast", "p95"),
    ):
        alerts.notify(TargetMissed("llm.x", target, 3.0, 2.0, slo, 300.0))
    for part in (None, "large", "large"):
        alerts.notify(BreakerChanged("llm.x", "closed", "open", part=part))
    await alerts.aclose()

    assert len(pager.posted) == 5
    assert "(2 other alerts were left out.)" in pager.posted[0][1]


async def test_waiting_alerts_are_bounded(pager):
    """A flood fills no memory; what does not fit is counted."""
    pager.ready.clear()
    alerts = Alerts(AlertSettings(to="ops"), ManualClock(), lambda: pager)
    alerts.notify(opened("llm.first"))
    await asyncio.sleep(0)
    for number in range(MOST_WAITING + 5):
        alerts.notify(opened(f"llm.x{number}"))
    pager.ready.set()
    await alerts.aclose()

    assert len(pager.posted) == MOST_WAITING + 1
    assert "(5 other alerts were left out.)" in pager.posted[1][1]


# --- calls are not disturbed ---


async def test_calls_do_not_wait_for_alerts(pager):
    """The messenger hangs; the call has failed long since."""
    pager.ready.clear()
    async with board_of(pager, BREAKING) as board:
        await fail(board)
        assert board.stats()["llm.default"].failed == 1
        pager.ready.set()

    assert len(pager.posted) == 1


@pytest.mark.parametrize("error", [errors.Unavailable("gone"), ValueError("broken")])
async def test_failing_messenger_disturbs_nobody(error, pager):
    """Not the call, not the closing, and not the next alert."""
    pager.error = error
    async with board_of(pager, BREAKING) as board:
        await fail(board)

    assert pager.posted == []


async def test_messenger_is_not_alerted_about_itself(pager):
    """Its own breaker would be told through itself, and so on."""
    alerts = Alerts(AlertSettings(to="ops"), ManualClock(), lambda: pager)
    alerts.notify(opened("integrations.ops"))
    await alerts.aclose()

    assert pager.posted == []


async def test_messenger_that_is_not_configured_disturbs_nobody(pager):
    """``pegboard check`` tells of it; calls go on."""
    async with board_of(pager, BREAKING, to="opps") as board:
        await fail(board)
        problems = board.check()

    assert [str(problem) for problem in problems] == [
        "alerts.to: is not in the settings. Did you mean 'ops'? Known: ops."
    ]


def test_alert_has_time_of_its_own(pager):
    """The deadline of the call that failed is not that of the alert."""
    hurried = {**BREAKING, "policy": {**BREAKING["policy"], "deadline": 3}}

    async def main():
        async with board_of(pager, hurried) as board:
            await fail(board)

    run_virtual(main())

    assert pager.time_left == [pytest.approx(120)]


def test_closing_does_not_wait_for_ever(pager):
    """A messenger that hangs is given up like all that does not close."""

    async def main():
        pager.ready.clear()
        start = asyncio.get_running_loop().time()
        async with board_of(pager, BREAKING) as board:
            await fail(board)
        return asyncio.get_running_loop().time() - start, asyncio.all_tasks()

    took, tasks = run_virtual(main())

    assert took == 5
    assert len(tasks) == 1


async def test_nothing_is_posted_after_closing(pager):
    """A call that outlives its board has nobody to tell."""
    alerts = Alerts(AlertSettings(to="ops"), ManualClock(), lambda: pager)
    await alerts.aclose()
    alerts.notify(opened())

    assert (pager.posted, alerts._posting) == ([], None)


def test_loop_that_ended_is_forgotten(pager):
    """The next loop has a task of its own."""
    alerts = Alerts(AlertSettings(to="ops"), ManualClock(), lambda: pager)

    async def leave():
        pager.ready = asyncio.Event()
        alerts.notify(opened("llm.a"))
        await asyncio.sleep(0)

    async def stay():
        pager.ready.set()
        alerts.notify(opened("llm.b"))
        await alerts.aclose()

    asyncio.run(leave())
    asyncio.run(stay())

    assert [text.partition(":")[0] for _, text in pager.posted] == ["llm.b"]


# --- the event ---


def test_slow_call_is_an_event():
    """Observers are told, with the limit."""
    told = []

    class Plugin:
        @hookimpl
        def pegboard_observers(self):
            return [self]

        def notify(self, event):
            told.append(event)

    async def main(slow_call):
        llm = {
            "provider": "fake",
            "delay": 2,
            "policy": {"breaker": {"slow_call": slow_call}},
        }
        settings = {"llm": {"default": llm}}
        async with Pegboard.isolated(settings, plugins=[Plugin()]) as board:
            await board.llm().complete("Hello.")

    for slow_call in (2.5, 2.0):
        run_virtual(main(slow_call))

    ((call, elapsed, limit),) = [
        (one.call, one.elapsed, one.limit) for one in told if isinstance(one, CallSlow)
    ]
    assert isinstance(call, Call)
    assert (elapsed, limit) == (2.0, 2.0)
