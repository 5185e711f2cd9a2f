"""Hedge: late answers, and what it costs not to wait for them. In virtual time."""

import asyncio
from contextlib import aclosing

import pegboard
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pegboard import Finished, Pegboard, Reply, Text, TextDelta, Usage, errors
from pegboard.builtin.composite.hedge import Budget
from pegboard.testing.cancellation import cancel_at_every_await
from pegboard.testing.clock import run_virtual

END = Finished(finish_reason="stop", model="timed", usage=Usage(input=1, output=1))


class TimedOptions(pegboard.Options):
    """How long each call takes, in turn."""

    takes: tuple[float, ...] = (0.1,)
    """Seconds, from the beginning again after the last."""
    fails: str | None = None
    """The error that each call ends with."""
    breaks: bool = False
    """Whether streams break after a word."""


class Timed:
    """A model whose calls take as long as told."""

    def __init__(self, options, _context):
        self.options = options
        self.asked = 0
        self.running = 0
        self.cancelled = 0

    async def _work(self):
        takes = self.options.takes[self.asked % len(self.options.takes)]
        self.asked += 1
        self.running += 1
        try:
            await asyncio.sleep(takes)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.running -= 1
        if self.options.fails:
            msg = "as told"
            raise getattr(errors, self.options.fails)(msg)

    async def complete(self, _):
        await self._work()
        return Reply(
            parts=(Text("x"),), finish_reason="stop", usage=END.usage, model="timed"
        )

    async def stream(self, _):
        await self._work()
        self.running += 1
        try:
            yield TextDelta("x ")
            await asyncio.sleep(0.1)
            if self.options.breaks:
                msg = "broke"
                raise errors.ConnectionFailed(msg)
            yield TextDelta("y")
            yield END
        finally:
            self.running -= 1

    @staticmethod
    @pegboard.hookimpl
    def pegboard_llm_providers():
        return [
            pegboard.LLMProvider(
                name="timed",
                factory=Timed,
                options=TimedOptions,
                contracts={"ChatModel": 1, "StreamingChat": 1},
                defaults={"policy": {"attempts": 1}},
            )
        ]


def board_of(*takes, fails=(), **options):
    """Return a board with a hedge over models that take such times."""
    names = [f"t{number}" for number in range(len(takes))]
    hedge = {"provider": "hedge", "targets": names, "after": 1, "max_extra": 1}
    reasons = [*fails, *[None] * len(takes)]
    llms = {
        name: {"provider": "timed", "takes": times, "fails": reason}
        for name, times, reason in zip(names, takes, reasons, strict=False)
    }
    return Pegboard.isolated({"llm": {"h": hedge | options, **llms}}, plugins=[Timed])


def models(board):
    """Return the models behind the hedge."""
    return [board.provider(a) for a in board.addresses() if a.startswith("llm.t")]


def asked(board):
    """Return how often each model was asked."""
    return [model.asked for model in models(board)]


async def timed(call):
    """Return the result of *call*, or its error, and the time it took."""
    start = asyncio.get_running_loop().time()
    try:
        result = await call
    except errors.CallError as error:
        result = error
    return result, round(asyncio.get_running_loop().time() - start, 6)


def completed(board):
    """Return who replied, or the error, and the time it took."""
    result, took = run_virtual(timed(board.llm("h").complete("Hello.")))
    if isinstance(result, Reply):
        return result.provider_metadata["pegboard"]["answered_by"], took
    return result, took


async def words(board):
    """Return the words of a stream of the hedge, and who said them."""
    async with board.llm("h").stream("Hello.") as stream:
        said = "".join([text async for text in stream.text])
        return said, stream.reply.provider_metadata["pegboard"]["answered_by"]


# --- the first answer ---


def test_answer_in_time_costs_nothing_more():
    """Who answers before the delay is the only one asked."""
    board = board_of([0.5], [0.5])

    assert completed(board) == ("llm.t0", 0.5)
    assert asked(board) == [1, 0]


def test_late_answer_is_overtaken():
    """After the delay the next is asked; its answer ends the call and the other."""
    board = board_of([10], [0.5])

    assert completed(board) == ("llm.t1", 1.5)
    assert [model.cancelled for model in models(board)] == [1, 0]
    assert [model.running for model in models(board)] == [0, 0]


def test_first_target_may_still_win():
    """Being asked second is no claim to the answer."""
    board = board_of([2], [5])

    assert completed(board) == ("llm.t0", 2)
    assert [model.cancelled for model in models(board)] == [0, 1]


def test_each_further_target_waits_its_turn():
    """Another delay, another target, as far as the budget reaches."""
    board = board_of([10], [10], [0.5], max_extra=2)

    assert completed(board) == ("llm.t2", 2.5)
    assert asked(board) == [1, 1, 1]


def test_same_target_may_be_asked_again():
    """A hedge over one service names it twice."""
    hedge = {"provider": "hedge", "targets": ["t", "t"], "after": 1, "max_extra": 1}
    slow_once = {"provider": "timed", "takes": [10, 0.5]}
    llms = {"h": hedge, "t": slow_once}
    board = Pegboard.isolated({"llm": llms}, plugins=[Timed])

    assert completed(board) == ("llm.t", 1.5)


# --- failures ---


def test_failure_in_time_is_the_answer():
    """A hedge is no fallback: an error before the delay is told."""
    board = board_of([0.5], [0.5], fails=["QuotaExceeded"])

    error, took = completed(board)

    assert (type(error), took, asked(board)) == (errors.QuotaExceeded, 0.5, [1, 0])


