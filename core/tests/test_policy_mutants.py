"""
The mistakes of other retries and breakers, each made on purpose and found out.

A check states one fact about calls under a policy. The policy passes all of them; with
a mistake put in, it fails the one that is named beside it.
"""

import asyncio
import gc
import time
import warnings
from contextlib import aclosing

import pytest
from pegboard import Policy, errors
from pegboard._policy import guards, stack, target
from pegboard._policy.breaker import Breaker
from pegboard._policy.quota import RetryQuota
from pegboard._policy.target import Target
from pegboard.contracts.declare import Operation
from pegboard.testing.clock import run_virtual

NO_BREAKER = {"enabled": False}
ONE_ATTEMPT = {"attempts": 1}


async def work():
    """Stand for the declaration of an operation."""


def governed(method, *, repeatable=True, streams=False, **policy):
    """Return *method* under a policy."""
    of = Target("llm.x", Policy(**policy), "x", "pegboard-x")
    return stack.govern(method, Operation("work", repeatable, streams, work), of)


class Service:
    """Does what its script says, then succeeds; remembers when it was called."""

    def __init__(self, *script, takes=0.0):
        self.script = list(script)
        self.takes = takes
        self.calls = []

    async def __call__(self):
        self.calls.append(asyncio.get_running_loop().time())
        outcome = self.script.pop(0) if self.script else "done"
        await asyncio.sleep(self.takes)
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome


async def outcome(call):
    """Return what *call* returns, or its error."""
    try:
        return await call()
    except Exception as error:
        return error


def outcomes(call, times=1):
    """Return what *times* calls bring, one after the other."""

    async def main():
        return [await outcome(call) for _ in range(times)]

    return run_virtual(main())


def down(times):
    """Return as many failures."""
    return [errors.Unavailable("down") for _ in range(times)]


def kinds(found):
    """Return the classes of what was found."""
    return [type(one) for one in found]


# --- what retries must do ---


def hopeless_call_is_made_once():
    """What the service refuses for good is not asked again."""
    service = Service(errors.Authentication("no"))
    outcomes(governed(service))
    assert len(service.calls) == 1


def hopeful_call_is_made_again():
    """What may succeed the next time is tried again."""
    service = Service(*down(2), "yes")
    assert outcomes(governed(service)) == ["yes"]


def slow_attempt_is_made_again():
    """An attempt that took too long is tried again."""
    service = Service(takes=5)
    outcomes(governed(service, attempts=2, attempt_timeout=1))
    assert len(service.calls) == 2


def unusable_reply_is_final():
    """What was answered and cannot be used is not asked again."""
    service = Service(errors.InvalidReply("?"))
    outcomes(governed(service))
    assert len(service.calls) == 1


def attempts_are_bounded():
    """There are as many attempts as the policy says."""
    service = Service(*down(99))
    outcomes(governed(service, attempts=3, breaker=NO_BREAKER))
    assert len(service.calls) == 3


def error_is_that_of_the_last_attempt():
    """The error is the very one that the provider raised."""
    failures = down(3)
    assert outcomes(governed(Service(*failures))) == [failures[2]]


def waits_are_random():
    """Clients that fail together do not come back together."""
    services = [Service(*down(1)) for _ in range(9)]
    for service in services:
        outcomes(governed(service, backoff=1))
    assert len({service.calls[1] for service in services}) > 1


def retry_after_is_a_floor():
    """The service is left alone for as long as it asks."""
    service = Service(errors.RateLimited("wait", retry_after=40))
    outcomes(governed(service))
    assert service.calls == [0, pytest.approx(40)]


def pointless_wait_is_not_begun():
    """A wait that ends after the deadline takes no time."""

    async def main():
        service = Service(errors.RateLimited("wait", retry_after=40))
        await outcome(governed(service, deadline=30))
        return asyncio.get_running_loop().time()

    assert run_virtual(main()) == 0


def unrepeatable_call_is_made_once():
    """What may have happened is not done again."""
    service = Service(errors.ConnectionFailed("broke"))
    outcomes(governed(service, repeatable=False))
    assert len(service.calls) == 1


