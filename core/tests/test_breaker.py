"""The breaker: against a model of thirty lines, and through the policy."""

import asyncio
import math
import threading

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    rule,
)
from pegboard import ChatRequest, Message, Policy, errors
from pegboard._policy.breaker import SLICES, Breaker
from pegboard._policy.guards import outcome_of
from pegboard._policy.stack import govern
from pegboard._policy.target import Target
from pegboard.contracts.chat import model_of
from pegboard.contracts.declare import Operation
from pegboard.observers import BreakerChanged
from pegboard.policy import BreakerPolicy
from pegboard.testing.clock import run_virtual


class Model:
    """What a breaker is meant to do, as plainly as it can be said."""

    def __init__(self, policy):
        self.policy = policy
        self.state, self.since, self.generation = "closed", 0.0, 0
        self.ended, self.row, self.running, self.passed = [], 0, 0, 0

    def become(self, state, now):
        self.state, self.since, self.generation = state, now, self.generation + 1
        self.ended, self.row, self.running, self.passed = [], 0, 0, 0

    def acquire(self, now):
        full = self.running + self.passed >= self.policy.probes
        stuck = self.state == "open" or (self.state == "half-open" and full)
        if stuck and now >= self.since + self.policy.open_for:
            self.become("half-open", now)
            stuck = False
        if stuck:
            return None
        self.running += self.state == "half-open"
        return self.generation

    def settle(self, generation, outcome, now, began):
        if generation != self.generation:
            return
        if self.state == "half-open":
            self.running -= 1
            self.passed += outcome == "success"
            if outcome == "failure":
                self.become("open", now)
            elif self.passed >= self.policy.probes:
                self.become("closed", now)
        elif outcome != "neutral":
            failed = outcome == "failure"
            self.row = self.row + 1 if failed else 0
            self.ended.append((now, failed or now - began >= self.policy.slow_call))
            oldest = int(now / (self.policy.window / SLICES)) - SLICES
            recent = [
                bad
                for at, bad in self.ended
                if int(at / (self.policy.window / SLICES)) > oldest
            ]
            rated = len(recent) >= self.policy.minimum_calls
            if self.row >= self.policy.failures or (
                rated and sum(recent) >= self.policy.failure_rate * len(recent)
            ):
                self.become("open", now)


class BreakerMachine(RuleBasedStateMachine):
    """Makes calls in any order, ends them in any order, and compares."""

    permits = Bundle("permits")

    @initialize(
        failures=st.integers(1, 4),
        minimum=st.integers(1, 6),
        rate=st.sampled_from([0.25, 0.5, 1.0]),
        probes=st.integers(1, 3),
        slow=st.sampled_from([math.inf, 2.0]),
    )
    def begin(self, failures, minimum, rate, probes, slow):
        policy = BreakerPolicy(
            failures=failures,
            minimum_calls=minimum,
            failure_rate=rate,
            probes=probes,
            slow_call=slow,
            window=20.0,
            open_for=10.0,
        )
        self.now, self.changes = 0.0, []
        self.breaker = Breaker(policy, lambda *states: self.changes.append(states))
        self.model = Model(policy)

    @rule(seconds=st.sampled_from([0.0, 0.5, 1.0, 3.0, 10.0, 25.0]))
    def wait(self, seconds):
        self.now += seconds

    @rule(target=permits)
    def acquire(self):
        permit = self.breaker.acquire(self.now)
        expected = self.model.acquire(self.now)
        assert (permit is None) == (expected is None)
        return permit, expected, self.now

    @rule(
        taken=consumes(permits),
        outcome=st.sampled_from(["success", "failure", "neutral"]),
        twice=st.booleans(),
    )
    def settle(self, taken, outcome, twice):
        permit, generation, began = taken
        if permit is None:
            return
        self.breaker.settle(permit, outcome, self.now)
        self.model.settle(generation, outcome, self.now, began)
        if twice:
            self.breaker.settle(permit, "failure", self.now)

    @invariant()
    def same_state(self):
        if hasattr(self, "model"):
            assert self.breaker.state == self.model.state

    @invariant()
    def only_allowed_changes(self):
        allowed = {
            ("closed", "open"),
            ("open", "half-open"),
            ("half-open", "open"),
            ("half-open", "closed"),
        }
        assert set(getattr(self, "changes", ())) <= allowed


