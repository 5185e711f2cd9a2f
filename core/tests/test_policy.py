"""The policy, in virtual time."""

import asyncio
import math
from contextlib import aclosing

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pegboard import Policy, errors, time_left
from pegboard._policy.stack import govern
from pegboard._policy.target import Target
from pegboard.contracts.declare import Operation
from pegboard.observers import CallFailed, CallFinished, CallRetried, CallStarted
from pegboard.testing.cancellation import cancel_at_every_await
from pegboard.testing.clock import run_virtual


async def work():
    """Stand for the declaration of an operation."""


def governed(method, *, repeatable=True, streams=False, observers=(), **policy):
    """Return *method* under a policy, as the operation ``work`` of ``llm.x``."""
    target = Target(
        "llm.x", Policy(**policy), "x", "pegboard-x", ("s3cret",), observers
    )
    operation = Operation("work", repeatable, streams, work)
    return govern(method, operation, target)


class Service:
    """Answers or fails as told, and remembers when it was called."""

    def __init__(self, *outcomes, takes=0.0):
        self.outcomes = list(outcomes)
        self.takes = takes
        self.calls = []

    async def __call__(self):
        self.calls.append(asyncio.get_running_loop().time())
        await asyncio.sleep(self.takes)
        outcome = self.outcomes.pop(0) if self.outcomes else "done"
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome


def outcome_of(call):
    """Return the result of *call*, or its error, and the virtual time it took."""

    async def main():
        start = asyncio.get_running_loop().time()
        try:
            result = await call()
        except Exception as error:
            result = error
        return result, asyncio.get_running_loop().time() - start

    return run_virtual(main())


# --- attempts ---


def test_success_is_one_attempt():
    """A call that succeeds is made once."""
    service = Service("yes")

    result, _ = outcome_of(governed(service))

    assert result == "yes"
    assert len(service.calls) == 1


def test_retryable_error_is_tried_again():
    """What may succeed later is tried again, up to the number of attempts."""
    service = Service(errors.Unavailable("a"), errors.Unavailable("b"), "yes")

    result, _ = outcome_of(governed(service, attempts=3))

    assert result == "yes"
    assert len(service.calls) == 3


def test_attempts_bound_the_calls():
    """After the last attempt its error is raised, with where, when and how often."""
    failures = [errors.Unavailable(str(number)) for number in range(9)]
    service = Service(*failures)

    error, elapsed = outcome_of(governed(service, attempts=3))

    assert error is failures[2]
    assert len(service.calls) == 3
    assert (error.address, error.operation, error.attempts) == ("llm.x", "work", 3)
    assert error.elapsed == pytest.approx(elapsed)
    assert "llm.x work: 2 (3 attempts" in str(error)


@pytest.mark.parametrize(
    "kind",
    [errors.Authentication, errors.InvalidRequest, errors.QuotaExceeded],
)
def test_hopeless_error_is_not_tried_again(kind):
    """What cannot succeed is not tried again."""
    service = Service(kind("no"))

    error, _ = outcome_of(governed(service))

    assert isinstance(error, kind)
    assert len(service.calls) == 1


@pytest.mark.parametrize(("sent", "calls"), [("no", 2), ("maybe", 1), ("yes", 1)])
def test_unrepeatable_operation_is_repeated_only_if_not_sent(sent, calls):
    """What must not happen twice is repeated only if it surely did not happen."""
    service = Service(errors.ConnectionFailed("broke", request_sent=sent))

    outcome_of(governed(service, repeatable=False))

    assert len(service.calls) == calls


@pytest.mark.parametrize(("key", "calls"), [(None, 1), ("once-1", 2)])
def test_idempotency_key_makes_a_call_repeatable(key, calls):
    """What carries a key may be sent again: the service knows that it is the same."""
    sent = []

    async def method(*, idempotency_key=None):
        sent.append(idempotency_key)
        if len(sent) == 1:
            msg = "broke"
            raise errors.ConnectionFailed(msg, request_sent="yes")

    call = governed(method, repeatable=False)
    outcome_of(lambda: call(idempotency_key=key))

    assert sent == [key] * calls


def test_foreign_exception_is_wrapped_without_its_secrets():
    """An exception that the plugin let through becomes a CallError, cause and all."""
    service = Service(KeyError("boom s3cret"))

    error, _ = outcome_of(governed(service))

    assert type(error) is errors.CallError
    assert "pegboard-x" in str(error)
    assert "s3cret" not in f"{error}{error!r}{error.__cause__!r}{error.__context__!r}"


# --- waits ---


@pytest.mark.parametrize("wait", [0.2, 3.0, 50.0])
def test_retry_after_is_a_floor(wait):
    """The wait before the next attempt is at least what the service asked for."""
    service = Service(errors.RateLimited("slow down", retry_after=wait))

    result, _ = outcome_of(governed(service, backoff=0))

    assert result == "done"
    assert service.calls[1] - service.calls[0] >= wait


