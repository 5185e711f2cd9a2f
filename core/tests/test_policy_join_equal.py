"""Equal calls at the same time, made once; and how others get that wrong."""

import asyncio
import threading

import pytest
from pegboard import Pegboard, Policy, errors
from pegboard._policy import joining
from pegboard._policy.stack import govern
from pegboard._policy.target import Target
from pegboard.contracts.chat import ChatRequest, Message, Reply, Tool
from pegboard.contracts.declare import Operation
from pegboard.deadline import ends_at
from pegboard.testing.cancellation import cancel_at_every_await
from pegboard.testing.clock import run_virtual


class Service:
    """Takes a second to answer each call, as its script says."""

    def __init__(self, *script, takes=1.0):
        self.script = list(script)
        self.takes = takes
        self.calls = []

    async def __call__(self, *args, **kwargs):
        self.calls.append((args, kwargs))
        number = len(self.calls)
        await asyncio.sleep(self.takes)
        outcome = self.script.pop(0) if self.script else {"answer": number}
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome


def joined(service, *, repeatable=True, observers=(), **policy):
    """Return *service* under a policy by which equal calls are one."""
    rules = Policy(**{"join_equal": True, "attempts": 1, **policy})
    target = Target("llm.x", rules, "x", "pegboard-x", (), observers)
    operation = Operation("work", repeatable, streams=False, method=service)
    return govern(service, operation, target)


async def outcomes(*calls):
    """Return what *calls* bring, made at the same time."""
    return await asyncio.gather(*calls, return_exceptions=True)


def kinds(found):
    """Return the classes of what was found."""
    return [type(one) for one in found]


def request(text="Hello.", **parameters):
    """Return a request to a model."""
    return ChatRequest(messages=(Message.of("user", text),), **parameters)


# --- what it must do; each is found out where it does not ---


def equal_calls_are_one():
    """All get the reply to the first, in the time of one."""
    service = Service()
    call = joined(service)

    async def main():
        found = await outcomes(*(call(request()) for _ in range(5)))
        return found, asyncio.get_running_loop().time()

    assert run_virtual(main()) == ([{"answer": 1}] * 5, 1.0)
    assert len(service.calls) == 1


def different_calls_are_several():
    """Equal is what is sent: 1 and true are equal to Python only."""
    service = Service()
    call = joined(service)
    flags = [{"x": {"flag": flag}} for flag in (1, True, 1.0)]
    schemas = [{"a": 1, "b": 2}, {"b": 2, "a": 1}]

    run_virtual(
        outcomes(
            *(call(request(extra=extra)) for extra in flags),
            *(call(request(schema=schema)) for schema in schemas),
            call(request("Hi.")),
            call("key"),
            call("key", limit=1),
        )
    )

    assert len(service.calls) == 8


def followers_outlive_a_cancelled_leader():
    """Another of them makes the call; none hangs, none is cancelled."""
    service = Service()
    call = joined(service)

    async def main():
        calls = [asyncio.create_task(call("a")) for _ in range(4)]
        await asyncio.sleep(0.5)
        calls[0].cancel()
        async with asyncio.timeout(60):
            return await outcomes(*calls), asyncio.get_running_loop().time()

    found, now = run_virtual(main())

    assert (kinds(found[:1]), found[1:]) == (
        [asyncio.CancelledError],
        [{"answer": 2}] * 3,
    )
    assert (now, len(service.calls)) == (1.5, 2)


def cancelled_follower_harms_nobody():
    """The call goes on for the others."""
    service = Service()
    call = joined(service)

    async def main():
        calls = [asyncio.create_task(call("a")) for _ in range(3)]
        await asyncio.sleep(0.5)
        calls[1].cancel()
        return await outcomes(*calls)

    first, second, third = run_virtual(main())

    assert (first, third) == ({"answer": 1}, {"answer": 1})
    assert isinstance(second, asyncio.CancelledError)