BreakerMachine.TestCase.settings = settings(
    max_examples=200, stateful_step_count=50, deadline=None
)
TestBreakerIsItsModel = BreakerMachine.TestCase
"""10,000 steps, each compared."""


def breaker(**policy):
    """Return a breaker and the list of its changes."""
    changes = []
    made = Breaker(BreakerPolicy(**policy), lambda *states: changes.append(states))
    return made, changes


def fail(made, times, now=0.0):
    """Let *times* calls fail."""
    for _ in range(times):
        made.settle(made.acquire(now), "failure", now)


def test_clock_jumps_do_not_matter():
    """Time that stands still or leaps opens nothing and closes nothing by itself."""
    made, changes = breaker(failures=2, open_for=10)
    for now in (0.0, 3600.0, 7200.0):
        made.settle(made.acquire(now), "success", now)
    fail(made, 2, now=7200.0)

    assert made.acquire(7200.0) is None
    assert made.acquire(10_800.0) is not None
    assert changes == [("closed", "open"), ("open", "half-open")]


def test_stale_success_does_not_close_an_open_breaker():
    """A call from before the breaker opened says nothing of now."""
    made, _ = breaker(failures=2, open_for=10)
    old = made.acquire(0.0)
    fail(made, 2)
    probe = made.acquire(10.0)
    made.settle(old, "success", 10.0)
    assert made.state == "half-open"
    made.settle(probe, "success", 10.0)

    assert made.state == "closed"


@pytest.mark.parametrize("ending", ["neutral", "lost"])
def test_probe_that_says_nothing_frees_its_place(ending):
    """A cancelled probe, or one never heard of again, does not wedge the breaker."""
    made, _ = breaker(failures=1, open_for=10)
    fail(made, 1)
    probe = made.acquire(10.0)
    assert made.acquire(10.0) is None
    if ending == "neutral":
        made.settle(probe, "neutral", 10.0)
        assert made.acquire(10.0) is not None
    else:
        assert made.acquire(20.0) is not None


def test_threads_get_no_more_probes_than_there_are():
    """However many ask at once, only the probes pass."""
    made, _ = breaker(failures=1, open_for=10, probes=3)
    fail(made, 1)
    barrier, permits = threading.Barrier(16), []

    def ask():
        barrier.wait()
        permits.append(made.acquire(10.0))

    threads = [threading.Thread(target=ask) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sum(permit is not None for permit in permits) == 3


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (None, "success"),
        (errors.Unavailable("x"), "failure"),
        (errors.Timeout("x"), "failure"),
        (errors.DeadlineExceeded("x"), "failure"),
        (errors.DeadlineExceeded("x", request_sent="no"), "neutral"),
        (errors.ConnectionFailed("x"), "failure"),
        (errors.InvalidReply("x"), "failure"),
        (errors.RateLimited("x"), "neutral"),
        (errors.QuotaExceeded("x"), "neutral"),
        (errors.InvalidRequest("x"), "neutral"),
        (errors.Authentication("x"), "neutral"),
        (errors.CallError("x"), "neutral"),
        (asyncio.CancelledError(), "neutral"),
        (GeneratorExit(), "neutral"),
    ],
)
def test_only_the_services_faults_count(error, outcome):
    """Neither the caller's faults nor throttling speak against the service."""
    assert outcome_of(error) == outcome


# --- through the policy ---


async def work():
    """Stand for the declaration of an operation."""


class Told(list):
    """Remembers the changes of breakers."""

    def notify(self, event):
        if isinstance(event, BreakerChanged):
            self.append((event.before, event.after))


def governed(method, *, streams=False, observers=(), **breaker):
    """Return *method* with one attempt and a breaker."""
    policy = Policy(attempts=1, breaker=breaker)
    target = Target("llm.x", policy, "x", "pegboard-x", observers=observers)
    return govern(method, Operation("work", True, streams, work), target)  # noqa: FBT003


class Flaky:
    """Fails while it is down."""

    def __init__(self):
        self.is_down = True
        self.calls = 0

    async def __call__(self):
        self.calls += 1
        if self.is_down:
            msg = "down"
            raise errors.Unavailable(msg)
        return "up"


async def outcome(call):
    """Return what *call* returns or the class of its error."""
    try:
        return await call()
    except errors.CallError as error:
        return type(error)


