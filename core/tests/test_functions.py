"""The user's functions around the calls of a model, on every way that leads to it."""

import asyncio
import re
from contextlib import suppress
from dataclasses import replace

import pytest
from pegboard import (
    KeyValue,
    Message,
    Pegboard,
    Text,
    errors,
    hookimpl,
)
from pegboard.contracts.audio import SpeechRequest
from pegboard.contracts.embeddings import EmbeddingRequest
from pegboard.contracts.images import ImageRequest
from pegboard.testing.clock import run_virtual

SECRET = "555-0199"
PROMPT = f"Call me at {SECRET}."


def redact(request):
    """Take phone numbers out of a request."""
    messages = tuple(
        Message(
            message.role,
            tuple(
                Text(re.sub(r"\d{3}-\d{4}", "[number]", p.text)) for p in message.parts
            ),
        )
        for message in request.messages
    )
    return replace(request, messages=messages)


def refuse(request):
    """Stand for a filter that finds what must not leave."""
    msg = f"cannot redact {request.messages[0].text}"
    raise ValueError(msg)


def shout(reply):
    """Return a reply in capitals."""
    return replace(reply, parts=(Text(reply.text.upper()),))


def is_never_good(_):
    """Return that no reply will do."""
    return False


def must_be_short(reply):
    """Raise if a reply has more than one word."""
    if " " in reply.text:
        msg = "too long"
        raise ValueError(msg)


def board_of(**llms):
    """Return a board with these fakes and composites."""
    sections = {name: {"provider": "fake", **llm} for name, llm in llms.items()}
    return Pegboard.isolated({"llm": sections})


def sent(board, name="x"):
    """Return the words that reached a model."""
    requests = board.provider(f"llm.{name}").requests
    return [request.messages[-1].text for request in requests]


async def streamed(llm, prompt=PROMPT):
    """Return the reply that the events of a stream make."""
    async with llm.stream(prompt) as stream:
        async for _ in stream:
            pass
        return stream.reply


# --- filter_request ---


async def test_filter_changes_what_is_sent():
    """The model sees what the filter returns, for replies and streams."""
    board = board_of(x={"filter_request": redact})

    await board.llm("x").complete(PROMPT)
    await streamed(board.llm("x"))

    assert sent(board) == ["Call me at [number]."] * 2


def scrub(request):
    """Return *request*, of any kind, with the number hidden."""
    if isinstance(request, EmbeddingRequest):
        return replace(request, texts=("[number]",))
    if isinstance(request, ImageRequest | SpeechRequest):
        words = "prompt" if isinstance(request, ImageRequest) else "text"
        return replace(request, **{words: "[number]"})
    return replace(request, messages=(Message.of("user", "[number]"),))


async def whole(stream):
    """Read *stream* to its end."""
    async for _ in stream:
        pass


ASKED = {
    "complete": lambda llm: llm.complete(SECRET),
    "stream": lambda llm: whole(llm.stream(SECRET)),
    "run": lambda llm: llm.run(SECRET),
    "embed": lambda llm: llm.embed(SECRET),
    "generate_images": lambda llm: llm.generate_images(SECRET),
    "speak": lambda llm: llm.speak(SECRET),
    "count_tokens": lambda llm: llm.count_tokens(SECRET),
    "batches": lambda llm: llm.batches.submit({"a": SECRET}),
}


@pytest.mark.parametrize("filtering", [scrub, refuse])
@pytest.mark.parametrize("asked", ASKED)
async def test_no_observer_sees_what_is_not_sent(asked, filtering):
    """Whatever is asked: not in a trace, nor in a log, nor anywhere else."""
    seen = []

    class Plugin:
        @hookimpl
        def pegboard_observers(self):
            return [self]

        def notify(self, event):
            seen.append(repr(event))

    section = {"provider": "fake", "filter_request": filtering}
    settings = {"llm": {"default": section}}
    async with Pegboard.isolated(settings, plugins=[Plugin()]) as board:
        with suppress(errors.CallError):
            await ASKED[asked](board.llm())

    assert len(seen) >= 2
    assert SECRET not in "".join(seen)


