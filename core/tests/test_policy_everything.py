"""The layers of the policy together: what each lends comes back, whoever leaves."""

import asyncio

import pytest
from pegboard import LLMProvider, Options, Pegboard, Policy, errors, hookimpl
from pegboard._policy.shared import News
from pegboard._policy.stack import govern
from pegboard._policy.target import Target
from pegboard.builtin.memory import MemoryKeyValue, MemoryOptions
from pegboard.contracts.chat import Reply, Text, Usage
from pegboard.contracts.declare import Operation
from pegboard.deadline import ends_at
from pegboard.descriptors import Context
from pegboard.testing.cancellation import cancel_at_every_await
from pegboard.testing.clock import run_virtual

EVERYTHING = {
    "attempts": 3,
    "backoff": 0,
    "attempt_timeout": 60,
    "idle_timeout": 60,
    "concurrency": 1,
    "requests_per_minute": 60_000,
    "tokens_per_minute": 60_000,
    "join_equal": True,
}


class Told:
    """Counts what begins and what ends."""

    def __init__(self):
        self.open = 0

    def notify(self, event):
        """Remember."""
        kind = type(event).__name__
        self.open += {"CallStarted": 1, "CallFinished": -1, "CallFailed": -1}.get(
            kind, 0
        )


def target_of(tmp_path, **breaker):
    """Return a target whose policy has everything, and the one who is told."""
    told = Told()
    context = Context(address="storage.news", data_folder=tmp_path)
    store = MemoryKeyValue(MemoryOptions(), context)
    target = Target(
        "llm.x",
        Policy(**EVERYTHING, breaker=breaker),
        "x",
        "pegboard-x",
        observers=(told,),
        news=News(store, "llm.x", lambda: 0.0),
    )
    return target, told


async def assert_nothing_is_lent(target, told):
    """Assert that a call could be made as if there had been none."""
    await asyncio.sleep(0)
    assert (told.open, target.bulkhead.waiting, target.bulkhead._free) == (0, 0, 1)
    assert target.breaker._running == 0
    assert ends_at.get() == float("inf")


@pytest.mark.parametrize("streams", [False, True])
@pytest.mark.parametrize("rivals", [0, 1])
async def test_cancelled_anywhere_gives_everything_back(tmp_path, streams, rivals):
    """A call, alone or behind another, is cancelled at each of its suspensions."""
    target, told = target_of(tmp_path, failures=99, minimum_calls=999)
    before = asyncio.all_tasks()
    fails = []

    async def work():
        await asyncio.sleep(0)
        fails.append(1)
        if len(fails) % 2:
            msg = "x"
            raise errors.Unavailable(msg)
        return "done"

    async def stream():
        yield await work()
        await asyncio.sleep(0)
        yield "more"

    operation = Operation("work", repeatable=True, streams=streams, method=work)
    call = govern(stream if streams else work, operation, target)

    async def read():
        return [item async for item in call()] if streams else await call()

    async def beside_rivals():
        others = [asyncio.create_task(read()) for _ in range(rivals)]
        try:
            await asyncio.sleep(0)
            await read()
        finally:
            await asyncio.gather(*others, return_exceptions=True)

    async def check():
        fails.clear()
        await assert_nothing_is_lent(target, told)
        assert asyncio.all_tasks() == before

    assert await cancel_at_every_await(beside_rivals, check) >= 3


async def test_probe_cancelled_anywhere_frees_its_place(tmp_path):
    """The next one may probe, wherever the one before was given up."""
    target, told = target_of(tmp_path, open_for=1e-9, probes=1)

    async def work():
        await asyncio.sleep(0)

    call = govern(work, Operation("work", True, False, work), target)  # noqa: FBT003

    async def probe():
        now = asyncio.get_running_loop().time()
        target.breaker._become("open", now - 1)
        await call()

    async def check():
        await assert_nothing_is_lent(target, told)
        permit = target.breaker.acquire(asyncio.get_running_loop().time() + 1)
        assert permit is not None
        target.breaker.settle(permit, "success", 0.0)

    assert await cancel_at_every_await(probe, check) >= 1


def test_thirty_clients_do_not_keep_a_breaker_open():
    """They ask again and again during an outage, and all go on when it is over."""
    state = {"down": True, "calls": 0}

    async def work():
        state["calls"] += 1
        await asyncio.sleep(0.1)
        if state["down"]:
            msg = "down"
            raise errors.Unavailable(msg)

    rules = Policy(attempts=3, backoff=0.2, breaker={"failures": 5, "open_for": 10})
    target = Target("llm.x", rules, "x", "pegboard-x")
    call = govern(work, Operation("work", True, False, work), target)  # noqa: FBT003

    async def client():
        answered = 0
        while asyncio.get_running_loop().time() < 120:
            try:
                await call()
                answered += 1
            except errors.CallError:
                pass
            await asyncio.sleep(1)
        return answered

    async def main():
        clients = [asyncio.create_task(client()) for _ in range(30)]
        await asyncio.sleep(60)
        during = state["calls"]
        state["down"] = False
        return during, await asyncio.gather(*clients)

    during, answered = run_virtual(main())

    assert during <= 30 + 60 / 10
    assert min(answered) >= 40
    assert target.breaker.state == "closed"


class Neighbours:
    """Offers models that are down, or not, and counts what reaches each."""

    def __init__(self, *down):
        self.down = down
        self.calls = []

    @hookimpl
    def pegboard_llm_providers(self):
        """Return the offer."""
        return [
            LLMProvider(
                name="neighbour",
                factory=lambda _, context: Neighbour(self, context.name),
                options=Options,
                contracts={"ChatModel": 1},
            )
        ]


class Neighbour:
    """A model among others."""

    def __init__(self, street, name):
        self.street = street
        self.name = name

    async def complete(self, _request):
        """Answer, unless it is down."""
        self.street.calls.append(self.name)
        if self.name in self.street.down:
            msg = "down"
            raise errors.Unavailable(msg)
        words = (Text(self.name),)
        return Reply(parts=words, finish_reason="stop", usage=Usage(), model="m")


def test_breaker_of_one_target_leaves_the_chain_whole():
    """A vendor that is down is left alone, and the others answer at once."""
    street = Neighbours("first")
    llms = {
        "first": {"provider": "neighbour", "policy": {"attempts": 1}},
        "second": {"provider": "neighbour"},
        "default": {"provider": "fallback", "targets": ["first", "second"]},
    }

    async def main():
        async with Pegboard.isolated({"llm": llms}, plugins=[street]) as board:
            for _ in range(20):
                reply = await board.llm().complete("?")
                assert reply.text == "second"
            states = {a: one.breaker for a, one in board.stats().items()}
        return states, asyncio.get_running_loop().time()

    states, took = run_virtual(main())

    assert (street.calls.count("first"), street.calls.count("second")) == (5, 20)
    assert states == {
        "llm.default": "closed",
        "llm.first": "open",
        "llm.second": "closed",
    }
    assert took == 0
