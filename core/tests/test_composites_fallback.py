"""Fallback: who is asked after whom."""

import asyncio
from copy import copy

import pegboard
import pytest
from pegboard import Finished, Pegboard, Reply, Text, TextDelta, Usage, errors
from pegboard.deadline import ends_at
from pegboard.testing.cancellation import cancel_at_every_await
from pegboard.testing.clock import run_virtual

ONCE = {"attempts": 1}
PASSES = [
    "Authentication",
    "PermissionDenied",
    "NotFound",
    "RateLimited",
    "QuotaExceeded",
    "Timeout",
    "DeadlineExceeded",
    "ConnectionFailed",
    "Unavailable",
    "Overloaded",
    "CircuitOpen",
    "RetryQuotaExhausted",
    "InvalidReply",
    "CallError",
]
STAYS = [
    "InvalidRequest",
    "ContextLengthExceeded",
    "ContentFiltered",
    "Unsupported",
    "Conflict",
    "BoundReached",
]


def fake(*replies, failures=(), **more):
    """Return the section of a fake."""
    return {
        "provider": "fake",
        "replies": replies,
        "failures": failures,
        "policy": ONCE,
        **more,
    }


def chain_of(one, two, plugins=(), **options):
    """Return a board with a chain of two targets."""
    chain = {"provider": "fallback", "targets": ["one", "two"], **options}
    return Pegboard.isolated(
        {"llm": {"chain": chain, "one": one, "two": two}}, plugins=plugins
    )


async def completed(board):
    """Return the words of the chain."""
    return (await board.llm("chain").complete("Hello.")).text


async def streamed(board):
    """Return the words of a stream, and the error that ended it or None."""
    words = []
    async with board.llm("chain").stream("Hello.") as stream:
        try:
            async for text in stream.text:
                words.append(text)
        except errors.CallError as error:
            return "".join(words), error
    return "".join(words), None


def requests(board, name):
    """Return how often a target was asked."""
    return len(board.provider(f"llm.{name}").requests)


# --- errors ---


def test_every_error_is_decided_on():
    """No class of errors is forgotten in the lists above."""
    kinds = {
        name
        for name, kind in vars(errors).items()
        if isinstance(kind, type) and issubclass(kind, errors.CallError)
    }

    assert {*PASSES, *STAYS} == kinds


@pytest.mark.parametrize("name", PASSES)
async def test_what_is_not_the_callers_fault_passes_the_turn_on(name):
    """The next target is asked, for a reply as for a stream."""
    one = fake(failures=[name, name])
    board = chain_of(one, fake("second"))
    assert await completed(board) == "second"

    assert await streamed(chain_of(one, fake("second"))) == ("second", None)


@pytest.mark.parametrize("name", STAYS)
async def test_what_is_the_callers_fault_ends_the_call(name):
    """Nobody else is asked what cannot be asked."""
    board = chain_of(fake(failures=[name]), fake("second"))
    with pytest.raises(getattr(errors, name)):
        await completed(board)
    assert requests(board, "two") == 0

    board = chain_of(fake(failures=[name]), fake("second"))
    _, error = await streamed(board)
    assert type(error) is getattr(errors, name)
    assert requests(board, "two") == 0


async def test_errors_that_pass_the_turn_on_are_an_option():
    """What is named passes, subclasses included, and nothing else does."""
    on = ["InvalidRequest"]
    filtered = fake(failures=["ContentFiltered"])
    assert await completed(chain_of(filtered, fake("second"), on=on)) == "second"

    with pytest.raises(errors.Unavailable):
        await completed(chain_of(fake(failures=["Unavailable"]), fake("second"), on=on))


async def test_call_error_stands_for_itself_only():
    """Naming CallError does not make all errors pass."""
    with pytest.raises(errors.InvalidRequest):
        await completed(
            chain_of(fake(failures=["InvalidRequest"]), fake(), on=["CallError"])
        )