def each_keeps_its_own_deadline():
    """A hasty follower leaves, a hasty leader hands over."""
    service = Service(takes=10)
    call = joined(service, deadline=100)

    async def within(seconds):
        ends_at.set(asyncio.get_running_loop().time() + seconds)
        try:
            await call("a")
        except errors.DeadlineExceeded:
            return "late", asyncio.get_running_loop().time()
        return "done", asyncio.get_running_loop().time()

    async def main():
        tasks = [asyncio.create_task(within(s)) for s in (5, 3, 40)]
        return await asyncio.gather(*tasks)

    assert run_virtual(main()) == [("late", 5), ("late", 3), ("done", 15)]


def failure_is_shared_but_not_kept():
    """Who waits gets the failure, too; who comes later calls anew."""
    service = Service(errors.Unavailable("down"))
    call = joined(service)

    async def main():
        found = await outcomes(call("a"), call("a"))
        return [*found, *await outcomes(call("a"))]

    first, second, later = run_virtual(main())

    assert kinds([first, second]) == [errors.Unavailable] * 2
    assert later == {"answer": 2}
    assert first is not second
    assert (first.attempts, second.attempts) == (1, 0)


def reply_is_not_kept():
    """What is asked again after the reply is asked of the service again."""
    service = Service()
    call = joined(service)

    async def main():
        return [await call("a"), await call("a")]

    assert run_virtual(main()) == [{"answer": 1}, {"answer": 2}]


def replies_are_apart():
    """What one does to its reply does not change that of another."""
    call = joined(Service())

    first, second = run_virtual(outcomes(call("a"), call("a")))
    first["answer"] = "changed"

    assert second == {"answer": 1}


def what_may_not_happen_twice_does_not_happen_once():
    """Two equal messages are two messages."""
    service = Service()
    call = joined(service, repeatable=False)

    run_virtual(outcomes(call("#ops", "hi"), call("#ops", "hi")))

    assert len(service.calls) == 2


CHECKS = [
    equal_calls_are_one,
    different_calls_are_several,
    followers_outlive_a_cancelled_leader,
    cancelled_follower_harms_nobody,
    each_keeps_its_own_deadline,
    failure_is_shared_but_not_kept,
    reply_is_not_kept,
    replies_are_apart,
    what_may_not_happen_twice_does_not_happen_once,
]


@pytest.mark.parametrize("check", CHECKS)
def test_equal_calls(check):
    """The policy passes every check."""
    check()


# --- the same with a mistake ---


def of_futures(*, shields=True, keeps=False):
    """Return how others do it: one future for all, resolved if all goes well."""

    def join(inner, _target):
        made = {}

        async def step(call, args, kwargs):
            if args not in made:
                future = made[args] = asyncio.get_running_loop().create_future()
                try:
                    result = await inner(call, args, kwargs)
                except Exception as error:
                    future.set_exception(error)
                    future.exception()
                else:
                    future.set_result(result)
                finally:
                    if not keeps:
                        made.pop(args)
                return future.result()
            future = made[args]
            return await (asyncio.shield(future) if shields else future)

        return step

    return join


def with_one(name, broken):
    """Return how to put one mistake into the module."""
    return lambda patch: patch.setattr(joining, name, broken)


def in_place(broken):
    """Return how to put *broken* in the place of the whole."""
    return lambda patch: patch.setattr("pegboard._policy.stack.join_equal", broken)


async def waits_for_ever(flight, _call, _target):
    """Wait as long as the first call takes."""
    await flight.is_over.wait()


def python_key(value):
    """Tell apart what Python tells apart, in any order."""
    if isinstance(value, dict):
        return frozenset((k, python_key(v)) for k, v in value.items())
    if isinstance(value, list | tuple):
        return tuple(map(python_key, value))
    if isinstance(value, ChatRequest | Message):
        names = value.__dataclass_fields__
        return tuple(python_key(getattr(value, name)) for name in names)
    return value