def stream_that_has_begun_is_not_begun_again():
    """No item comes twice."""
    opened, read = [], []

    async def stream():
        opened.append(1)
        yield "a"
        msg = "broke"
        raise errors.ConnectionFailed(msg)

    async def main():
        async for item in governed(stream, streams=True)():
            read.append(item)

    assert kinds([run_virtual(outcome(main))]) == [errors.ConnectionFailed]
    assert (len(opened), read) == (1, ["a"])


def outage_is_not_answered_by_a_storm():
    """Repeats end when all of them fail."""
    service = Service(*down(999))
    outcomes(governed(service, backoff=0, breaker=NO_BREAKER), times=100)
    assert len(service.calls) <= 100 + 36


# --- what breakers must do ---


def outage_is_left_alone():
    """After some failures nothing is sent."""
    service = Service(*down(9))
    found = outcomes(governed(service, **ONE_ATTEMPT, breaker={"failures": 3}), 5)
    assert kinds(found) == [errors.Unavailable] * 3 + [errors.CircuitOpen] * 2
    assert len(service.calls) == 3


def refused_call_is_not_begun():
    """There was no attempt, and no coroutine is left that nobody awaits."""
    call = governed(Service(*down(1)), **ONE_ATTEMPT, breaker={"failures": 1})
    with warnings.catch_warnings(record=True) as complaints:
        warnings.simplefilter("always")
        found = [(type(error), error.attempts) for error in outcomes(call, 2)]
        gc.collect()
    assert found == [(errors.Unavailable, 1), (errors.CircuitOpen, 0)]
    assert complaints == []


def stream_that_breaks_has_failed():
    """A good beginning does not make a good stream."""

    async def stream():
        yield "a"
        msg = "broke"
        raise errors.ConnectionFailed(msg)

    call = governed(stream, streams=True, **ONE_ATTEMPT, breaker={"failures": 1})

    async def read():
        async with aclosing(call()) as items:
            return [item async for item in items]

    found = kinds(outcomes(read, 2))
    assert found == [errors.ConnectionFailed, errors.CircuitOpen]


def throttling_is_no_failure():
    """A service that throttles is there."""
    service = Service(*[errors.RateLimited("wait") for _ in range(9)])
    found = outcomes(governed(service, **ONE_ATTEMPT, breaker={"failures": 3}), 9)
    assert errors.CircuitOpen not in kinds(found)


def throttling_is_no_success():
    """Being throttled does not make up for failures."""
    service = Service(*down(2), errors.RateLimited("wait"), *down(1))
    found = outcomes(governed(service, **ONE_ATTEMPT, breaker={"failures": 3}), 5)
    assert kinds(found)[4] is errors.CircuitOpen


def callers_faults_do_not_count():
    """A service that refuses what is wrong is there."""
    service = Service(*[errors.InvalidRequest("no") for _ in range(9)])
    found = outcomes(governed(service, **ONE_ATTEMPT, breaker={"failures": 3}), 9)
    assert kinds(found) == [errors.InvalidRequest] * 9


def failures_count_once():
    """Three failures are three."""
    service = Service(*down(3))
    found = outcomes(governed(service, **ONE_ATTEMPT, breaker={"failures": 4}), 4)
    assert found[3] == "done"


def opened(service, **breaker):
    """Return a call of *service* and a coroutine that opens its breaker and waits."""
    breaker = {"failures": 1, "open_for": 10, **breaker}
    call = governed(service, **ONE_ATTEMPT, breaker=breaker)

    async def wait():
        await outcome(call)
        await asyncio.sleep(10)

    return call, wait


def outage_ends_by_itself():
    """A probe that succeeds lets all calls pass."""
    call, wait = opened(Service(*down(1)))

    async def main():
        await wait()
        return [await outcome(call) for _ in range(2)]

    assert run_virtual(main()) == ["done", "done"]


