"""Service levels: targets for the calls of an address."""

import asyncio
from contextlib import suppress

import pytest
from pegboard import Pegboard, errors, hookimpl
from pegboard.contracts.messenger import Messenger
from pegboard.observers import TargetMet, TargetMissed
from pegboard.testing.clock import run_virtual

ONCE = {"attempts": 1, "breaker": {"enabled": False}}


class Changes:
    """A plugin and its observer: the targets that changed."""

    def __init__(self):
        self.told = []

    @hookimpl
    def pegboard_observers(self):
        return [self]

    def notify(self, event):
        if isinstance(event, TargetMissed | TargetMet):
            self.told.append(event)


def changes_of(calls, *failures, delay=0, every=0.0, policy=ONCE, **slo):
    """Return what *calls* calls change, of which the first fail as told."""
    changes = Changes()
    llm = {"provider": "fake", "failures": list(failures), "delay": delay}
    settings = {
        "llm": {"default": {**llm, "policy": policy}},
        "slo": {"x": {"address": "llm.default", "minimum_calls": 1, **slo}},
    }

    async def main():
        async with Pegboard.isolated(settings, plugins=[changes]) as board:
            for _ in range(calls):
                with suppress(errors.CallError):
                    await board.llm().complete("Hello.")
                await asyncio.sleep(every)

    run_virtual(main())
    return changes.told


# --- what is told ---


def test_missed_target_is_told_once():
    """However many calls fail after the first."""
    assert changes_of(3, *["Unavailable"] * 3, availability=0.9) == [
        TargetMissed("llm.default", "availability", 0.0, 0.9)
    ]


def test_target_is_met_again_by_good_calls():
    """As soon as the share in the window is good enough."""
    assert changes_of(10, "Unavailable", error_rate=0.1) == [
        TargetMissed("llm.default", "error_rate", 1.0, 0.1),
        TargetMet("llm.default", "error_rate", 0.1, 0.1),
    ]


def test_what_is_out_of_the_window_is_forgotten():
    """The second call is alone in its window."""
    _, met = changes_of(2, "Unavailable", error_rate=0.1, window=100, every=101)

    assert met == TargetMet("llm.default", "error_rate", 0.0, 0.1)


def test_met_target_is_not_told():
    """Nothing changes while all is well."""
    assert changes_of(30, availability=0.999, error_rate=0.01, p95=2) == []


def test_few_calls_are_not_judged():
    """One failure of one call is no rate."""
    assert changes_of(19, *["Unavailable"] * 19, error_rate=0.1, minimum_calls=20) == []


def test_goal_itself_is_met():
    """One of ten calls fails, and 0.9 is asked for."""
    failures = ["Unavailable"]

    assert changes_of(10, *failures, availability=0.9, minimum_calls=10) == []


# --- what counts ---


@pytest.mark.parametrize("failure", ["RateLimited", "InvalidRequest", "NotFound"])
def test_fault_of_the_caller_is_an_error_but_no_outage(failure):
    """Neither wrong calls nor throttling speak against the service."""
    (told,) = changes_of(2, *[failure] * 2, availability=0.9, error_rate=0.1)

    assert told.target == "error_rate"


def test_refusal_of_an_open_breaker_is_an_outage():
    """Who calls does not get an answer, whoever refuses it."""
    policy = {"attempts": 1, "breaker": {"failures": 1, "open_for": 1000}}

    told = changes_of(
        4, "Unavailable", policy=policy, availability=0.9, minimum_calls=4
    )

    assert told == [TargetMissed("llm.default", "availability", 0.0, 0.9)]


def test_call_that_is_given_up_does_not_count():
    """Who cancels says nothing of the service."""
    changes = Changes()
    settings = {
        "llm": {"default": {"provider": "fake", "delay": 10}},
        "slo": {"x": {"address": "llm.default", "error_rate": 0.1, "minimum_calls": 1}},
    }

    async def main():
        async with Pegboard.isolated(settings, plugins=[changes]) as board:
            with suppress(TimeoutError):
                async with asyncio.timeout(1):
                    await board.llm().complete("Hello.")

    run_virtual(main())

    assert changes.told == []


def test_retried_call_that_succeeds_is_good():
    """Calls are counted, not attempts."""
    policy = {"attempts": 2, "backoff": 0}

    assert changes_of(1, "Unavailable", policy=policy, error_rate=0.1) == []


def test_slow_calls_miss_p95():
    """What is told is the percentile, in seconds."""
    (told,) = changes_of(2, delay=3, p95=2)

    assert (told.target, told.goal) == ("p95", 2)
    assert told.measured == pytest.approx(3, rel=0.05)


def test_measured_is_never_on_the_other_side_of_the_goal():
    """Buckets are coarse, but no message says that 1.99 exceeds 2."""
    (told,) = changes_of(1, delay=2.001, p95=2)

    assert 2 <= told.measured < 2.1


def test_failed_calls_have_no_latency():
    """As in the stats: p95 is that of calls that succeed."""
    assert changes_of(3, *["Unavailable"] * 3, delay=3, p95=2) == []


def test_other_addresses_are_not_measured():
    """A target is that of its address."""
    assert changes_of(1, "Unavailable", address="llm.other", error_rate=0.1) == []


# --- settings ---


def test_section_without_a_target_is_refused():
    """It would measure nothing."""
    with pytest.raises(errors.SettingsError, match="needs a target"):
        Pegboard.isolated({"slo": {"x": {"address": "llm.default"}}})


def test_unknown_address_is_found_by_check():
    """It would never be called."""
    settings = {
        "llm": {"default": {"provider": "fake"}},
        "slo": {"x": {"address": "llm.defualt", "p95": 1}},
    }

    (problem,) = Pegboard.isolated(settings).check()

    assert problem.where == "slo.x.address"
    assert "llm.default" in problem.message


# --- alerts ---


async def test_missed_and_met_again_are_posted(capsys):
    """If the settings list them."""
    settings = {
        "llm": {
            "default": {"provider": "fake", "failures": ["NotFound"], "policy": ONCE}
        },
        "integrations": {"ops": {"provider": "console"}},
        "alerts": {"to": "ops", "on": ["target_missed", "target_met"]},
        "slo": {"x": {"address": "llm.default", "error_rate": 0.5, "minimum_calls": 1}},
    }
    async with Pegboard.isolated(settings) as board:
        board.integration("ops", Messenger)
        for _ in range(2):
            with suppress(errors.CallError):
                await board.llm().complete("Hello.")

    assert capsys.readouterr().out.splitlines() == [
        "[#alerts] llm.default: error_rate is 1. The goal of 0.5 is missed.",
        "[#alerts] llm.default: error_rate is 0.5. The goal of 0.5 is met again.",
    ]


# --- observers ---


def test_observer_that_raises_does_not_keep_others_from_hearing():
    """As everywhere: an error of an observer changes nothing."""

    class Broken:
        error = RuntimeError("broken")

        @hookimpl
        def pegboard_observers(self):
            return [self]

        def notify(self, event):
            if isinstance(event, TargetMissed):
                raise self.error

    changes = Changes()
    settings = {
        "llm": {"default": {"provider": "fake", "failures": ["NotFound"]}},
        "slo": {"x": {"address": "llm.default", "error_rate": 0.5, "minimum_calls": 1}},
    }

    async def main():
        plugins = [Broken(), changes]
        async with Pegboard.isolated(settings, plugins=plugins) as board:
            with suppress(errors.CallError):
                await board.llm().complete("Hello.")

    run_virtual(main())

    assert len(changes.told) == 1
