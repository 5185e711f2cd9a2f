"""Mirror: copies that nobody waits for."""

import asyncio

import pytest
from pegboard import Pegboard, errors
from pegboard.testing.clock import run_virtual


def board_of(first=(), shadow=(), **options):
    """Return a board with a mirror over two fakes."""
    mirror = {"provider": "mirror", "targets": ["first", "shadow"], **options}
    fakes = {
        "first": {"provider": "fake", **dict(first)},
        "shadow": {"provider": "fake", **dict(shadow)},
    }
    return Pegboard.isolated({"llm": {"m": mirror, **fakes}})


def counts(board):
    """Return what became of the copies."""
    mirror = board.provider("llm.m")
    return mirror.finished, mirror.failed, mirror.dropped


async def settle():
    """Let what is going on come to its end."""
    await asyncio.gather(*(asyncio.all_tasks() - {asyncio.current_task()}))


async def test_first_answers_and_the_others_get_the_same():
    """The reply is the first's; the request goes to all."""
    board = board_of()
    reply = await board.llm("m").complete("Hello.", seed=1)
    await settle()

    assert reply.provider_metadata["pegboard"] == {"answered_by": "llm.first"}
    sent = board.provider("llm.first").requests
    assert board.provider("llm.shadow").requests == sent
    assert counts(board) == (1, 0, 0)


def test_copy_delays_nothing():
    """The answer is there while the copy is still on its way."""
    board = board_of({"delay": 1}, {"delay": 50})

    async def main():
        loop = asyncio.get_running_loop()
        await board.llm("m").complete("Hello.")
        answered = loop.time()
        await settle()
        return answered, loop.time()

    assert run_virtual(main()) == (1, 51)


def test_copy_is_not_bound_by_the_deadline_of_the_answer():
    """The copy has the time of its own policy."""
    board = board_of({"delay": 1}, {"delay": 50}, policy={"deadline": 2})

    async def main():
        await board.llm("m").complete("Hello.")
        await settle()

    run_virtual(main())

    assert counts(board) == (1, 0, 0)


async def test_copy_fails_for_itself():
    """An error of a copy is counted and nobody else's."""
    board = board_of(shadow={"failures": ["QuotaExceeded"]})

    assert (await board.llm("m").complete("Hello.")).text == "Hello."
    await settle()

    assert counts(board) == (0, 1, 0)


@pytest.mark.parametrize("operation", ["complete", "stream"])
async def test_failed_answer_is_not_copied(operation):
    """What the first could not answer has nothing to be compared with."""
    board = board_of({"failures": ["QuotaExceeded"]})

    with pytest.raises(errors.QuotaExceeded, match=r"llm\.first"):
        if operation == "complete":
            await board.llm("m").complete("Hello.")
        else:
            async for _ in board.llm("m").stream("Hello."):
                pass

    assert board.provider("llm.shadow").requests == []


async def test_stream_is_copied_when_it_has_ended():
    """A stream's copy is a whole reply, asked for when the stream is over."""
    board = board_of()
    async with board.llm("m").stream("Hello there.") as stream:
        await anext(aiter(stream))
        assert board.provider("llm.shadow").requests == []
    async with board.llm("m").stream("Hello there.") as stream:
        async for _ in stream:
            pass
    await settle()

    assert len(board.provider("llm.shadow").requests) == 1


def test_copies_above_the_bound_are_dropped_and_counted():
    """A slow shadow holds no more copies than it may."""
    board = board_of(shadow={"delay": 50}, max_in_flight=2)

    async def main():
        for _ in range(5):
            await board.llm("m").complete("Hello.")
        await settle()
        await board.llm("m").complete("Hello.")
        await settle()

    run_virtual(main())

    assert counts(board) == (3, 0, 3)
    assert len(board.provider("llm.shadow").requests) == 3


def test_closing_ends_the_copies():
    """With the board go the copies that are on their way."""
    board = board_of(shadow={"delay": 50})
    mirror = board.provider("llm.m")

    async def main():
        before = asyncio.all_tasks()
        async with board:
            await board.llm("m").complete("Hello.")
            assert len(asyncio.all_tasks() - before) == 1
            await asyncio.sleep(1)
        assert asyncio.all_tasks() == before
        return asyncio.get_running_loop().time()

    assert run_virtual(main()) == 1
    assert (mirror.finished, mirror.failed) == (0, 0)
