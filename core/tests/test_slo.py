"""Service levels: targets for the calls of an address."""

import asyncio
from contextlib import suppress

import pytest
from pegboard import Pegboard, errors, hookimpl
from pegboard._observers import slo as _slo
from pegboard._observers.burn import Burn
from pegboard._observers.slo import ServiceLevels
from pegboard._settings.settings import SloSettings
from pegboard.contracts.messenger import Messenger
from pegboard.observers import (
    Call,
    CallFailed,
    CallFinished,
    TargetMet,
    TargetMissed,
)
from pegboard.testing.clock import run_virtual

HOUR = 3600
HUNDREDFOLD = pytest.approx(100)
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
    assert changes_of(3, *["Unavailable"] * 3, availability=0.99) == [
        TargetMissed("llm.default", "availability", 0.0, 0.99, "x", 300, HUNDREDFOLD)
    ]


def test_target_is_met_again_by_good_calls():
    """As soon as the share in the shortest window is good enough."""
    burns = {"fast": {"rate": 2}, "slow": {"rate": 2}}

    assert changes_of(10, "Unavailable", error_rate=0.1, **burns) == [
        TargetMissed("llm.default", "error_rate", 1.0, 0.1, "x", 300, 10.0),
        TargetMet("llm.default", "error_rate", 0.1, 0.1, "x", 300),
    ]


def test_what_is_out_of_the_window_is_forgotten():
    """The second slow call is long ago when the fast ones come."""
    _, met = changes_of(2, "Unavailable", error_rate=0.01, every=6.1 * HOUR)

    assert met == TargetMet("llm.default", "error_rate", 0.0, 0.01, "x", 300)


def test_met_target_is_not_told():
    """Nothing changes while all is well."""
    assert changes_of(30, availability=0.999, error_rate=0.01, p95=2) == []


def test_few_calls_are_not_judged():
    """One failure of one call is no rate."""
    failures = ["Unavailable"] * 19

    assert changes_of(19, *failures, error_rate=0.01, minimum_calls=20) == []


def test_enough_calls_are_judged():
    """As many as the settings say are enough."""
    failures = ["Unavailable"] * 20

    assert len(changes_of(20, *failures, error_rate=0.01, minimum_calls=20)) == 1


# --- how fast the budget is used up ---


def told_of(share, *, hours, before=0):
    """
    Return what a call every second changes of 99.9 %, of which a *share* fails.

    For so many *hours*, after hours *before* in which all succeed.
    """
    end = service_levels(availability=0.999)
    told = []
    for now in range(int((before + hours) * HOUR)):
        is_turn = int((now + 1) * share) > int(now * share)
        told += end(now, is_bad=is_turn and now >= before * HOUR)
    return told


def service_levels(**slo):
    """Return how to end a call at a time, which returns what that changes."""
    changes = Changes()
    section = SloSettings.model_validate({"address": "llm.x", **slo})
    levels = ServiceLevels({"x": section}, lambda: (changes,))

    def end(now, *, is_bad, elapsed=1.0):
        changes.told.clear()
        call = Call("llm.x", "complete", "fake", now, now + 9, lambda: now)
        error = errors.Unavailable("down")
        levels.notify(
            CallFailed(call, error, 1.0)
            if is_bad
            else CallFinished(call, elapsed, None)
        )
        return changes.told.copy()

    return end


def test_budget_that_lasts_is_no_miss():
    """Five times as many bad calls as allowed are not yet told of."""
    assert told_of(0.005, hours=8) == []


def test_slow_burn_is_found():
    """Ten times as many for hours: more than 6, less than 14.4."""
    (missed,) = told_of(0.01, hours=7)

    assert missed.window == 1800


def test_fast_burn_is_found():
    """A service that fails outright is told of in a minute, not in hours."""
    (missed,) = told_of(1.0, before=6, hours=60 / HOUR)

    assert (missed.window, missed.burn_rate > 14.4) == (300, True)