def test_unknown_error_is_refused():
    """A misspelt class of errors is a problem that names the right ones."""
    with pytest.raises(errors.SettingsError, match=r"no error 'Timout'.*Timeout"):
        chain_of(fake(), fake(), on=["Timout"]).llm("chain")


def test_nobody_is_asked_when_the_time_is_over():
    """A target that took all the time of the chain is the last."""
    board = chain_of(fake(), fake())

    async def main():
        ends_at.set(asyncio.get_running_loop().time())
        with pytest.raises(errors.DeadlineExceeded) as caught:
            await board.provider("llm.chain").complete(None)
        return str(caught.value)

    assert "llm.two" not in run_virtual(main())


# --- the error when all have failed ---


def failing(*names):
    """Return the error of a chain whose targets fail with errors of these *names*."""
    one, two = (fake(failures=[name]) for name in names)

    async def main():
        with pytest.raises(errors.CallError) as caught:
            await completed(chain_of(one, two))
        return caught.value

    return run_virtual(main())


def test_error_is_of_the_last_and_tells_of_all():
    """Its class is the last one's; its message and causes are everybody's."""
    error = failing("QuotaExceeded", "Authentication")

    assert type(error) is errors.Authentication
    assert str(error) == (
        "llm.chain complete: "
        "llm.one complete: Scripted failure; [llm.one] failures asks for it.; "
        "llm.two complete: Scripted failure; [llm.two] failures asks for it."
    )
    causes = error.__cause__.exceptions
    assert [type(e) for e in causes] == [errors.QuotaExceeded, errors.Authentication]
    assert [e.address for e in causes] == ["llm.one", "llm.two"]


def test_error_is_retryable_if_any_target_may_recover():
    """The same call may succeed if one of those asked may answer then."""
    assert failing("Unavailable", "Authentication").retryable
    assert not failing("QuotaExceeded", "Authentication").retryable


def test_error_says_whether_anything_was_sent():
    """What one target may have acted on may have been acted on."""
    assert failing("RateLimited", "CircuitOpen").request_sent == "no"
    assert failing("Timeout", "RateLimited").request_sent == "maybe"


def test_error_can_be_copied_like_any_other():
    """What is known of it goes with it, into another process too."""
    error = failing("Unavailable", "Timeout")

    assert vars(copy(error)) == vars(error)


# --- judged replies ---


def is_long(reply):
    """Return whether a reply has more than one word."""
    return " " in reply.text


async def test_unaccepted_reply_passes_the_turn_on():
    """The next is asked where the reply will not do, even if no error would pass."""
    board = chain_of(fake("no"), fake("two words"), accept=is_long)

    assert await completed(board) == "two words"


async def test_last_unaccepted_reply_is_an_error_with_the_reply():
    """Nothing that will not do is returned, but it can be looked at."""
    with pytest.raises(errors.InvalidReply, match="not accepted") as caught:
        await completed(chain_of(fake("a"), fake("b"), accept=is_long))

    assert caught.value.partial.text == "b"


async def test_stream_is_held_back_until_it_is_accepted():
    """No word of a stream is heard that will not do."""
    board = chain_of(fake("no"), fake("two words"), accept=is_long)

    assert await streamed(board) == ("two words", None)


@pytest.mark.parametrize("accept", [len, lambda reply: reply.text])
async def test_broken_accept_is_loud(accept):
    """A function that raises, or does not decide, ends the call; nobody is asked."""
    board = chain_of(fake("a"), fake("b"), accept=accept)
    with pytest.raises(errors.CallError, match="accept"):
        await completed(board)
    assert requests(board, "two") == 0

    board = chain_of(fake("a"), fake("b"), accept=accept)
    words, error = await streamed(board)
    assert (words, requests(board, "two")) == ("", 0)
    assert "accept" in str(error)


