"""
Mistakes of other tool loops, each made on purpose and found out.

A check states one fact about runs. The loop passes all of them; with a mistake put in,
it fails the one that is named beside it.
"""

import asyncio
import functools
import threading
from contextlib import nullcontext, suppress
from dataclasses import replace

import pegboard
import pytest
from pegboard import (
    ChatRequest,
    LLMProvider,
    Options,
    Pegboard,
    Reply,
    Run,
    Text,
    ToolCall,
    Usage,
    errors,
)
from pegboard._models import corrections as _corrections
from pegboard._models import llm as _llm
from pegboard._models import run as _run
from pegboard._models import toolbox as _toolbox
from pegboard._models.run import Loop
from pegboard._models.toolbox import Toolbox, ToolUse
from pegboard.testing import no_leaks, run_virtual

USAGE = Usage(input=1, output=1)
MANY = 50
ENDLESS = "It does not end."


class Script:
    """A model that plays a script, the last reply of it for ever."""

    def __init__(self, *replies, takes=0.0):
        self.replies = [*replies]
        self.takes = takes
        self.requests: list[ChatRequest] = []

    @pegboard.hookimpl
    def pegboard_llm_providers(self):
        return [
            LLMProvider(
                name="script",
                factory=lambda _options, _context: self,
                options=Options,
                contracts={"ChatModel": 1},
                capabilities=frozenset({"tools", "json_schema"}),
            )
        ]

    async def complete(self, request):
        self.requests.append(request)
        if len(self.requests) == MANY:
            raise errors.QuotaExceeded(ENDLESS)
        await asyncio.sleep(self.takes)
        reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        parts = (Text(reply),) if isinstance(reply, str) else tuple(reply)
        return Reply(parts=parts, finish_reason="stop", usage=USAGE, model="s")


class Notes:
    """Tools that note that they were called."""

    def __init__(self):
        self.called = []
        self.ended = []
        self.is_blocking = threading.Event()
        self.go_on = threading.Event()

    async def note(self, number: int, seconds: float = 0.0) -> int:
        """Note a number, after some time."""
        self.called.append(number)
        try:
            await asyncio.sleep(seconds)
        finally:
            self.ended.append(asyncio.get_running_loop().time())
        return number

    def fail(self) -> None:
        """Fail."""
        msg = "of its own"
        raise LookupError(msg)

    async def cancel(self) -> None:
        """Be cancelled."""
        raise asyncio.CancelledError

    def block(self) -> bool:
        """Wait for the loop, and tell whether it went on."""
        self.is_blocking.set()
        return self.go_on.wait(2)

    def tools(self):
        """Return them all."""
        return [self.note, self.fail, self.cancel, self.block]


def call(name, number=0, /, **arguments):
    """Return what the model asks for."""
    return ToolCall(f"id-{name}-{number}", name, {"number": number, **arguments})


def bare(name):
    """Return the call of a tool without arguments."""
    return ToolCall(f"id-{name}", name, {})


def played(*replies, takes=0.0, **bounds):
    """Return the notes, the script, and the run or its error."""

    async def main():
        script, notes = Script(*replies, takes=takes), Notes()
        given = {"llm": {"default": {"provider": "script"}}}
        board = Pegboard.isolated(given, plugins=[script])
        try:
            run = await board.llm().run("Go.", tools=notes.tools(), **bounds)
        except BaseException as error:
            run = error
        return notes, script, run, asyncio.get_running_loop().time()

    return run_virtual(main())


def told(script):
    """Return the results in the last request, by id."""
    parts = script.requests[-1].messages[-1].parts
    return {part.call_id: part for part in parts}


# --- what a loop must do ---


def misfits_are_not_called():
    """A function never sees arguments that do not fit."""
    notes, script, run, _ = played([ToolCall("1", "note", {"number": "x"})], "done")
    assert notes.called == []
    assert told(script)["1"].is_error
    assert run.text == "done"


def it_ends():
    """A model that always wants more is stopped."""
    _, script, run, _ = played([call("note", 1)], max_rounds=4)
    assert isinstance(run, errors.BoundReached)
    assert len(script.requests) == 4


def every_call_has_its_result():
    """No result of several calls is lost, and each goes to its call."""
    calls = [call("note", n, seconds=9 - n) for n in range(5)]
    _, script, _, _ = played(calls, "done")
    results = told(script)
    assert {key: one.content for key, one in results.items()} == {
        f"id-note-{n}": str(n) for n in range(5)
    }


def calls_are_made_at_once():
    """Several calls take as long as the longest."""
    *_, ended = played([call("note", n, seconds=5) for n in range(4)], "done")
    assert ended == 5


def few_run_at_once():
    """There are no more at once than may be."""
    calls = [call("note", n, seconds=5) for n in range(4)]
    *_, ended = played(calls, "done", parallel=2)
    assert ended == 10


def nothing_is_done_too_late():
    """A run ends by its timeout, whatever its tools do."""
    notes, _, run, ended = played([call("note", 1, seconds=99)], "done", timeout=10)
    assert isinstance(run, errors.DeadlineExceeded)
    assert (ended, notes.ended) == (10, [10])