def test_rate_itself_is_not_too_fast():
    """Twice as many as allowed are too many if there is one more."""
    burns = {"fast": {"rate": 2}, "slow": {"rate": 2}}
    down = ["Unavailable"]

    told = changes_of(5, *down, error_rate=0.1, minimum_calls=5, **burns)

    assert told == []


def test_short_outage_hours_ago_is_not_told():
    """The long window is still bad; the short one says that it is over."""
    end = service_levels(availability=0.999, minimum_calls=1000)
    told = [
        one
        for now in range(0, 3 * HOUR, 9)
        for one in end(now, is_bad=600 <= now < 700)
    ]

    assert told == []


def test_few_bad_calls_of_now_are_not_told():
    """The short window is bad; the long one says that it does not matter yet."""
    assert told_of(1.0, before=6, hours=0.01) == []


def test_recovery_is_told_when_no_window_is_bad():
    """Not before the half hour of the slow rule is good enough again."""
    end = service_levels(availability=0.999)
    changes = [
        (now, one)
        for now in range(0, 4 * HOUR, 9)
        for one in end(now, is_bad=HOUR <= now < HOUR + 600)
    ]

    (_, missed), (when, met) = changes
    assert isinstance(missed, TargetMissed)
    assert met == TargetMet("llm.x", "availability", 1.0, 0.999, "x", 300)
    assert abs(when - (HOUR + 600) - 1800) <= 180


def test_second_outage_is_told_again():
    """What was met can be missed once more."""
    end = service_levels(availability=0.999)
    changes = [
        type(one)
        for now in range(0, 20 * HOUR, 9)
        for one in end(now, is_bad=now % (9 * HOUR) < 600)
    ]

    assert changes[:4] == [TargetMissed, TargetMet] * 2


class OffByOne(Burn):
    """Counts what is as fast as allowed as too fast."""

    def _exceeds(self, recent):
        return recent.bad >= self._most * recent.calls - 1e-9


class LongOnly(Burn):
    """Never looks whether it still goes on."""

    def is_too_fast(self):
        return self._long.calls >= self._minimum_calls and self._exceeds(self._long)


class ShortOnly(Burn):
    """Wakes people for a blip."""

    def is_too_fast(self):
        return self._long.calls >= self._minimum_calls and self._exceeds(self._short)


class Starved(Burn):
    """Wants one call more than the settings say."""

    def is_too_fast(self):
        return self._long.calls > self._minimum_calls and super().is_too_fast()


class Forgetful(Burn):
    """Begins anew whenever it has found something."""

    def is_too_fast(self):
        found = super().is_too_fast()
        if found:
            self._short.calls = self._short.bad = 1
            self._long.calls = self._long.bad = 0
        return found


class Unforgiving(Burn):
    """Its windows never end."""

    def add(self, now, *, is_bad):
        super().add(0 * now, is_bad=is_bad)