def one_probe_at_a_time():
    """A service that comes back is not overrun."""
    service = Service(*down(1), takes=1)
    call, wait = opened(service)

    async def main():
        await wait()
        return await asyncio.gather(*(outcome(call) for _ in range(9)))

    assert kinds(run_virtual(main())).count(errors.CircuitOpen) == 8
    assert len(service.calls) == 2


def probe_that_is_given_up_frees_its_place():
    """A cancelled probe says nothing, and another may try."""
    call, wait = opened(Service(*down(1), takes=1))

    async def main():
        await wait()
        probe = asyncio.create_task(call())
        await asyncio.sleep(0.5)
        probe.cancel()
        await asyncio.wait([probe])
        return await outcome(call)

    assert run_virtual(main()) == "done"


def probe_that_is_refused_frees_its_place():
    """The caller's fault says nothing, and another may try."""
    call, wait = opened(Service(*down(1), errors.InvalidRequest("no")))

    async def main():
        await wait()
        return [await outcome(call) for _ in range(2)]

    assert run_virtual(main())[1] == "done"


def late_success_closes_nothing():
    """A call from before the outage does not end it."""
    service = Service("late", *down(9), takes=1)
    call = governed(service, **ONE_ATTEMPT, breaker={"failures": 1, "open_for": 10})

    async def main():
        late = asyncio.create_task(call())
        await asyncio.sleep(0)
        service.takes = 0
        await outcome(call)
        assert await late == "late"
        return await outcome(call)

    assert type(run_virtual(main())) is errors.CircuitOpen


def neighbour_is_not_blamed():
    """What fails is left alone; others are not."""
    first, second = Service(*down(9)), Service()
    policy = {**ONE_ATTEMPT, "breaker": {"failures": 1}}
    outcomes(governed(first, **policy))
    assert outcomes(governed(second, **policy)) == ["done"]


CHECKS = (
    hopeless_call_is_made_once,
    hopeful_call_is_made_again,
    slow_attempt_is_made_again,
    unusable_reply_is_final,
    attempts_are_bounded,
    error_is_that_of_the_last_attempt,
    waits_are_random,
    retry_after_is_a_floor,
    pointless_wait_is_not_begun,
    unrepeatable_call_is_made_once,
    stream_that_has_begun_is_not_begun_again,
    outage_is_not_answered_by_a_storm,
    outage_is_left_alone,
    refused_call_is_not_begun,
    stream_that_breaks_has_failed,
    throttling_is_no_failure,
    throttling_is_no_success,
    callers_faults_do_not_count,
    failures_count_once,
    outage_ends_by_itself,
    one_probe_at_a_time,
    probe_that_is_given_up_frees_its_place,
    probe_that_is_refused_frees_its_place,
    late_success_closes_nothing,
    neighbour_is_not_blamed,
)


@pytest.mark.parametrize("check", CHECKS)
def test_the_policy_passes(check):
    """Every check holds for the real one."""
    check()


# --- retries with a mistake ---


def mistaken_retry(*, repeats=None, waits=None, raises=None, rounds=1):
    """Return a retry that is plain and, but for what is given, right."""

    def retry(attempt, of, *, repeatable):
        async def step(call, args, kwargs):
            last = of.policy.attempts * rounds
            for number in range(1, last + 1):
                try:
                    return await attempt(call, args, kwargs)
                except errors.CallError as error:
                    again = (repeats or may_repeat)(error, repeatable)
                    if number == last or not again:
                        raise (raises or keep)(error) from error.__cause__
                    wait = (waits or asked_wait)(error)
                    if waits is None and call.clock() + wait >= call.ends_at:
                        raise
                    await asyncio.sleep(wait)
            return None

        return step

    return retry


def may_repeat(error, repeatable):
    """Return what is right."""
    safe = repeatable or error.request_sent == "no"
    return error.retryable and safe and not error.in_stream


def asked_wait(error):
    """Return what the service asks for."""
    return error.retry_after or 0


def keep(error):
    """Return *error* as it is."""
    return error


def erase(error):
    """Return an error that says nothing of what *error* was."""
    return RuntimeError(str(error))