def test_retry_after_beyond_the_deadline_fails_at_once():
    """If the service asks for more time than there is, nobody waits for nothing."""
    service = Service(errors.RateLimited("slow down", retry_after=11.0))

    error, elapsed = outcome_of(governed(service, deadline=10))

    assert (type(error), error.retry_after) == (errors.RateLimited, 11.0)
    assert elapsed == 0
    assert len(service.calls) == 1


def test_retry_after_above_its_cap_fails_at_once():
    """The longest wait that a service may ask for is a setting."""
    service = Service(errors.RateLimited("slow down", retry_after=31.0))

    error, elapsed = outcome_of(governed(service, max_retry_after=30))

    assert (error.retry_after, elapsed) == (31.0, 0)


def test_backoff_stays_below_its_bounds():
    """Waits are random below a bound that doubles up to a maximum."""
    service = Service(*[errors.Unavailable("x") for _ in range(6)])

    outcome_of(
        governed(
            service,
            attempts=6,
            backoff=1,
            max_backoff=4,
            breaker={"enabled": False},
        )
    )

    waits = [b - a for a, b in zip(service.calls, service.calls[1:], strict=False)]
    for wait, bound in zip(waits, (1, 2, 4, 4, 4), strict=True):
        assert 0 <= wait <= bound


# --- time ---


def test_attempt_timeout_cancels_and_retries():
    """An attempt that takes too long is cancelled and tried again."""
    service = Service(takes=5)

    error, elapsed = outcome_of(
        governed(service, attempts=2, attempt_timeout=1, backoff=0)
    )

    assert type(error) is errors.Timeout
    assert "attempt_timeout in [llm.x.policy]" in str(error)
    assert elapsed == 2
    assert len(service.calls) == 2


def test_deadline_spans_all_attempts():
    """The call as a whole ends by its deadline, and says so."""
    service = Service(takes=100)

    error, elapsed = outcome_of(governed(service, deadline=7))

    assert type(error) is errors.DeadlineExceeded
    assert "Raise deadline in [llm.x.policy]" in str(error)
    assert elapsed == 7
    assert len(service.calls) == 1


def test_inner_call_shares_the_outer_deadline():
    """A call made within a call cannot outlast it."""
    inner = governed(Service(takes=100), deadline=50)
    outer = governed(inner, deadline=3)

    error, elapsed = outcome_of(outer)

    assert isinstance(error, errors.Timeout)
    assert elapsed == 3


def test_provider_knows_the_time_left():
    """The provider is told what remains of the attempt, as a float."""
    seen = []

    async def method():
        seen.append(time_left())
        await asyncio.sleep(2)
        seen.append(time_left())

    async def twice():
        await governed(method, deadline=10, attempt_timeout=4)()
        seen.append(time_left())

    run_virtual(twice())

    assert seen == [4, 2, None]


def test_without_limits_no_time_is_left_to_tell():
    """A call without deadline has no time left to speak of."""
    seen = []

    async def method():
        seen.append(time_left())

    run_virtual(governed(method, deadline=math.inf)())

    assert seen == [None]


times = st.floats(min_value=0.01, max_value=30, allow_nan=False)


@settings(max_examples=150, deadline=None)
@given(
    deadline=times,
    attempt_timeout=times,
    backoff=times,
    attempts=st.integers(1, 6),
    takes=times,
    waits=st.lists(st.one_of(st.none(), times), max_size=6),
)
def test_no_policy_outlasts_its_deadline(
    deadline, attempt_timeout, backoff, attempts, takes, waits
):
    """Whatever is set and whatever happens, the call ends by its deadline."""
    failures = [errors.Unavailable("x", retry_after=wait) for wait in waits]
    service = Service(*failures, takes=takes)

    _, elapsed = outcome_of(
        governed(
            service,
            deadline=deadline,
            attempt_timeout=attempt_timeout,
            backoff=backoff,
            attempts=attempts,
        )
    )

    assert elapsed <= deadline + 1e-6
    assert len(service.calls) <= attempts


# --- streams ---


class StreamService:
    """Streams numbers and fails where told."""

    def __init__(self, *, breaks_at=None, times=1, takes=0.0, length=4):
        self.breaks_at = breaks_at
        self.times = times
        self.takes = takes
        self.length = length
        self.opened = 0
        self.open = 0

    async def __call__(self):
        self.opened += 1
        self.open += 1
        try:
            for number in range(self.length):
                await asyncio.sleep(self.takes)
                if number == self.breaks_at and self.opened <= self.times:
                    msg = "broke"
                    raise errors.ConnectionFailed(msg)
                yield number
        finally:
            self.open -= 1


def received_from(stream):
    """Return the items of *stream*, and the error that ended it or None."""

    async def main():
        items = []
        try:
            async for item in stream():
                items.append(item)
        except errors.CallError as error:
            return items, error
        return items, None

    return run_virtual(main())