def nothing_is_asked_too_late():
    """Nor does the model begin anything afterwards."""
    *_, run, ended = played([call("note", 1)], takes=4, timeout=10)
    assert isinstance(run, errors.DeadlineExceeded)
    assert ended == 10


def failures_are_told():
    """An error of a tool goes to the model and ends nothing."""
    _, script, run, _ = played([bare("fail")], "done")
    assert isinstance(run, Run), run
    assert told(script)["id-fail"].is_error
    assert told(script)["id-fail"].content == "LookupError: of its own"
    assert run.text == "done"


def made_up_names_are_told():
    """A tool that there is not ends nothing."""
    _, script, run, _ = played([bare("nothing")], "done")
    assert isinstance(run, Run), run
    assert "Known: block, cancel, fail, note" in told(script)["id-nothing"].content
    assert run.text == "done"


def cancellations_end_it():
    """A cancellation is no failure to be told."""
    *_, run, _ = played([bare("cancel")], "done")
    assert isinstance(run, asyncio.CancelledError)


def cancelled_run_ends_its_tools():
    """Who cancels a run cancels all of it."""

    async def main():
        notes = Notes()
        script = Script([call("note", n, seconds=99) for n in range(3)], "done")
        given = {"llm": {"default": {"provider": "script"}}}
        llm = Pegboard.isolated(given, plugins=[script]).llm()
        async with no_leaks(patience=0):
            run = asyncio.ensure_future(llm.run("Go.", tools=notes.tools()))
            await asyncio.sleep(1)
            run.cancel()
            await asyncio.wait([run])
        assert notes.ended == [1, 1, 1]

    run_virtual(main())


def results_follow_their_calls():
    """The conversation can be sent on: each call is answered, in its round."""
    *_, run, _ = played([call("note", 1)], [call("note", 2)], "done")
    roles = [message.role for message in run.messages]
    assert roles == ["user", "assistant", "tool", "assistant", "tool", "assistant"]


def broken_off_conversation_can_be_continued():
    """No call is without its result, though the run came to a bound."""
    *_, run, _ = played([call("note", 1)], max_rounds=2)
    messages = run.partial.messages
    assert [m.role for m in messages] == ["user", "assistant", "tool"]


def all_tokens_are_counted():
    """The usage is that of every round."""
    *_, run, _ = played([call("note", 1)], [call("note", 2)], "done")
    assert run.usage == USAGE + USAGE + USAGE


def forced_call_is_forced_once():
    """What forces a call does not force it for ever."""
    _, script, run, _ = played([call("note", 1)], "done", tool_choice="required")
    assert [r.tool_choice for r in script.requests] == ["required", "auto"]
    assert run.text == "done"


def loop_is_not_blocked():
    """While a plain function waits, everything else goes on."""

    async def main():
        notes, script = Notes(), Script([bare("block")], "done")
        given = {"llm": {"default": {"provider": "script"}}}
        llm = Pegboard.isolated(given, plugins=[script]).llm()
        run = asyncio.ensure_future(llm.run("Go.", tools=notes.tools()))
        await asyncio.to_thread(notes.is_blocking.wait, 10)
        notes.go_on.set()
        return (await run).tool_uses[0].result.content

    assert asyncio.run(main()) == "true"


def corrections_end():
    """A model that never fits is not asked for ever."""

    async def main():
        script = Script("no JSON")
        given = {"llm": {"default": {"provider": "script"}}}
        llm = Pegboard.isolated(given, plugins=[script]).llm()
        with suppress(errors.CallError):
            await llm.complete("Go.", output=int)
        return len(script.requests)

    assert run_virtual(main()) == 3


CHECKS = [
    misfits_are_not_called,
    it_ends,
    every_call_has_its_result,
    calls_are_made_at_once,
    few_run_at_once,
    nothing_is_done_too_late,
    nothing_is_asked_too_late,
    failures_are_told,
    made_up_names_are_told,
    cancellations_end_it,
    cancelled_run_ends_its_tools,
    results_follow_their_calls,
    broken_off_conversation_can_be_continued,
    all_tokens_are_counted,
    forced_call_is_forced_once,
    loop_is_not_blocked,
    corrections_end,
]


@pytest.mark.parametrize("check", CHECKS)
def test_the_loop_passes(check):
    """Every check holds for the real one."""
    check()


# --- the mistakes ---


def calls_with_anything(tool, arguments):
    """Trust the model with the arguments."""
    return functools.partial(tool.handler.function, **arguments)


def never_reaches(self, reply):
    """Go on as long as the model likes."""


async def one_result(works):
    """Lose all results but the first."""
    return (await right_together(works))[:1]


async def one_by_one(works):
    """Make each call when the one before it has ended."""
    return [await work for work in works]


async def left_behind(works):
    """Wait, and leave the tasks to themselves when cancelled."""
    return list(await asyncio.gather(*(asyncio.shield(work) for work in works)))


