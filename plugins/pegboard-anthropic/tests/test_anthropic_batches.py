"""
Batches.

No server of others offers them, so the wire shapes here are those of the SDK's types
and of the documentation alone.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any

import pytest
from pegboard import BatchItem, ChatRequest, Message, Pegboard, Usage, errors
from pegboard.testing import anthropic_wire as wire
from pegboard.testing.abilities import BatchChatContract
from pegboard.testing.fault_server import Fault, FaultServer, Received, Scripted

if TYPE_CHECKING:
    from pegboard_anthropic._model import AnthropicModel

OpenModel = Callable[..., "AnthropicModel"]
OpenBoard = Callable[..., Pegboard]
COUNTS = ("processing", "succeeded", "errored", "canceled", "expired")


def batch(status: str = "ended", **counts: int) -> dict[str, Any]:
    """Return a batch as the service describes it."""
    return {
        "id": "msgbatch_1",
        "type": "message_batch",
        "processing_status": status,
        "request_counts": {**dict.fromkeys(COUNTS, 0), **counts},
        "created_at": "2026-11-21T12:00:00Z",
        "expires_at": "2026-11-22T12:00:00Z",
        "ended_at": None,
        "results_url": None,
    }


def lines(*results: dict[str, Any]) -> Scripted:
    """Return the results of requests that are called r0, r1, ..."""
    told = [{"custom_id": f"r{n}", "result": one} for n, one in enumerate(results)]
    text = "".join(json.dumps(one) + "\n" for one in told)
    return Scripted(body=text.encode(), headers={"content-type": "application/x-jsonl"})


class BatchService:
    """Takes batches, and has answered them at the second look."""

    def __init__(self) -> None:
        self.ids: dict[str, list[str]] = {}
        self.looks = 0

    def answer(self, request: Received) -> Scripted:
        """Answer by what the request is for."""
        *_, name, what = ["", *request.path.removeprefix("/v1/messages/").split("/")]
        if what == "batches":
            self.ids["b1"] = [one["custom_id"] for one in request.json["requests"]]
            return self._state("b1", "in_progress")
        if what == "results":
            done = {"type": "succeeded", "message": wire.message()}
            told = [{"custom_id": one, "result": done} for one in self.ids[name][::-1]]
            return Scripted(body="".join(f"{json.dumps(t)}\n" for t in told).encode())
        if what == "cancel":
            return self._state(name, "canceling")
        self.looks += 1
        return self._state(what, "ended" if self.looks > 1 else "in_progress")

    def _state(self, name: str, status: str) -> Scripted:
        if name not in self.ids:
            return Scripted.json(wire.error("not_found_error"), status=404)
        which = "succeeded" if status == "ended" else "processing"
        told = batch(status, **{which: len(self.ids[name])})
        return Scripted.json({**told, "id": name})


class TestBatches(BatchChatContract):
    """The contract; the service is the one above."""

    against = "documentation"
    instance = {"provider": "anthropic", "model": "claude-haiku-5-5"}

    @pytest.fixture
    async def settings(self) -> AsyncIterator[dict[str, Any]]:
        """Return the settings of a model of that service."""
        async with FaultServer(otherwise=BatchService().answer) as server:
            yield {
                **self.instance,
                "base_url": server.url,
                "api_key": "k",
            }


def item(name: str = "r0") -> BatchItem:
    """Return a request of a batch."""
    return BatchItem(name, ChatRequest(messages=(Message.of("user", "Hi"),)))


async def test_requests_are_those_of_single_calls(
    server: FaultServer, open_model: OpenModel
) -> None:
    """Each with its id, and with all that the settings say."""
    server.respond(Scripted.json(batch("in_progress", processing=2)))
    made = await open_model(max_tokens=7).submit_batch((item("a"), item("b-2")))
    request = await server.next_request()

    assert (request.method, request.path) == ("POST", "/v1/messages/batches")
    assert [one["custom_id"] for one in request.json["requests"]] == ["a", "b-2"]
    assert request.json["requests"][0]["params"] == {
        "model": "claude-opus-5-5",
        "max_tokens": 7,
        "messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}],
    }
    assert (made.id, made.state, made.total) == ("msgbatch_1", "running", 2)


@pytest.mark.parametrize("name", ["", "a b", "é", "x" * 65])
async def test_id_that_the_service_would_refuse_is_not_sent(
    server: FaultServer, open_model: OpenModel, name: str
) -> None:
    """One bad id would spoil the whole batch."""
    with pytest.raises(errors.InvalidRequest, match="cannot be the id") as caught:
        await open_model().submit_batch((item(name),))

    assert caught.value.request_sent == "no"
    assert server.requests == []


@pytest.mark.parametrize(
    ("told", "state", "succeeded", "failed"),
    [
        (batch("in_progress", processing=3), "running", 0, 0),
        (batch("canceling", processing=3), "cancelling", 0, 0),
        (batch(succeeded=2, errored=1), "done", 2, 1),
        (batch(errored=3), "done", 0, 3),
        (batch(succeeded=1, canceled=2), "done", 1, 2),
        (batch(canceled=3), "cancelled", 0, 3),
        (batch(expired=3), "expired", 0, 3),
    ],
)
async def test_state_is_told(
    server: FaultServer,
    open_model: OpenModel,
    told: dict[str, Any],
    state: str,
    succeeded: int,
    failed: int,
) -> None:
    """As far as the service counts; all that is lost has failed."""
    server.respond(Scripted.json(told))
    found = await open_model().get_batch("msgbatch_1")

    assert (found.state, found.total) == (state, 3)
    assert (found.succeeded, found.failed) == (succeeded, failed)
    assert server.requests[0].path == "/v1/messages/batches/msgbatch_1"


async def test_id_cannot_lead_elsewhere(
    server: FaultServer, open_model: OpenModel
) -> None:
    """It is one part of the path, whatever is in it."""
    server.respond(Scripted.json(batch()))
    await open_model().get_batch("../models?x=1")

    assert server.requests[0].path == "/v1/messages/batches/..%2Fmodels%3Fx%3D1"


async def test_results_are_replies_or_errors(
    server: FaultServer, open_model: OpenModel
) -> None:
    """By the class that a call of its own would have raised."""
    failed = wire.error("invalid_request_error", "Too hot.")
    server.respond(
        lines(
            {"type": "succeeded", "message": wire.message()},
            {"type": "errored", "error": failed},
            {"type": "canceled"},
            {"type": "expired"},
            {"type": "errored", "error": wire.error("overloaded_error")},
        )
    )
    found = [one async for one in open_model().batch_results("msgbatch_1")]

    assert [one.id for one in found] == ["r0", "r1", "r2", "r3", "r4"]
    assert found[0].reply is not None
    assert found[0].reply.text == "Hello."
    assert found[0].reply.usage == Usage(
        input=5, cache_read=4, cache_write=2, output=4, reasoning=3
    )
    assert [type(one.error) for one in found[1:]] == [
        errors.InvalidRequest,
        errors.Unavailable,
        errors.Unavailable,
        errors.Overloaded,
    ]
    assert "Too hot." in str(found[1].error)
    assert [one.error.code for one in found[2:4] if one.error] == [
        "canceled",
        "expired",
    ]


async def test_one_unusable_reply_spoils_no_other(
    server: FaultServer, open_model: OpenModel
) -> None:
    """It is that request's error."""
    call = {**wire.tool_use("look", {}), "input": "no object"}
    bad, good = wire.message(call), wire.message()
    server.respond(lines(*({"type": "succeeded", "message": m} for m in (bad, good))))
    first, second = [one async for one in open_model().batch_results("b")]

    assert isinstance(first.error, errors.InvalidReply)
    assert second.reply is not None