MISTAKES = {
    "joins nothing": (
        in_place(lambda inner, _: inner),
        equal_calls_are_one,
    ),
    "hangs when the leader is cancelled": (
        in_place(of_futures()),
        followers_outlive_a_cancelled_leader,
    ),
    "is cancelled with a follower": (
        in_place(of_futures(shields=False)),
        cancelled_follower_harms_nobody,
    ),
    "keeps failures": (
        in_place(of_futures(keeps=True)),
        failure_is_shared_but_not_kept,
    ),
    "keeps replies": (in_place(of_futures(keeps=True)), reply_is_not_kept),
    "shares what can be changed": (
        with_one("deepcopy", lambda x: x),
        replies_are_apart,
    ),
    "shares the error itself": (
        with_one("copy", lambda x: x),
        failure_is_shared_but_not_kept,
    ),
    "forgets deadlines": (
        with_one("_wait", waits_for_ever),
        each_keeps_its_own_deadline,
    ),
    "hands on the leader's haste": (
        lambda patch: patch.setattr(joining.Flight, "is_given_up", False),
        each_keeps_its_own_deadline,
    ),
    "takes 1 for true": (with_one("key_of", python_key), different_calls_are_several),
    "joins messages": (
        lambda patch: patch.setattr("pegboard._policy.stack._may_join", bool),
        what_may_not_happen_twice_does_not_happen_once,
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistaken_joining_is_found_out(mistake, monkeypatch):
    """The check that is named fails."""
    put, check = MISTAKES[mistake]
    put(monkeypatch)

    with pytest.raises((AssertionError, TimeoutError)):
        check()


def test_every_check_is_worth_its_place():
    """Each finds out a mistake."""
    assert set(CHECKS) == {check for _, check in MISTAKES.values()}


# --- around it ---


async def test_cancelled_calls_leave_nothing():
    """Cancelled at any point, neither leader nor follower leaves a call behind."""
    service = Service(takes=0)
    call = joined(service)
    before = asyncio.all_tasks()

    async def pair():
        async with asyncio.TaskGroup() as group:
            group.create_task(call("a"))
            group.create_task(call("a"))

    async def check():
        assert asyncio.all_tasks() == before
        service.calls.clear()
        assert await call("a") == {"answer": 1}

    assert await cancel_at_every_await(pair, check) >= 1


def test_what_cannot_be_compared_is_not_joined():
    """Who knows whether two things of another kind are equal."""
    service = Service()
    call = joined(service)
    thing = object()

    run_virtual(outcomes(call(thing), call(thing)))

    assert len(service.calls) == 2


def test_requests_are_compared_by_all_that_is_in_them():
    """Also by what holds dicts, and has no hash."""
    service = Service()
    call = joined(service)
    tools = [Tool("f", "Do.", {"type": "object", "required": [x]}) for x in "aab"]

    run_virtual(outcomes(*(call(request(tools=(tool,))) for tool in tools)))

    assert len(service.calls) == 2


def test_limits_are_for_calls_that_are_made():
    """Who joins takes no place and no share of the rate."""
    service = Service()
    call = joined(service, concurrency=1, requests_per_minute=1)

    async def main():
        await outcomes(*(call("a") for _ in range(9)))
        return asyncio.get_running_loop().time()

    assert run_virtual(main()) == 1.0


def test_repeats_are_made_once_for_all():
    """A failure that passes is not seen by those who wait."""
    service = Service(errors.Unavailable("down"), {"answer": "yes"})
    call = joined(service, attempts=2, backoff=0)

    assert run_virtual(outcomes(call("a"), call("a"))) == [{"answer": "yes"}] * 2
    assert len(service.calls) == 2


def test_loops_in_threads_do_not_wait_for_each_other():
    """Each loop makes its own call, on the same instance."""
    service = Service(takes=0.05)
    call = joined(service)
    start = threading.Barrier(2)
    found = []

    async def main():
        start.wait()
        found.extend(await outcomes(call("a"), call("a")))

    threads = [threading.Thread(target=lambda: asyncio.run(main())) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)

    assert len(service.calls) == 2
    assert len(found) == 4


async def test_joined_calls_use_no_tokens():
    """All are counted, and what the one call took is counted once."""
    settings = {
        "provider": "fake",
        "delay": 0.01,
        "policy": {"join_equal": True},
    }
    async with Pegboard.isolated({"llm": {"default": settings}}) as board:
        llm = board.llm()
        replies = await asyncio.gather(*(llm.complete("Hello.") for _ in range(3)))
        stats = board.stats()["llm.default"]

    assert kinds(replies) == [Reply] * 3
    assert (stats.calls, stats.attempts, stats.unknown_usage) == (3, 1, 0)
    assert stats.usage == replies[0].usage == replies[1].usage