async def test_filter_is_found_by_name(tmp_path, monkeypatch):
    """Settings name it by package and module."""
    (tmp_path / "privacy.py").write_text(
        "from dataclasses import replace\n"
        "def forget(request): return replace(request, messages=request.messages[-1:])\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    board = board_of(x={"filter_request": "privacy:forget"})

    await board.llm("x").complete("Hi.", system="Be brief.")

    (request,) = board.provider("llm.x").requests
    assert [message.role for message in request.messages] == ["user"]


@pytest.mark.parametrize("broken", [refuse, lambda _: None])
async def test_broken_filter_sends_nothing(broken):
    """A filter that raises, or returns no request, fails the call before it is made."""
    board = board_of(x={"filter_request": broken})

    with pytest.raises(errors.InvalidRequest, match="Nothing was sent") as caught:
        await board.llm("x").complete(PROMPT)
    with pytest.raises(errors.InvalidRequest, match="filter_request failed"):
        await streamed(board.llm("x"))

    assert caught.value.request_sent == "no"
    assert sent(board) == []


async def test_message_of_a_filter_is_kept_out_of_the_error():
    """What the filter says may be just what must not get out; its cause has it."""
    with pytest.raises(errors.InvalidRequest) as caught:
        await board_of(x={"filter_request": refuse}).llm("x").complete(PROMPT)

    assert SECRET not in str(caught.value)
    assert "it raised ValueError" in str(caught.value)
    assert SECRET in str(caught.value.__cause__)


async def test_filter_runs_without_a_policy_too():
    """Calls that no policy governs pass it all the same."""
    board = board_of(x={"filter_request": redact, "external": False})

    await board.llm("x").complete(PROMPT)
    await streamed(board.llm("x"))

    assert sent(board) == ["Call me at [number]."] * 2


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("filter_request", "no_such_module:x", "No module named"),
        ("validate_reply", "json:no_such_function", "no_such_function"),
        ("transform_reply", 5, "callable"),
    ],
)
def test_function_that_is_not_there_is_a_problem(key, value, message):
    """A check finds it, with its key."""
    (problem,) = board_of(x={key: value}).check()

    assert problem.where == f"llm.x.{key}"
    assert message in problem.message


async def redact_later(request):
    """Stand for a filter that would have to be awaited."""
    await asyncio.sleep(0)
    return request


def test_async_filter_is_a_problem():
    """Functions are plain, and those that are not are found by a check."""
    (problem,) = board_of(x={"filter_request": redact_later}).check()

    assert "redact_later is async" in problem.message


def test_functions_are_for_language_models():
    """Storage has no requests to filter."""
    board = Pegboard.isolated(
        {"storage": {"x": {"provider": "memory", "filter_request": redact}}}
    )

    with pytest.raises(errors.SettingsError, match="is for language models only"):
        board.storage("x", KeyValue)


def test_functions_are_explained():
    """What stands around a model is told by name."""
    rows = board_of(x={"filter_request": redact}).explain("llm.x").options
    (row,) = [row for row in rows if row.key == "filter_request"]

    assert row.shown == f"{__name__}:redact"


# --- the promise of privacy ---


def chain(provider, *targets, **more):
    """Return the section of a composite."""
    return {"provider": provider, "targets": targets, **more}


COMPOSITES = {
    "fallback": chain("fallback", "local", "cloud", accept=is_never_good),
    "fallback, reversed": chain("fallback", "cloud", "local", accept=is_never_good),
    "fallback by error": chain("fallback", "failing", "cloud"),
    "round-robin": chain("round-robin", "cloud", "local"),
    "least-busy": chain("least-busy", "cloud"),
    "weighted": {"provider": "weighted", "weights": {"cloud": 2, "local": 1}},
    "hedge": chain("hedge", "slow", "cloud", after=1, max_extra=1),
    "mirror": chain("mirror", "local", "cloud"),
    "nested": chain("fallback", "failing", "inner"),
}
LLMS = {
    "local": {"policy": {"attempts": 1}},
    "failing": {"failures": ["QuotaExceeded"] * 9},
    "slow": {"delay": 60},
    "inner": chain("round-robin", "cloud"),
}


def private(name, **cloud):
    """Return a board with a composite whose cloud may see only what is redacted."""
    return board_of(
        chain=COMPOSITES[name], cloud={"filter_request": redact, **cloud}, **LLMS
    )


async def ask_both_ways(board):
    """Ask for a reply and for a stream, whatever comes of it, and let all end."""
    for ask in (lambda llm: llm.complete(PROMPT), streamed):
        with suppress(errors.CallError):
            await ask(board.llm("chain"))
        await asyncio.gather(*(asyncio.all_tasks() - {asyncio.current_task()}))