def test_outage_is_not_called_into_and_ends_by_itself():
    """After some failures nothing is sent; when a probe succeeds all pass again."""
    service, told = Flaky(), Told()
    call = governed(service, failures=3, open_for=30, observers=(told,))

    async def main():
        seen = [await outcome(call) for _ in range(5)]
        calls = service.calls
        service.is_down = False
        await asyncio.sleep(30)
        return seen, calls, [await outcome(call) for _ in range(2)]

    seen, calls, after = run_virtual(main())

    assert seen == [errors.Unavailable] * 3 + [errors.CircuitOpen] * 2
    assert calls == 3
    assert after == ["up", "up"]
    assert told == [("closed", "open"), ("open", "half-open"), ("half-open", "closed")]


def test_refusal_says_when_to_come_back():
    """The error of a refused call knows how long the breaker stays open."""
    call = governed(Flaky(), failures=1, open_for=30)

    async def main():
        await outcome(call)
        await asyncio.sleep(10)
        with pytest.raises(errors.CircuitOpen, match="another 20 s") as caught:
            await call()
        return caught.value

    error = run_virtual(main())

    assert (error.retry_after, error.request_sent) == (20.0, "no")


def test_one_target_does_not_open_anothers_breaker():
    """What fails is left alone; its neighbour is not."""
    down, up = Flaky(), Flaky()
    up.is_down = False
    first, second = governed(down, failures=1), governed(up, failures=1)

    async def main():
        return [await outcome(call) for call in (first, second, first, second)]

    assert run_virtual(main()) == [errors.Unavailable, "up", errors.CircuitOpen, "up"]


def test_parts_that_fail_apart_have_their_own_breakers():
    """A model that is down does not take the others of its instance with it."""
    told = []

    class Told:
        def notify(self, event):
            if isinstance(event, BreakerChanged):
                told.append((event.part, event.after))

    async def method(request):
        if request.model == "down":
            msg = "down"
            raise errors.Unavailable(msg)
        return request.model

    policy = Policy(attempts=1, breaker={"failures": 2})
    target = Target(
        "llm.x", policy, "x", "pegboard-x", observers=(Told(),), apart=model_of
    )
    call = govern(method, Operation("work", True, False, work), target)  # noqa: FBT003

    def asking(model):
        messages = (Message.of("user", "hi"),)
        return lambda: call(ChatRequest(messages=messages, model=model))

    async def main():
        models = ("down", "down", "down", "up", None)
        return [await outcome(asking(model)) for model in models]

    assert run_virtual(main()) == [
        errors.Unavailable,
        errors.Unavailable,
        errors.CircuitOpen,
        "up",
        None,
    ]
    assert told == [("down", "open")]


def test_breakers_of_parts_are_bounded():
    """However many models a program names, memory stays."""
    target = Target("llm.x", Policy(), "x", "pegboard-x", apart=str)
    breakers = {id(target.breaker_of(number)) for number in range(1000)}

    assert len(breakers) == 65


def stream_that(ends):
    """Return a stream of two items that ends as told."""

    async def stream():
        yield 1
        yield 2
        if ends == "broken":
            msg = "broke"
            raise errors.ConnectionFailed(msg)

    return stream


@pytest.mark.parametrize(
    ("ends", "read", "state"),
    [("whole", 3, "closed"), ("broken", 3, "open"), ("broken", 1, "closed")],
)
def test_stream_is_judged_at_its_end(ends, read, state):
    """A stream that begins well and breaks has failed; one that is left has not."""
    told = Told()
    stream = governed(stream_that(ends), streams=True, failures=1, observers=(told,))

    async def main():
        items = stream()
        try:
            for _ in range(read):
                await anext(items)
        except (StopAsyncIteration, errors.ConnectionFailed):
            pass
        await items.aclose()

    run_virtual(main())

    assert (told[-1][1] if told else "closed") == state


def test_cancelled_probe_lets_the_next_one_pass():
    """A probe that its caller gives up gives its place to another."""
    service = Flaky()
    call = governed(service, failures=1, open_for=10)

    async def main():
        await outcome(call)
        await asyncio.sleep(10)
        service.is_down = False
        hanging = asyncio.create_task(call())
        hanging.cancel()
        await asyncio.wait([hanging])
        return await outcome(call)

    assert run_virtual(main()) == "up"