@pytest.mark.parametrize(
    ("fails", "answers", "took"),
    [(["Unavailable"], "llm.t1", 4), ([None, "Unavailable"], "llm.t0", 3)],
)
def test_failure_of_one_leaves_the_other(fails, answers, took):
    """Once two are asked, either may fail as long as the other answers."""
    assert completed(board_of([3], [3], fails=fails)) == (answers, took)


def test_failure_of_all_tells_of_all():
    """When nobody is left the error says what each said."""
    board = board_of([2], [2], fails=["Unavailable", "QuotaExceeded"])

    error, took = completed(board)

    assert (type(error), took) == (errors.QuotaExceeded, 3)
    assert "llm.t0 complete" in str(error)
    assert "llm.t1 complete" in str(error)


def test_deadline_spans_all_that_are_asked():
    """All end by the deadline of the hedge, and none is left at work."""
    board = board_of([100], [100], policy={"deadline": 7})

    error, took = completed(board)

    assert (type(error), took) == (errors.DeadlineExceeded, 7)
    assert [model.running for model in models(board)] == [0, 0]


# --- what it is for ---


def test_slow_tail_is_cut():
    """With one slow answer in twenty, the 99th percentile is delay plus fast answer."""
    board = board_of([0.1] * 19 + [30], [0.1], max_extra=0.05)

    async def main():
        llm = board.llm("h")
        return sorted([(await timed(llm.complete("Hello.")))[1] for _ in range(1000)])

    times = run_virtual(main())

    assert times[500] == 0.1
    assert times[990] == times[-1] == 1.1
    assert asked(board) == [1000, 50]


def test_slow_service_is_not_asked_twice_as_much():
    """When everything is slow the additional requests stay within their share."""
    board = board_of([5], [5], max_extra=0.05)

    async def main():
        for _ in range(100):
            await board.llm("h").complete("Hello.")

    run_virtual(main())

    assert asked(board) == [100, 5]


@settings(max_examples=200, deadline=None)
@given(
    share=st.floats(0, 1),
    wishes=st.lists(st.booleans(), max_size=300),
)
def test_budget_is_never_overdrawn(share, wishes):
    """At no time were there more additional requests than shares of calls."""
    budget, spent = Budget(share), 0

    for calls, wished in enumerate(wishes, 1):
        budget.earn()
        spent += wished and budget.spend()
        assert spent <= calls * share + 1e-3


def test_budget_is_exact():
    """A share of a twentieth is one in twenty, not one in twenty-one."""
    budget = Budget(0.05)
    spent = []
    for _ in range(100):
        budget.earn()
        spent.append(budget.spend())

    assert [n for n, was in enumerate(spent, 1) if was] == [20, 40, 60, 80, 100]


def test_calm_times_pay_for_no_storm():
    """Only so much is saved up."""
    budget = Budget(0.5)
    for _ in range(10_000):
        budget.earn()

    assert sum(budget.spend() for _ in range(100)) == 10


# --- streams ---


def test_stream_that_begins_late_is_overtaken():
    """The stream whose first event comes first is read; the other is closed."""
    board = board_of([10], [0.5])

    assert run_virtual(timed(words(board))) == (("x y", "llm.t1"), 1.6)
    assert [model.running for model in models(board)] == [0, 0]


def test_stream_that_began_is_not_overtaken():
    """The delay is for the beginning only."""
    board = board_of([0.9], [0.1], after=0.95)

    assert run_virtual(timed(words(board))) == (("x y", "llm.t0"), 1.0)
    assert asked(board) == [1, 0]


def test_streams_that_begin_together_are_one():
    """Of two that begin at the same time one is read, the other closed at once."""
    board = board_of([2], [1])

    async def main():
        async with board.llm("h").stream("Hello.") as stream:
            await anext(aiter(stream))
            return sum(model.running for model in models(board))

    assert run_virtual(main()) == 1
    assert asked(board) == [1, 1]


def test_left_stream_leaves_nothing():
    """Who leaves a hedged stream closes all of it."""
    board = board_of([10], [0.5])

    async def main():
        provider = board.provider("llm.h")
        async with aclosing(provider.stream(None)) as stream:
            await anext(stream)

    run_virtual(main())

    assert [model.running for model in models(board)] == [0, 0]


def test_stream_breaks_as_its_target_does():
    """When none begins the error tells of all."""
    board = board_of([2], [2], fails=["Unavailable", "Unavailable"])

    error, _ = run_virtual(timed(words(board)))

    assert type(error) is errors.Unavailable
    assert "llm.t1 stream" in str(error)


def test_stream_that_breaks_says_whose_it_was():
    """After its beginning a stream's error is the reader's, with its target."""
    hedge = {"provider": "hedge", "targets": ["t"]}
    llms = {"h": hedge, "t": {"provider": "timed", "breaks": True}}
    board = Pegboard.isolated({"llm": llms}, plugins=[Timed])

    error, _ = run_virtual(timed(words(board)))

    assert str(error) == "llm.h stream: llm.t stream: broke"
    assert (error.in_stream, error.partial.text) == (True, "x ")


# --- cancellation ---


def test_cancelled_hedge_leaves_nothing():
    """Cancelled at any point, no task and no open stream is left."""
    board = board_of([0.002], [0.002], after=0.001)

    async def both():
        await board.llm("h").complete("Hello.")
        await words(board)

    async def main():
        before = asyncio.all_tasks()

        def check():
            assert asyncio.all_tasks() == before
            assert [model.running for model in models(board)] == [0, 0]

        return await cancel_at_every_await(both, check)

    assert run_virtual(main()) >= 6