def wrong_ids(use):
    """Answer each call under the id of the first."""

    async def used(self, calls):
        first = calls[0].id
        return [
            replace(one, result=replace(one.result, call_id=first))
            for one in await use(self, calls)
        ]

    return used


async def raises(self, call):
    """Let the error of a tool end the run."""
    result = _toolbox.ToolResult(call.id, call.name, str(await self._outcome(call)))
    return ToolUse(call, result, 0.0)


async def swallows(self, call):
    """Tell of every error, a cancellation too."""
    error = None
    try:
        text = str(await self._outcome(call))
    except BaseException as failure:
        error, text = failure, f"{type(failure).__name__}: {failure}"
    result = _toolbox.ToolResult(call.id, call.name, text, is_error=error is not None)
    return ToolUse(call, result, 0.0)


def keeps_calls_only(self, reply, uses):
    """Forget to send back what the tools returned."""
    self._uses += uses
    self._request = replace(
        self._request, messages=(*self._request.messages, reply.message)
    )


def keeps_forcing(keep):
    """Leave the choice of the first round in place."""

    def kept(self, reply, uses):
        choice = self._request.tool_choice
        keep(self, reply, uses)
        self._request = replace(self._request, tool_choice=choice)

    return kept


async def keeps_unanswered_calls(self):
    """Put calls into the conversation before they are made."""
    while True:
        reply = await self._answer(self._request)
        self._replies.append(reply)
        messages = (*self._request.messages, reply.message)
        self._request = replace(self._request, messages=messages)
        if reached := self._reached(reply):
            raise reached
        if not reply.tool_calls:
            return
        uses = await self._toolbox.use(reply.tool_calls)
        told = _run.Message("tool", tuple(use.result for use in uses))
        self._request = replace(self._request, messages=(*messages, told))


def counts_the_last(run):
    """Tell the usage of the last reply only."""

    def ran(self):
        return replace(run(self), usage=self._replies[-1].usage)

    return ran


async def on_the_loop(self, call):
    """Call plain functions where everything else runs."""
    work = _toolbox.bound(self._tool(call.name), call.arguments)
    outcome = work()
    return await outcome if asyncio.iscoroutine(outcome) else outcome


async def corrects_for_ever(answer, request, expected, corrections):
    """Ask until it fits."""
    del corrections
    while True:
        reply = await answer(request)
        try:
            return reply, expected.read(reply)
        except errors.InvalidReply as error:
            request = _corrections.corrected(request, reply, error.message)


right_together = _toolbox.together
MISTAKES = {
    "trusts arguments": (
        _toolbox,
        "bound",
        calls_with_anything,
        misfits_are_not_called,
    ),
    "never ends": (Loop, "_reached", never_reaches, it_ends),
    "loses results": (_toolbox, "together", one_result, every_call_has_its_result),
    "mixes results up": (
        Toolbox,
        "use",
        wrong_ids(Toolbox.use),
        every_call_has_its_result,
    ),
    "one by one": (_toolbox, "together", one_by_one, calls_are_made_at_once),
    "all at once": (
        _toolbox.asyncio,
        "Semaphore",
        lambda _: nullcontext(),
        few_run_at_once,
    ),
    "tools have no end": (
        _run.asyncio,
        "timeout_at",
        lambda _: nullcontext(),
        nothing_is_done_too_late,
    ),
    "tools are left behind": (
        _toolbox,
        "together",
        left_behind,
        cancelled_run_ends_its_tools,
    ),
    "failures end it": (Toolbox, "_use", raises, failures_are_told),
    "made-up names end it": (Toolbox, "_use", raises, made_up_names_are_told),
    "cancellations are told": (Toolbox, "_use", swallows, cancellations_end_it),
    "results are not sent": (
        Loop,
        "_keep",
        keeps_calls_only,
        results_follow_their_calls,
    ),
    "calls stay unanswered": (
        Loop,
        "_rounds",
        keeps_unanswered_calls,
        broken_off_conversation_can_be_continued,
    ),
    "counts the last only": (
        Loop,
        "_run",
        counts_the_last(Loop._run),
        all_tokens_are_counted,
    ),
    "forces for ever": (
        Loop,
        "_keep",
        keeps_forcing(Loop._keep),
        forced_call_is_forced_once,
    ),
    "blocks the loop": (Toolbox, "_outcome", on_the_loop, loop_is_not_blocked),
    "corrects for ever": (_llm, "fitting", corrects_for_ever, corrections_end),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistaken_loop_is_found_out(mistake, monkeypatch):
    """The check that is named fails."""
    place, name, broken, check = MISTAKES[mistake]
    monkeypatch.setattr(place, name, broken)

    with pytest.raises(AssertionError):
        check()


def test_every_check_is_needed():
    """Each finds a mistake that there is, but one that two layers prevent."""
    used = {check for *_, check in MISTAKES.values()}

    assert {check for check in CHECKS if check not in used} == {
        nothing_is_asked_too_late
    }
