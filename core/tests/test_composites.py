"""Models made of models: who they are made of, and what follows from that."""

import math

import pegboard
import pytest
from pegboard import Pegboard, errors
from pegboard.observers import CallStarted
from pegboard.testing.clock import run_virtual

FAKE = {"provider": "fake"}


def fallback(*targets, **more):
    """Return the section of a fallback over *targets*."""
    return {"provider": "fallback", "targets": targets, **more}


def board_of(plugins=(), **llms):
    """Return a board with these models."""
    return Pegboard.isolated({"llm": llms}, plugins=plugins)


def problems_of(**llms):
    """Return what a check finds, as texts."""
    return [str(problem) for problem in board_of(**llms).check()]


async def completed(board, prompt="Hello.", name="chain", **parameters):
    """Return the reply of one model of *board*."""
    return await board.llm(name).complete(prompt, **parameters)


# --- who is made of whom ---


def test_unknown_target_is_a_problem_that_names_the_known():
    """A misspelt target is found by a check, with what there is and its origin."""
    (problem,) = problems_of(chain=fallback("smrat"), smart=FAKE)

    assert problem == (
        "llm.chain.targets: 'smrat' is not in the settings. Did you mean 'smart'? "
        "Known: chain, smart. (from arguments)"
    )


def test_unknown_target_is_refused():
    """What a check finds is an error where the model is asked for."""
    board = board_of(chain=fallback("nobody"))

    with pytest.raises(errors.SettingsError, match="'nobody' is not in the settings"):
        board.llm("chain")


def test_circle_is_drawn():
    """Models that are made of each other are refused, with the way round."""
    found = problems_of(a=fallback("b"), b=fallback("c"), c=fallback("a"))

    assert len(found) == 3
    assert (
        "llm.c.targets: makes a circle: llm.a -> llm.b -> llm.c -> llm.a." in found[0]
    )


def test_circle_is_drawn_without_the_way_to_it():
    """Who only leads to a circle is not part of the drawing."""
    with pytest.raises(errors.SettingsError, match=r"circle: llm.b -> llm.b\."):
        board_of(a=fallback("b"), b=fallback("b")).llm("a")


def test_two_ways_to_one_target_are_no_circle():
    """A target may be part of several."""
    board = board_of(chain=fallback("x", "y"), x=fallback("z"), y=fallback("z"), z=FAKE)

    assert board.check() == []


def test_problem_of_a_target_is_told_once():
    """A wrong target is wrong once, however many are made of it."""
    found = problems_of(a=fallback("x"), b=fallback("x"), x={**FAKE, "modle": "m"})

    assert [text.partition(":")[0] for text in found] == ["llm.x.modle"]


def test_no_target_is_too_few():
    """A model cannot be made of nothing."""
    assert "at least 1 item" in problems_of(chain=fallback())[0]


def test_check_makes_nothing():
    """A check looks at targets without making them."""
    board = board_of(chain=fallback("smart"), smart=FAKE)

    board.check()

    assert board._instances._made == {}


async def test_composite_closes_before_its_targets():
    """What is made of others ends first, so that those are still there."""
    board = board_of(chain=fallback("smart"), smart=FAKE)
    board.llm("chain")

    assert list(board._instances._made) == ["llm.smart", "llm.chain"]
    await board.aclose()


# --- what they can do ---


def test_composite_claims_what_all_targets_can():
    """One that cannot do something takes the claim from the whole, at any depth."""
    able = {**FAKE, "capabilities": ["seed", "tools", "stop"]}
    lesser = {**FAKE, "capabilities": ["seed", "tools"]}
    least = {**FAKE, "capabilities": ["seed", "images"]}
    board = board_of(
        chain=fallback("able", "inner"),
        inner=fallback("lesser", "least"),
        able=able,
        lesser=lesser,
        least=least,
    )

    assert board.llm("chain").capabilities == {"seed"}
    assert board.explain("llm.chain").capabilities == ("seed",)


async def test_nobody_is_asked_what_the_last_cannot_do():
    """A request that one target could not honour is refused before any is asked."""
    board = board_of(
        chain=fallback("able", "lesser"), able=FAKE, lesser={**FAKE, "capabilities": []}
    )

    with pytest.raises(errors.Unsupported, match="does not support seed"):
        await completed(board, seed=1)

    assert board.provider("llm.able").requests == []


class Mute:
    """A model that cannot stream."""

    def __init__(self, _options, context):
        self.context = context

    async def complete(self, request):
        raise AssertionError(request)

    @staticmethod
    @pegboard.hookimpl
    def pegboard_llm_providers():
        return [
            pegboard.LLMProvider(
                name="mute",
                factory=Mute,
                options=pegboard.Options,
                contracts={"ChatModel": 1},
            )
        ]


def test_composite_streams_if_all_targets_do():
    """One that cannot stream takes streams from the whole."""
    board = board_of(
        [Mute], chain=fallback("smart", "mute"), smart=FAKE, mute={"provider": "mute"}
    )

    with pytest.raises(
        errors.Unsupported, match="has no streaming with these settings"
    ):
        board.llm("chain").stream("Hello.")