async def test_results_that_break_off_are_a_lost_connection(
    server: FaultServer, open_model: OpenModel
) -> None:
    """What came before is there; it is not taken for all there is."""
    whole = lines({"type": "canceled"}, {"type": "canceled"}).body
    assert isinstance(whole, bytes)
    cut = whole.index(b"\n") + 5
    server.respond(Scripted(body=[whole[:cut], Fault.CLOSE]))
    found = []

    with pytest.raises(errors.ConnectionFailed):
        async for one in open_model().batch_results("msgbatch_1"):
            found.append(one.id)

    assert found == ["r0"]


async def test_results_that_are_not_there_yet_are_an_error(
    server: FaultServer, open_model: OpenModel
) -> None:
    """The service says so."""
    told = wire.error("invalid_request_error", "The batch has not ended.")
    server.respond(Scripted.json(told, status=400))

    with pytest.raises(errors.InvalidRequest, match="has not ended"):
        await anext(open_model().batch_results("msgbatch_1"))


async def test_leaving_the_results_closes_at_the_other_end(
    server: FaultServer, open_model: OpenModel
) -> None:
    """A batch may be large."""
    whole = lines({"type": "canceled"}).body
    assert isinstance(whole, bytes)
    server.respond(Scripted(body=[whole, Fault.HANG]))
    results = open_model().batch_results("msgbatch_1")

    await anext(results)
    request = await server.next_request()
    await results.aclose()

    await request.left.wait()


async def test_unreadable_batch_is_an_invalid_reply(
    server: FaultServer, open_model: OpenModel
) -> None:
    """Without its counts nothing is known."""
    server.respond(Scripted.json({"id": "b"}))

    with pytest.raises(errors.InvalidReply):
        await open_model().get_batch("b")


async def test_through_a_board(server: FaultServer, open_board: OpenBoard) -> None:
    """Submitting is not repeated once it may have been done."""
    server.respond(Scripted(before=Fault.RESET))

    with pytest.raises(errors.ConnectionFailed):
        await open_board().llm().batches.submit({"a": "Hi"})

    assert len(server.requests) == 1