MISTAKES = {
    OffByOne: test_rate_itself_is_not_too_fast,
    LongOnly: test_short_outage_hours_ago_is_not_told,
    ShortOnly: test_few_bad_calls_of_now_are_not_told,
    Starved: test_enough_calls_are_judged,
    Forgetful: test_recovery_is_told_when_no_window_is_bad,
    Unforgiving: test_recovery_is_told_when_no_window_is_bad,
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistaken_rule_is_found_out(mistake, monkeypatch):
    """The test that is named fails."""
    monkeypatch.setattr(_slo, "Burn", mistake)

    with pytest.raises((AssertionError, ValueError)):
        MISTAKES[mistake]()


# --- what counts ---


@pytest.mark.parametrize("failure", ["RateLimited", "InvalidRequest", "NotFound"])
def test_fault_of_the_caller_is_an_error_but_no_outage(failure):
    """Neither wrong calls nor throttling speak against the service."""
    (told,) = changes_of(2, *[failure] * 2, availability=0.99, error_rate=0.01)

    assert told.target == "error_rate"


def test_refusal_of_an_open_breaker_is_an_outage():
    """Who calls does not get an answer, whoever refuses it."""
    policy = {"attempts": 1, "breaker": {"failures": 1, "open_for": 1000}}

    told = changes_of(
        4, "Unavailable", policy=policy, availability=0.99, minimum_calls=4
    )

    assert [(one.target, one.measured) for one in told] == [("availability", 0.0)]


def test_call_that_is_given_up_does_not_count():
    """Who cancels says nothing of the service."""
    changes = Changes()
    settings = {
        "llm": {"default": {"provider": "fake", "delay": 10}},
        "slo": {
            "x": {"address": "llm.default", "error_rate": 0.01, "minimum_calls": 1}
        },
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

    assert changes_of(1, "Unavailable", policy=policy, error_rate=0.01) == []


def test_slow_calls_miss_p95():
    """What is told is the percentile, in seconds."""
    (told,) = changes_of(2, delay=3, p95=2)

    assert (told.target, told.goal) == ("p95", 2)
    assert told.measured == pytest.approx(3, rel=0.05)


def test_slow_calls_miss_p99():
    """Two of 100 are slow: too many for it, but not for p95."""
    end = service_levels(p95=2, p99=2)

    told = [
        one
        for now in range(100)
        for one in end(now, is_bad=False, elapsed=3 if now in {50, 99} else 1)
    ]

    assert [(one.target, one.goal) for one in told] == [("p99", 2)]


def test_measured_is_never_on_the_other_side_of_the_goal():
    """Buckets are coarse, but no message says that 1.99 exceeds 2."""
    (told,) = changes_of(1, delay=2.001, p95=2)

    assert 2 <= told.measured < 2.1


def test_failed_calls_have_no_latency():
    """As in the stats: p95 is that of calls that succeed."""
    assert changes_of(3, *["Unavailable"] * 3, delay=3, p95=2) == []


def test_other_addresses_are_not_measured():
    """A target is that of its address."""
    assert changes_of(1, "Unavailable", address="llm.other", error_rate=0.01) == []


# --- settings ---


def test_section_without_a_target_is_refused():
    """It would measure nothing."""
    with pytest.raises(errors.SettingsError, match="needs a target"):
        Pegboard.isolated({"slo": {"x": {"address": "llm.default"}}})


@pytest.mark.parametrize("target", [{"availability": 0.9}, {"error_rate": 0.1}])
def test_rate_that_cannot_be_reached_is_refused(target):
    """Ten times as many bad calls as 10 % are all: no rule could ever find more."""
    section = {"address": "llm.default", **target}

    with pytest.raises(errors.SettingsError, match=r"Set fast = .* below 10"):
        Pegboard.isolated({"slo": {"x": section}})


def test_short_window_is_shorter():
    """Else it would not tell that it still goes on."""
    burn = {"window": 60, "short_window": 61}
    section = {"address": "llm.default", "error_rate": 0.01, "fast": burn}

    with pytest.raises(errors.SettingsError, match="must not be longer than window"):
        Pegboard.isolated({"slo": {"x": section}})


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
        "slo": {
            "x": {
                "address": "llm.default",
                "error_rate": 0.5,
                "minimum_calls": 1,
                "fast": {"rate": 1.5},
                "slow": {"rate": 1.5},
            }
        },
    }
    async with Pegboard.isolated(settings) as board:
        board.integration("ops", Messenger)
        for _ in range(2):
            with suppress(errors.CallError):
                await board.llm().complete("Hello.")

    missed, met = capsys.readouterr().out.splitlines()
    assert missed.endswith(
        "llm.default: error_rate was 1 in the last 300 s. "
        "The goal of 0.5 is missed, with 2 times as many bad calls as it allows."
    )
    assert met.endswith(
        "llm.default: error_rate was 0.5 in the last 300 s. "
        "The goal of 0.5 is met again."
    )


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
        "slo": {
            "x": {"address": "llm.default", "error_rate": 0.01, "minimum_calls": 1}
        },
    }

    async def main():
        plugins = [Broken(), changes]
        async with Pegboard.isolated(settings, plugins=plugins) as board:
            with suppress(errors.CallError):
                await board.llm().complete("Hello.")

    run_virtual(main())

    assert len(changes.told) == 1