@pytest.mark.parametrize("name", COMPOSITES)
def test_cloud_sees_only_what_is_redacted(name):
    """Whatever way leads to it, in whatever order, for replies and streams."""
    board = private(name)

    run_virtual(ask_both_ways(board))

    assert sent(board, "cloud")
    assert set(sent(board, "cloud")) == {"Call me at [number]."}


@pytest.mark.parametrize("name", COMPOSITES)
def test_cloud_sees_nothing_where_nothing_can_be_redacted(name):
    """A filter that raises closes every way."""
    board = private(name, filter_request=refuse)

    run_virtual(ask_both_ways(board))

    assert sent(board, "cloud") == []


def test_local_still_sees_everything():
    """A filter is for its own target and changes nobody else's request."""
    board = private("fallback, reversed")

    run_virtual(ask_both_ways(board))

    assert sent(board, "local") == [PROMPT] * 2


def test_broken_filter_ends_the_chain():
    """Nobody else is asked what a filter stopped: it is loud, not passed over."""
    board = private("fallback, reversed", filter_request=refuse)

    async def main():
        with pytest.raises(errors.InvalidRequest, match="filter_request failed"):
            await board.llm("chain").complete(PROMPT)

    run_virtual(main())

    assert sent(board, "local") == []


# --- validate_reply ---


async def test_valid_reply_passes():
    """A reply that the function lets pass is returned as it is."""
    board = board_of(x={"validate_reply": must_be_short})

    assert (await board.llm("x").complete("Yes.")).text == "Yes."
    assert (await streamed(board.llm("x"), "Yes.")).text == "Yes."


async def test_invalid_reply_is_an_error_with_the_reply():
    """What the function says is in the error, and the reply beside it."""
    board = board_of(x={"validate_reply": must_be_short})

    with pytest.raises(errors.InvalidReply, match="ValueError: too long") as caught:
        await board.llm("x").complete("Well, yes.")

    assert caught.value.partial.text == "Well, yes."


async def test_invalid_stream_ends_with_an_error():
    """A stream is judged at its end: its words were heard, but it does not finish."""
    board = board_of(x={"validate_reply": must_be_short})

    with pytest.raises(errors.InvalidReply, match="too long") as caught:
        await streamed(board.llm("x"), "Well, yes.")

    assert caught.value.in_stream
    assert caught.value.partial.text == "Well, yes."
    assert caught.value.partial.finish_reason == "cut"


async def test_validation_that_returns_something_is_refused():
    """False is no objection: a function that returns its verdict would be ignored."""
    board = board_of(x={"validate_reply": is_never_good})

    with pytest.raises(errors.InvalidReply, match="returned a bool, not a NoneType"):
        await board.llm("x").complete("Yes.")


async def test_invalid_reply_passes_the_turn_on():
    """In a chain the next is asked."""
    board = board_of(
        chain=chain("fallback", "x", "y"),
        x={"validate_reply": must_be_short, "replies": ["Well, yes."]},
        y={"replies": ["Yes."]},
    )

    assert (await board.llm("chain").complete("?")).text == "Yes."


# --- transform_reply ---


async def test_reply_is_transformed():
    """The caller gets what the function makes of the reply."""
    board = board_of(x={"transform_reply": shout})

    assert (await board.llm("x").complete("Yes.")).text == "YES."


@pytest.mark.parametrize("broken", [must_be_short, lambda reply: reply.text])
async def test_broken_transformation_is_an_error_with_the_reply(broken):
    """A function that raises, or returns no reply, is loud."""
    board = board_of(x={"transform_reply": broken})

    with pytest.raises(errors.InvalidReply, match="transform_reply failed") as caught:
        await board.llm("x").complete("Well, yes.")

    assert caught.value.partial.text == "Well, yes."


async def test_reply_is_validated_before_it_is_transformed():
    """Validation judges what the model said."""
    board = board_of(x={"validate_reply": must_be_short, "transform_reply": shout})

    with pytest.raises(errors.InvalidReply, match="validate_reply failed"):
        await board.llm("x").complete("Well, yes.")


def test_transformed_replies_are_not_streamed():
    """Words that are out cannot be changed, so such a model claims no streams."""
    board = board_of(x={"transform_reply": shout}, chain=chain("fallback", "x"))

    for name in ("x", "chain"):
        with pytest.raises(errors.Unsupported, match="has no streaming with these"):
            board.llm(name).stream("Hello.")
