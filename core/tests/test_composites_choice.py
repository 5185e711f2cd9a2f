"""Choice: which target takes a call."""

import asyncio
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pegboard import Pegboard, errors
from pegboard.builtin.composite.choice import Shares
from pegboard.testing.clock import run_virtual


def board_of(section, **fakes):
    """Return a board with the model and its targets."""
    llms = {name: {"provider": "fake", **more} for name, more in fakes.items()}
    return Pegboard.isolated({"llm": {"pool": section, **llms}})


def round_robin(**fakes):
    """Return a board with a pool of *fakes* that take turns."""
    return board_of({"provider": "round-robin", "targets": list(fakes)}, **fakes)


async def answerers(board, calls):
    """Return who answers so many *calls* in a row."""
    llm = board.llm("pool")
    replies = [await llm.complete("Hello.") for _ in range(calls)]
    return [who(reply) for reply in replies]


def who(reply):
    """Return the target that gave a *reply*."""
    return reply.provider_metadata["pegboard"]["answered_by"].removeprefix("llm.")


async def test_round_robin_takes_turns():
    """One target after the other, then from the beginning."""
    asked = await answerers(round_robin(a={}, b={}, c={}), 7)

    assert asked == ["a", "b", "c", "a", "b", "c", "a"]


async def test_failure_is_told_with_its_target():
    """The error of the one target that was asked names it and is of its class."""
    board = round_robin(a={"failures": ["QuotaExceeded"]}, b={})

    with pytest.raises(errors.QuotaExceeded, match=r"llm\.pool complete: llm\.a "):
        await board.llm("pool").complete("Hello.")


async def test_failure_of_a_stream_is_told_with_its_target():
    """A stream's error names the target too."""
    board = round_robin(a={"failures": ["QuotaExceeded"]}, b={})

    with pytest.raises(errors.QuotaExceeded, match=r"llm\.pool stream: llm\.a "):
        async for _ in board.llm("pool").stream("Hello."):
            pass


async def test_pool_is_asked_twice_by_a_fallback():
    """A fallback over the same pool twice asks two different targets."""
    board = Pegboard.isolated(
        {
            "llm": {
                "chain": {"provider": "fallback", "targets": ["pool", "pool"]},
                "pool": {"provider": "round-robin", "targets": ["bad", "good"]},
                "bad": {"provider": "fake", "failures": ["QuotaExceeded"]},
                "good": {"provider": "fake"},
            }
        }
    )

    assert who(await board.llm("chain").complete("Hello.")) == "good"


async def test_weighted_keeps_the_shares():
    """Calls are split as the weights say, spread evenly."""
    board = board_of({"provider": "weighted", "weights": {"a": 3, "b": 1}}, a={}, b={})

    asked = await answerers(board, 8)

    assert asked == ["a", "a", "b", "a"] * 2


@settings(max_examples=200, deadline=None)
@given(weights=st.lists(st.integers(1, 50), min_size=1, max_size=6))
def test_shares_are_exact(weights):
    """After as many turns as there are weights in all, each was taken by its weight."""
    shares = Shares(list(range(len(weights))), weights)

    taken = Counter(shares() for _ in range(sum(weights)))

    assert [taken[n] for n in range(len(weights))] == weights


def test_weight_of_nothing_is_a_problem():
    """Who is never to be asked is left out instead."""
    board = board_of({"provider": "weighted", "weights": {"a": 0}}, a={})

    assert [p.where for p in board.check()] == ["llm.pool.weights.a"]


def test_unknown_weight_is_a_problem():
    """The names of the weights are targets like any other."""
    board = board_of({"provider": "weighted", "weights": {"b": 1}}, a={})

    assert [p.where for p in board.check()] == ["llm.pool.weights"]


def least_busy(**fakes):
    """Return a board with a pool whose least busy target is asked."""
    return board_of({"provider": "least-busy", "targets": list(fakes)}, **fakes)


def test_least_busy_avoids_who_is_at_work():
    """Calls at the same time are spread; who is done is free again."""
    board = least_busy(slow={"delay": 10}, fast={"delay": 1})

    async def main():
        llm = board.llm("pool")
        first = asyncio.create_task(llm.complete("Hello."))
        await asyncio.sleep(0)
        during = [who(await llm.complete("Hello.")) for _ in range(3)]
        return [who(await first), *during, who(await llm.complete("Hello."))]

    assert run_virtual(main()) == ["slow", "fast", "fast", "fast", "slow"]


def test_streams_keep_a_target_busy_until_they_end():
    """A stream counts as long as it is read; a left one counts no more."""
    board = least_busy(a={}, b={})

    async def main():
        llm = board.llm("pool")
        async with llm.stream("Hello there.") as stream:
            await anext(aiter(stream))
            during = who(await llm.complete("Hello."))
        return [during, who(await llm.complete("Hello."))]

    assert run_virtual(main()) == ["b", "a"]


async def test_failed_call_keeps_nobody_busy():
    """A target whose call failed is as free as before."""
    board = least_busy(a={"failures": ["QuotaExceeded"]}, b={})
    with pytest.raises(errors.QuotaExceeded):
        await board.llm("pool").complete("Hello.")

    assert await answerers(board, 1) == ["a"]