@pytest.mark.parametrize("breaks_at", range(4))
def test_stream_is_repeated_only_before_its_first_item(breaks_at):
    """No item ever comes twice: after the first, an error ends the stream."""
    service = StreamService(breaks_at=breaks_at)

    items, error = received_from(governed(service, streams=True))

    if breaks_at == 0:
        assert (items, error, service.opened) == ([0, 1, 2, 3], None, 2)
    else:
        assert (items, service.opened) == (list(range(breaks_at)), 1)
        assert error.in_stream
    assert service.open == 0


def test_stream_ends_by_its_deadline():
    """A stream that trickles is ended by the deadline and closed."""
    service = StreamService(takes=2, length=100)

    items, error = received_from(governed(service, streams=True, deadline=9))

    assert items == [0, 1, 2, 3]
    assert type(error) is errors.DeadlineExceeded
    assert (error.in_stream, error.elapsed, service.open) == (True, 9, 0)


def test_first_item_is_waited_for_as_long_as_an_attempt():
    """The attempt timeout of a stream bounds the wait for its first item only."""
    service = StreamService(takes=2)

    items, error = received_from(governed(service, streams=True, attempt_timeout=3))

    assert (items, error) == ([0, 1, 2, 3], None)


def test_leaving_a_stream_closes_its_source():
    """Whoever leaves early stops the work at the other end."""
    service = StreamService()

    async def main():
        async with aclosing(governed(service, streams=True)()) as stream:
            async for _ in stream:
                break

    run_virtual(main())

    assert service.open == 0


def test_consumer_does_not_see_the_streams_deadline():
    """What the consumer does between items is not bound by the stream's deadline."""
    seen = []

    async def main():
        async for _ in governed(StreamService(), streams=True, deadline=5)():
            seen.append(time_left())

    run_virtual(main())

    assert seen == [None] * 4


def test_empty_stream_is_empty():
    """A stream without items is no error of the policy."""
    assert received_from(governed(StreamService(length=0), streams=True)) == ([], None)


# --- cancellation ---


async def test_cancelled_call_leaves_nothing():
    """Cancelled at any point, a call leaves no task and no time limit behind."""
    before = asyncio.all_tasks()

    async def method():
        await asyncio.sleep(0)
        msg = "x"
        raise errors.Unavailable(msg)

    def check():
        assert asyncio.all_tasks() == before
        assert time_left() is None

    places = await cancel_at_every_await(
        governed_or_error(governed(method, attempts=3, backoff=0)), check
    )

    assert places >= 3


async def test_cancelled_stream_closes_its_source():
    """Cancelled at any point, a stream closes its source."""
    service = StreamService(breaks_at=0)

    async def consume():
        async with aclosing(governed(service, streams=True, backoff=0)()) as stream:
            async for _ in stream:
                await asyncio.sleep(0)

    def check():
        service.opened = 0
        assert service.open == 0

    assert await cancel_at_every_await(consume, check) >= 6


def governed_or_error(call):
    """Return a coroutine function that makes *call* and takes its error as normal."""

    async def run():
        try:
            await call()
        except errors.CallError:
            return

    return run


# --- observers ---


class Recorder:
    """Remembers what it is told."""

    def __init__(self):
        self.told = []

    def notify(self, event):
        match event:
            case CallStarted(call):
                self.told.append(("started", call.operation))
            case CallRetried(call, error, wait):
                self.told.append(("retried", type(error), call.attempts, wait))
            case CallFinished(call, elapsed, result):
                self.told.append(("finished", call.attempts, elapsed, result))
            case CallFailed(call, error, elapsed):
                self.told.append(("failed", call.attempts, type(error), elapsed))


def test_observers_are_told_of_a_call_once():
    """One logical call is one start and one end, with its retries between."""
    recorder = Recorder()
    service = Service(errors.RateLimited("x", retry_after=3.0), takes=1)

    outcome_of(governed(service, observers=(recorder,), backoff=0))

    assert recorder.told == [
        ("started", "work"),
        ("retried", errors.RateLimited, 1, 3.0),
        ("finished", 2, 5.0, "done"),
    ]


def test_observers_are_told_of_failure_and_of_a_left_stream():
    """A failed call fails for observers; a stream that is left has finished."""
    recorder = Recorder()

    async def main():
        stream = governed(StreamService(), streams=True, observers=(recorder,))()
        await anext(stream)
        await stream.aclose()

    outcome_of(governed(Service(errors.NotFound("x")), observers=(recorder,)))
    run_virtual(main())

    assert recorder.told == [
        ("started", "work"),
        ("failed", 1, errors.NotFound, 0.0),
        ("started", "work"),
        ("finished", 1, 0.0, 0),
    ]


def test_broken_observer_changes_nothing():
    """What an observer raises does not reach the call."""

    class Broken:
        def notify(self, event):
            raise RuntimeError(event)

    result, _ = outcome_of(governed(Service("yes"), observers=(Broken(),)))

    assert result == "yes"