RETRIES = {
    "repeats everything": (
        mistaken_retry(repeats=lambda *_: True),
        hopeless_call_is_made_once,
    ),
    "repeats what did not validate": (
        mistaken_retry(repeats=lambda *_: True),
        unusable_reply_is_final,
    ),
    "waits for exceptions that no SDK raises": (
        mistaken_retry(repeats=lambda e, _: isinstance(e, (ConnectionError, OSError))),
        hopeful_call_is_made_again,
    ),
    "never repeats timeouts": (
        mistaken_retry(repeats=lambda e, _: not isinstance(e, errors.Timeout)),
        slow_attempt_is_made_again,
    ),
    "stands on another retry": (mistaken_retry(rounds=3), attempts_are_bounded),
    "hides the error in one of its own": (
        mistaken_retry(raises=erase),
        error_is_that_of_the_last_attempt,
    ),
    "waits without chance": (mistaken_retry(waits=lambda _: 1), waits_are_random),
    "does not hear Retry-After": (
        mistaken_retry(waits=lambda _: 1),
        retry_after_is_a_floor,
    ),
    "waits beyond the deadline": (
        mistaken_retry(waits=asked_wait),
        pointless_wait_is_not_begun,
    ),
    "repeats what must not happen twice": (
        mistaken_retry(repeats=lambda error, _: error.retryable),
        unrepeatable_call_is_made_once,
    ),
}


@pytest.mark.parametrize("mistake", RETRIES)
def test_mistaken_retry_is_found_out(mistake, monkeypatch):
    """The check that is named fails."""
    broken, check = RETRIES[mistake]
    monkeypatch.setattr(stack, "retry", broken)

    with pytest.raises(AssertionError):
        check()


def test_retry_without_a_mistake_is_not_found_out(monkeypatch):
    """So it is the mistakes that are found, not that another retry was put in."""
    monkeypatch.setattr(stack, "retry", mistaken_retry())

    for _, check in RETRIES.values():
        if check is not waits_are_random:
            check()


# --- quotas, breakers and streams with a mistake ---


class Endless(RetryQuota):
    """Pays for every repeat."""

    def take(self, error):
        """Take what was just given."""
        self._left = self._capacity
        return super().take(error)


class CountsTwice(Breaker):
    """Counts where the call fails, and again where the error is handled."""

    def settle(self, permit, outcome, now):
        """Forget that it was told."""
        super().settle(permit, outcome, now)
        permit.is_settled = False
        super().settle(permit, outcome, now)


class HearsTheDead(Breaker):
    """Takes the outcome of an earlier time for one of now."""

    def settle(self, permit, outcome, now):
        """Settle any permit as if it were of now, and close at every success."""
        permit.generation = self._generation
        super().settle(permit, outcome, now)
        if outcome == "success":
            self._become("closed", now)


class AdmitsAll(Breaker):
    """Lets everybody probe at once."""

    def _lacks_place(self):
        return self._state == "open"


class Wedges(Breaker):
    """Waits for ever for a probe that said nothing."""

    def settle(self, permit, outcome, now):
        """Take no notice of what is neutral."""
        if outcome != "neutral":
            super().settle(permit, outcome, now)


class NeverForgives(Breaker):
    """Has no way from open to half-open."""

    def wait(self, _now):
        """Return always the whole time."""
        return self._policy.open_for


class ReadsTheWallClock(Breaker):
    """Goes by the time of day."""

    def acquire(self, _now):
        """Ask what time it is instead of being told."""
        return super().acquire(time.time())

    def settle(self, permit, outcome, _now):
        """Ask what time it is instead of being told."""
        super().settle(permit, outcome, time.time())


class Shared:
    """Makes one breaker for all targets."""

    def __init__(self):
        self.one = None

    def __call__(self, policy, changed):
        """Return the one that there is."""
        self.one = self.one or Breaker(policy, changed)
        return self.one