def test_targets_are_made_with_the_composite():
    """What is wrong with a target shows when the whole is asked for, not in a call."""
    board = board_of(
        [Mute], chain=fallback("smart", "mute"), smart=FAKE, mute={"provider": "mute"}
    )
    board.llm("chain")

    assert board.provider("llm.mute").context.targets == {}
    assert "llm.smart" in board._instances._made


# --- how they are governed ---


def policy_of(board, key, address="llm.chain"):
    """Return what *key* of a policy is."""
    return {row.key: row.shown for row in board.explain(address).policy}[key]


def test_shared_policy_is_for_the_targets():
    """[policy] acts where the work is done, and only once."""
    board = Pegboard.isolated(
        {
            "policy": {"attempts": 7, "deadline": 5},
            "llm": {"chain": fallback("smart"), "smart": FAKE},
        }
    )

    assert policy_of(board, "attempts", "llm.smart") == "7"
    assert policy_of(board, "attempts") == "1"
    assert policy_of(board, "deadline") == "120.0"
    assert policy_of(board, "breaker.enabled") == "False"


def test_own_policy_is_its_own():
    """What its own section says holds."""
    board = board_of(chain=fallback("smart", policy={"deadline": 9}), smart=FAKE)

    assert policy_of(board, "deadline") == "9.0"
    assert policy_of(board, "attempts") == "1"


def test_failures_are_repeated_by_the_targets_only():
    """A chain makes no more attempts than its targets allow."""
    failing = {**FAKE, "failures": ["Unavailable"] * 9, "policy": {"attempts": 3}}
    board = board_of(chain=fallback("one", "two"), one=failing, two=failing)

    async def main():
        with pytest.raises(errors.Unavailable):
            await completed(board)

    run_virtual(main())

    assert len(board.provider("llm.one").requests) == 3
    assert len(board.provider("llm.two").requests) == 3


def test_deadline_spans_the_targets():
    """All targets together have the time of the chain."""
    slow = {**FAKE, "delay": 4, "policy": {"deadline": 3}}
    names = ("one", "two", "three", "four")
    board = board_of(
        chain=fallback(*names, policy={"deadline": 8}), **dict.fromkeys(names, slow)
    )

    async def main():
        with pytest.raises(errors.DeadlineExceeded) as caught:
            await completed(board)
        return caught.value

    error = run_virtual(main())

    assert error.elapsed == 8
    assert error.address == "llm.chain"
    asked = [len(board.provider(f"llm.{name}").requests) for name in names]
    assert asked == [1, 1, 1, 0]


def test_endless_chain_of_time_is_bounded_by_its_targets():
    """Without a deadline of its own, a chain ends when its targets have."""
    slow = {**FAKE, "delay": 4, "policy": {"deadline": 3}}
    board = board_of(
        chain=fallback("one", "two", policy={"deadline": math.inf}), one=slow, two=slow
    )

    async def main():
        with pytest.raises(errors.DeadlineExceeded) as caught:
            await completed(board)
        return caught.value

    assert run_virtual(main()).elapsed == 6


class Listener:
    """Remembers whose calls begin."""

    def __init__(self):
        self.addresses = []

    def notify(self, event):
        if isinstance(event, CallStarted):
            self.addresses.append(event.call.address)

    @pegboard.hookimpl
    def pegboard_observers(self):
        return [self]


async def test_observers_hear_of_the_chain_and_of_its_targets():
    """A call of a composite is one call, and one more for each target."""
    listener = Listener()
    failing = {**FAKE, "failures": ["NotFound"]}

    await completed(
        board_of([listener], chain=fallback("one", "two"), one=failing, two=FAKE)
    )

    assert listener.addresses == ["llm.chain", "llm.one", "llm.two"]


# --- who answered ---


@pytest.mark.parametrize("provider", ["fallback", "round-robin", "hedge", "mirror"])
async def test_reply_says_who_answered(provider):
    """Of a whole reply as of a stream it is known whose it is."""
    board = board_of(
        chain={"provider": provider, "targets": ["one", "two"]}, one=FAKE, two=FAKE
    )
    async with board:
        reply = await board.llm("chain").complete("Hello.")
        async with board.llm("chain").stream("Hello.") as stream:
            async for _ in stream:
                pass

    said = {"answered_by": "llm.one"}
    second = {"answered_by": "llm.two"} if provider == "round-robin" else said
    assert reply.provider_metadata["pegboard"] == said
    assert stream.reply.provider_metadata["pegboard"] == second


async def test_inner_target_signs():
    """Where composites are nested, the one that did the work is named."""
    reply = await completed(
        board_of(chain=fallback("inner"), inner=fallback("one"), one=FAKE)
    )

    assert reply.provider_metadata["pegboard"] == {"answered_by": "llm.one"}


async def test_words_asked_of_the_target_are_those_of_the_caller():
    """The request reaches the target as it was made."""
    board = board_of(chain=fallback("one"), one=FAKE)

    await completed(board, "Hi.", seed=3, max_tokens=5)

    (request,) = board.provider("llm.one").requests
    assert (request.messages[0].text, request.seed, request.max_tokens) == ("Hi.", 3, 5)
