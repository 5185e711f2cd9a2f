"""
Batches: the file that goes up, how far it is, and the files that come down.

The shapes of errors are those of the SDK's types: no server could be made to fail so.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import pytest
from pegboard import BatchItem, BatchResult, ChatRequest, Message
from pegboard.errors import (
    ContextLengthExceeded,
    InvalidReply,
    NotFound,
    RateLimited,
    Timeout,
    Unsupported,
)
from pegboard.testing import openai_wire as wire
from pegboard.testing.fault_server import Fault, FaultServer, Scripted

if TYPE_CHECKING:
    from pegboard_openai._model import OpenAIModel

OpenModel = Callable[..., "OpenAIModel"]
FILE = Scripted.json({"id": "file-1", "object": "file"})
RUNNING = Scripted.json(wire.batch("validating"))


def item(name: str, **more: Any) -> BatchItem:
    """Return a request of a batch."""
    return BatchItem(name, ChatRequest(messages=(Message.of("user", name),), **more))


async def results(
    server: FaultServer, model: OpenAIModel, *files: bytes, status: str = "completed"
) -> dict[str, BatchResult]:
    """Return what became of the requests of a batch with these result *files*."""
    names = ("output_file_id", "error_file_id")
    told = {name: f"file-{name}" for name, _ in zip(names, files, strict=False)}
    server.respond(Scripted.json(wire.batch(status, **told)))
    server.respond(*(Scripted(body=file) for file in files))
    return {result.id: result async for result in model.batch_results("batch_1")}


@pytest.mark.parametrize(
    ("api", "path"), [("responses", "/responses"), ("chat", "/chat/completions")]
)
async def test_requests_go_up_in_a_file(
    server: FaultServer, open_model: OpenModel, api: str, path: str
) -> None:
    """Each as it would be asked by itself, under the id that the program gave it."""
    server.respond(FILE, RUNNING)
    batch = await open_model(api).submit_batch((item("a", max_tokens=9), item("b")))

    upload, create = server.requests
    assert (upload.path, create.path) == ("/v1/files", "/v1/batches")
    assert b'name="purpose"\r\n\r\nbatch\r\n' in upload.body
    lines = [line for line in upload.body.splitlines() if line.startswith(b"{")]
    first, second = map(json.loads, lines)
    assert (first["custom_id"], second["custom_id"]) == ("a", "b")
    assert (first["method"], first["url"]) == ("POST", f"/v1{path}")
    assert 9 in first["body"].values()
    assert create.json == {
        "input_file_id": "file-1",
        "endpoint": f"/v1{path}",
        "completion_window": "24h",
    }
    assert (batch.id, batch.state, batch.total) == ("batch_1", "running", 2)


async def test_service_stores_no_replies(
    server: FaultServer, open_model: OpenModel
) -> None:
    """What is asked in a batch is as private as what is asked alone."""
    server.respond(FILE, RUNNING)
    await open_model("responses").submit_batch((item("a"),))

    assert b'"store": false' in server.requests[0].body


async def test_what_a_model_lacks_is_not_sent(
    server: FaultServer, open_model: OpenModel
) -> None:
    """One such request is enough."""
    items = (item("a"), item("b", temperature=0.0))

    with pytest.raises(Unsupported, match="temperature"):
        await open_model(model="gpt-5").submit_batch(items)
    assert server.requests == []


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("validating", "running"),
        ("finalizing", "running"),
        ("cancelling", "cancelling"),
        ("completed", "done"),
        ("expired", "expired"),
        ("cancelled", "cancelled"),
    ],
)
async def test_state_is_told(
    server: FaultServer, open_model: OpenModel, status: str, state: str
) -> None:
    """In pegboard's words, with what is counted."""
    counts = {"total": 5, "completed": 3, "failed": 1}
    server.respond(Scripted.json(wire.batch(status, request_counts=counts)))
    batch = await open_model().get_batch("batch_1")

    assert batch.state == state
    assert (batch.total, batch.succeeded, batch.failed) == (5, 3, 1)
    assert batch.provider_metadata["openai"]["input_file_id"] == "file-1"


async def test_failed_batch_says_why(
    server: FaultServer, open_model: OpenModel
) -> None:
    """Such as a mistake in its file."""
    errors = {"data": [{"message": "Line 1 is wrong."}, {"message": "So is line 2."}]}
    server.respond(Scripted.json(wire.batch("failed", errors=errors)))
    batch = await open_model().get_batch("batch_1")

    assert (batch.state, batch.reason) == ("failed", "Line 1 is wrong. So is line 2.")