def test_accept_is_found_by_name():
    """Settings name the function by package and module; a wrong name is a problem."""
    board = chain_of(fake(), fake(), accept="json:dumps")
    rows = {row.key: row.shown for row in board.explain("llm.chain").options}
    assert rows["accept"] == "json:dumps"

    (problem,) = chain_of(fake(), fake(), accept="json:dmups").check()
    assert problem.where == "llm.chain.accept"


async def refuse(reply):
    """Stand for a function that would have to be awaited."""
    raise AssertionError(reply)


def test_async_accept_is_a_problem():
    """What would have to be awaited would be true without being run."""
    (problem,) = chain_of(fake(), fake(), accept=refuse).check()

    assert "refuse is async" in problem.message


async def test_reply_that_does_not_fit_its_schema_passes_the_turn_on():
    """A model that cannot keep to the schema is replaced by one that does."""
    board = chain_of(fake("no JSON"), fake('{"warm": true}'))
    schema = {"type": "object", "required": ["warm"]}

    found = await board.llm("chain").complete_json("?", schema=schema)

    assert found == {"warm": True}
    assert (requests(board, "one"), requests(board, "two")) == (1, 1)


async def test_call_of_a_tool_need_not_fit_the_schema():
    """Who asks for a tool first has not given the reply yet."""
    board = chain_of(fake({"tool": "measure"}), fake("x"))
    schema = {"type": "object"}

    reply = await board.llm("chain").complete("?", schema=schema)

    assert reply.tool_calls
    assert requests(board, "two") == 0


# --- streams ---


class Breaking:
    """A model whose stream breaks after one word."""

    def __init__(self, *_):
        self.open = 0

    async def complete(self, _):
        return Reply(
            parts=(Text("x"),), finish_reason="stop", usage=Usage(), model="breaking"
        )

    async def stream(self, _):
        self.open += 1
        try:
            yield TextDelta("one ")
            await asyncio.sleep(0)
            msg = "broke"
            raise errors.ConnectionFailed(msg)
        finally:
            self.open -= 1

    @staticmethod
    @pegboard.hookimpl
    def pegboard_llm_providers():
        return [
            pegboard.LLMProvider(
                name="breaking",
                factory=Breaking,
                options=pegboard.Options,
                contracts={"ChatModel": 1, "StreamingChat": 1},
            )
        ]


async def test_stream_that_began_is_not_begun_again():
    """After its first event a stream's error is the reader's; no word comes twice."""
    board = chain_of({"provider": "breaking"}, fake("second"), [Breaking])

    words, error = await streamed(board)

    assert words == "one "
    assert str(error).startswith("llm.chain stream: llm.one stream: broke")
    assert type(error) is errors.ConnectionFailed
    assert error.in_stream
    assert (requests(board, "two"), board.provider("llm.one").open) == (0, 0)


async def test_held_stream_passes_the_turn_on_wherever_it_breaks():
    """With accept no word was heard yet, so a broken stream is replaced."""
    board = chain_of(
        {"provider": "breaking"}, fake("second one"), [Breaking], accept=is_long
    )

    assert await streamed(board) == ("second one", None)


async def test_left_stream_is_left_by_its_target():
    """Who leaves the chain's stream stops the target."""
    board = chain_of(fake("one two three"), fake())
    async with board.llm("chain").stream("Hello.") as stream:
        await anext(aiter(stream))
    assert board.provider("llm.one").streams_left == 1


async def test_cancelled_chain_leaves_nothing():
    """Cancelled at any point, neither reply nor stream leaves a task or a stream."""
    board = chain_of(fake(failures=["Unavailable"] * 99), fake("a b c"))
    llm, before = board.llm("chain"), asyncio.all_tasks()

    async def both():
        await llm.complete("Hello.")
        async with llm.stream("Hello.") as stream:
            events = [event async for event in stream]
        assert isinstance(events[-1], Finished)

    def check():
        assert asyncio.all_tasks() == before

    assert await cancel_at_every_await(both, check) >= 4
    await board.aclose()