def counts_what_is_made(inner, *given):
    """Break the circuit by what happens until a coroutine is made: nothing."""

    async def make(call, args, kwargs):
        return inner(call, args, kwargs)

    right = guards.break_circuit(make, *given)

    async def step(call, args, kwargs):
        made = await right(call, args, kwargs)
        return await made

    return step


def begins_before_it_asks(inner, *given):
    """Make the coroutine of the attempt, then ask whether it may be made."""

    async def step(call, args, kwargs):
        begun = inner(call, args, kwargs)
        right = RIGHT_BREAK(lambda *_: begun, *given)
        return await right(call, args, kwargs)

    return step


def counts_what_begins(inner, *given):
    """Break the circuit by how streams begin."""
    right = guards.break_circuit(inner, *given)

    async def step(call, args, kwargs):
        result = await right(call, args, kwargs)
        while call.at_end:
            call.at_end.pop()(None, None)
        return result

    return step


def begins_again(step, operation, of):
    """Read a stream that broke once more from its beginning."""
    right = RIGHT_STREAM(step, operation, of)

    async def stream(*args, **kwargs):
        try:
            async for item in right(*args, **kwargs):
                yield item
        except errors.ConnectionFailed:
            async for item in right(*args, **kwargs):
                yield item

    return stream


def judged_as(outcome, *kinds):
    """Return a judgement by which errors of *kinds* are an *outcome*."""

    def outcome_of(error, *more):
        if isinstance(error, kinds):
            return outcome
        return RIGHT_OUTCOME(error, *more)

    return outcome_of


RIGHT_OUTCOME, RIGHT_STREAM = guards.outcome_of, stack._stream
RIGHT_BREAK = guards.break_circuit
OTHERS = {
    "counts twice": (target, "Breaker", CountsTwice, failures_count_once),
    "hears the dead": (target, "Breaker", HearsTheDead, late_success_closes_nothing),
    "admits all": (target, "Breaker", AdmitsAll, one_probe_at_a_time),
    "wedges when cancelled": (
        *(target, "Breaker", Wedges),
        probe_that_is_given_up_frees_its_place,
    ),
    "wedges when refused": (
        *(target, "Breaker", Wedges),
        probe_that_is_refused_frees_its_place,
    ),
    "never forgives": (target, "Breaker", NeverForgives, outage_ends_by_itself),
    "goes by the wall": (target, "Breaker", ReadsTheWallClock, outage_ends_by_itself),
    "is shared": (target, "Breaker", Shared(), neighbour_is_not_blamed),
    "never trips on coroutines": (
        *(stack, "break_circuit", counts_what_is_made),
        outage_is_left_alone,
    ),
    "begins before it asks": (
        *(stack, "break_circuit", begins_before_it_asks),
        refused_call_is_not_begun,
    ),
    "sees no stream break": (
        *(stack, "break_circuit", counts_what_begins),
        stream_that_breaks_has_failed,
    ),
    "begins streams again": (
        *(stack, "_stream", begins_again),
        stream_that_has_begun_is_not_begun_again,
    ),
    "takes throttling for an outage": (
        *(guards, "outcome_of", judged_as("failure", errors.RateLimited)),
        throttling_is_no_failure,
    ),
    "takes throttling for a success": (
        *(guards, "outcome_of", judged_as("success", errors.RateLimited)),
        throttling_is_no_success,
    ),
    "blames the service for its caller": (
        *(guards, "outcome_of", judged_as("failure", errors.CallError)),
        callers_faults_do_not_count,
    ),
    "pays for a storm": (
        *(target, "RetryQuota", Endless),
        outage_is_not_answered_by_a_storm,
    ),
}


@pytest.mark.parametrize("mistake", OTHERS)
def test_mistaken_policy_is_found_out(mistake, monkeypatch):
    """The check that is named fails."""
    place, name, broken, check = OTHERS[mistake]
    monkeypatch.setattr(place, name, broken)

    with pytest.raises(AssertionError):
        check()


def test_every_check_is_worth_its_place():
    """Each finds out a mistake."""
    used = {check for _, check in RETRIES.values()}
    used |= {check for *_, check in OTHERS.values()}

    assert set(CHECKS) == used