async def test_batch_can_be_cancelled(
    server: FaultServer, open_model: OpenModel
) -> None:
    """It goes on for a while."""
    server.respond(Scripted.json(wire.batch("cancelling")))
    batch = await open_model().cancel_batch("batch_1")

    request = await server.next_request()
    assert (request.method, request.path) == ("POST", "/v1/batches/batch_1/cancel")
    assert batch.state == "cancelling"


async def test_id_cannot_lead_elsewhere(
    server: FaultServer, open_model: OpenModel
) -> None:
    """It may have been kept where others can write."""
    server.respond(Scripted.json(wire.error(), status=404))

    with pytest.raises(NotFound):
        await open_model().get_batch("../models")
    assert (await server.next_request()).path == "/v1/batches/..%2Fmodels"


async def test_replies_come_in_any_order(
    server: FaultServer, open_model: OpenModel
) -> None:
    """Each is known by its id."""
    lines = wire.batch_line("b", wire.response()) + wire.batch_line(
        "a", wire.response(wire.output_message(wire.output_text("First.")))
    )
    found = await results(server, open_model("responses"), lines)

    assert [*found] == ["b", "a"]
    assert {name: one.reply.text for name, one in found.items() if one.reply} == {
        "a": "First.",
        "b": "Hello.",
    }
    assert server.requests[1].path == "/v1/files/file-output_file_id/content"


async def test_each_request_fails_by_itself(
    server: FaultServer, open_model: OpenModel
) -> None:
    """Answers are not lost, and each error is what it would be alone."""
    good = wire.batch_line("good", wire.chat_completion())
    too_long = wire.error("Too long.", code="context_length_exceeded")
    bad = (
        wire.batch_line("long", too_long, status=400)
        + wire.batch_line("limit", wire.error(code="rate_limit_exceeded"), status=429)
        + wire.batch_line("late", error={"code": "batch_expired", "message": "Late."})
        + wire.batch_line("odd", {"choices": []})
    )
    found = await results(server, open_model(), good, bad, status="expired")

    assert found["good"].reply is not None
    kinds = {name: type(one.error) for name, one in found.items() if one.error}
    assert kinds == {
        "long": ContextLengthExceeded,
        "limit": RateLimited,
        "late": Timeout,
        "odd": InvalidReply,
    }


async def test_running_batch_has_no_results_yet(
    server: FaultServer, open_model: OpenModel
) -> None:
    """To read some of them would be to miss the rest."""
    with pytest.raises(NotFound, match="is running"):
        await results(server, open_model(), status="in_progress")


async def test_failed_batch_has_no_results(
    server: FaultServer, open_model: OpenModel
) -> None:
    """None of its requests was looked at."""
    assert await results(server, open_model(), status="failed") == {}


async def test_unreadable_results_are_an_error(
    server: FaultServer, open_model: OpenModel
) -> None:
    """A line that is no JSON belongs to no request."""
    with pytest.raises(InvalidReply):
        await results(server, open_model(), b'{"custom_id": "a", ')


@pytest.mark.parametrize("answer", [{"id": "batch_1"}, wire.batch("confused")])
async def test_unreadable_batch_is_an_error(
    server: FaultServer, open_model: OpenModel, answer: object
) -> None:
    """It is not as the API describes it."""
    server.respond(Scripted.json(answer))

    with pytest.raises(InvalidReply):
        await open_model().get_batch("batch_1")


async def test_results_come_before_their_file_is_whole(
    server: FaultServer, open_model: OpenModel
) -> None:
    """Files may be larger than memory; leaving closes the connection."""
    line = wire.batch_line("a", wire.chat_completion())
    server.respond(Scripted.json(wire.batch("completed", output_file_id="f")))
    server.respond(Scripted(body=[line, Fault.HANG]))

    async with aclosing(open_model().batch_results("batch_1")) as found:
        assert (await anext(found)).id == "a"
    await server.requests[1].left.wait()


async def test_last_line_may_have_no_end(
    server: FaultServer, open_model: OpenModel
) -> None:
    """And empty ones are no results."""
    lines = wire.batch_line("a", wire.chat_completion())
    found = await results(server, open_model(), b"\n" + lines + lines.strip())

    assert [*found] == ["a"]
