"""A message that may be out is not sent again: effects are counted, not requests."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
from pegboard import Messenger, Pegboard, errors
from pegboard.testing import Fault, FaultServer, Scripted, TcpProxy, run_virtual
from pegboard.testing.slack_wire import TOKEN, Workspace, error
from pegboard_slack.contract import Slack

if TYPE_CHECKING:
    from pegboard.testing.fault_server import Received

    from .conftest import OpenBoard

CHANNEL = "C0000000001"
Spoil = Callable[[Scripted], Scripted]
SPOILED: dict[str, Spoil] = {
    "reset before the answer": lambda told: replace(told, before=Fault.RESET),
    "closed before the answer": lambda told: replace(told, before=Fault.CLOSE),
    "cut in the answer": lambda told: replace(told, cut_after=5),
    "half of the JSON": lambda told: told.shortened(5),
    "unavailable after it": lambda _: Scripted(status=503),
    "failed after it": lambda _: Scripted.json(error("internal_error")),
    "catastrophe after it": lambda _: Scripted.json(error("fatal_error")),
    "a page of a proxy": lambda _: Scripted(status=502, body=b"<html>Bad"),
    "a page that looks fine": lambda _: Scripted(body=b"<html>Hello"),
}


class Spoiling:
    """A workspace that does what it is asked to, and then answers *spoil* of it."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self.spoil: Spoil = lambda told: told
        self.spoiled = 0
        self.times = 1
        self.method = ""

    def __call__(self, request: Received) -> Scripted:
        told = self.workspace(request)
        if self.spoiled == self.times or self.method not in request.path:
            return told
        self.spoiled += 1
        return self.spoil(told)


@pytest.fixture
def spoiling(workspace: Workspace) -> Spoiling:
    """Return what stands between the workspace and its answers."""
    return Spoiling(workspace)


@pytest.fixture
async def server(spoiling: Spoiling):
    """Run a server with spoiled answers."""
    async with FaultServer(otherwise=spoiling) as running:
        yield running


async def post(board: Pegboard) -> object:
    """Post a text."""
    return await board.integration("alerts", Messenger).post_message("#ops", "Fire!")


async def post_blocks(board: Pegboard) -> object:
    """Post blocks."""
    slack = board.integration("alerts", Slack)
    return await slack.post_blocks(CHANNEL, [{"type": "divider"}], text="Fire!")


async def reply(board: Pegboard) -> object:
    """Answer in a thread."""
    return await board.integration("alerts", Slack).reply(CHANNEL, "1.1", "Fire!")


async def upload(board: Pegboard) -> object:
    """Show a file."""
    slack = board.integration("alerts", Slack)
    return await slack.upload_file(CHANNEL, "a.txt", b"Fire!")


async def open_modal(board: Pegboard) -> object:
    """Open a dialog."""
    return await board.integration("alerts", Slack).open_modal("t", {"type": "modal"})


SHOWING: dict[Callable[[Pegboard], Awaitable[object]], str] = {
    post: "chat.postMessage",
    post_blocks: "chat.postMessage",
    reply: "chat.postMessage",
    upload: "files.completeUploadExternal",
    open_modal: "views.open",
}
"""What shows something, and the request that does."""


@pytest.mark.parametrize("spoil", SPOILED.values(), ids=SPOILED.keys())
@pytest.mark.parametrize("call", SHOWING, ids=lambda call: call.__name__)
async def test_what_may_be_shown_is_not_shown_again(
    spoiling: Spoiling,
    workspace: Workspace,
    open_board: OpenBoard,
    call: Callable[[Pegboard], Awaitable[object]],
    spoil: Spoil,
) -> None:
    """Slack did it, and nobody heard: one message is there, and no second one."""
    spoiling.method, spoiling.spoil = SHOWING[call], spoil

    with pytest.raises(errors.CallError) as caught:
        await call(open_board())

    assert len(workspace.messages) + len(workspace.modals) == 1
    assert (caught.value.attempts, caught.value.request_sent) == (1, "maybe")


def test_a_message_that_timed_out_is_not_posted_again(
    spoiling: Spoiling, workspace: Workspace
) -> None:
    """It was delivered and then nothing came; the time of the attempt runs out."""
    spoiling.spoil = lambda told: replace(told, before=Fault.HANG)

    async def fail() -> errors.CallError:
        async with FaultServer(otherwise=spoiling) as server:
            place = {"token": TOKEN, "base_url": server.url}
            section = {"provider": "slack", "policy": {"attempt_timeout": 30}, **place}
            layers = {"integrations": {"alerts": section}}
            async with Pegboard.isolated(layers) as board:
                with pytest.raises(errors.Timeout) as caught:
                    await post(board)
        return caught.value

    error = run_virtual(fail())

    assert (error.attempts, error.request_sent) == (1, "maybe")
    assert [message.text for message in workspace.messages] == ["Fire!"]


async def test_a_message_whose_answer_is_lost_is_not_posted_again(
    server: FaultServer, workspace: Workspace, open_board: OpenBoard
) -> None:
    """The answer is on its way when the connection breaks."""
    place = urlsplit(server.url)
    async with TcpProxy(place.hostname, place.port) as proxy:
        proxy.to_client.hold()
        board = open_board(base_url=f"http://{proxy.host}:{proxy.port}/api")
        call = asyncio.create_task(post(board))
        assert (await proxy.to_client.next_chunk()).startswith(b"HTTP/1.1 200")
        proxy.reset()

        with pytest.raises(errors.ConnectionFailed):
            await call

    assert len(workspace.messages) == 1


async def test_a_kept_connection_that_was_closed_is_no_reason_to_post_again(
    server: FaultServer,
    spoiling: Spoiling,
    workspace: Workspace,
    open_board: OpenBoard,
) -> None:
    """HTTP clients like to try again by themselves then; this one does not."""
    board = open_board()
    spoiling.times = 0
    await post(board)
    spoiling.times, spoiling.spoil = 1, SPOILED["reset before the answer"]

    with pytest.raises(errors.ConnectionFailed):
        await post(board)

    assert len(workspace.messages) == len(server.requests) == 2


@pytest.mark.parametrize(
    "turned_away",
    [
        Scripted.json(error("ratelimited"), status=429),
        Scripted(status=429, body=b"<html>Slow down"),
        Scripted.json(error("rate_limited")),
        Scripted.json(error("request_timeout")),
    ],
    ids=["throttled", "throttled by a proxy", "too many messages", "cut short"],
)
@pytest.mark.parametrize("call", SHOWING, ids=lambda call: call.__name__)
async def test_what_was_turned_away_is_sent_again(
    server: FaultServer,
    workspace: Workspace,
    open_board: OpenBoard,
    call: Callable[[Pegboard], Awaitable[object]],
    turned_away: Scripted,
) -> None:
    """Slack did nothing, so once more is once."""
    server.respond(turned_away)

    await call(open_board())

    assert len(workspace.messages) + len(workspace.modals) == 1
    assert len({request.path for request in server.requests}) < len(server.requests)


async def test_a_message_that_found_no_slack_is_sent_again(
    server: FaultServer, workspace: Workspace, open_board: OpenBoard
) -> None:
    """It never left, so it is safe; here nothing comes of it."""
    place = urlsplit(server.url)
    async with TcpProxy(place.hostname, place.port) as proxy:
        await proxy.refuse()
        with pytest.raises(errors.ConnectionFailed) as caught:
            await post(open_board(base_url=f"http://{proxy.host}:{proxy.port}"))

    assert (caught.value.attempts, caught.value.request_sent) == (3, "no")
    assert workspace.messages == []


@pytest.mark.parametrize("method", ["files.getUploadURLExternal", "/upload/v1/"])
@pytest.mark.parametrize("spoil", SPOILED.values(), ids=SPOILED.keys())
async def test_an_upload_that_broke_before_it_was_shown_begins_anew(
    spoiling: Spoiling,
    workspace: Workspace,
    open_board: OpenBoard,
    method: str,
    spoil: Spoil,
) -> None:
    """The file is shown once, if what broke may be tried again at all."""
    spoiling.method, spoiling.spoil = method, spoil
    failure = None
    try:
        await upload(open_board())
    except errors.CallError as error:
        failure = error
    files = [message.files for message in workspace.messages]

    assert files == ([] if failure else [{"a.txt": b"Fire!"}])
    assert failure is None or (failure.request_sent, failure.retryable) == ("no", False)


@pytest.mark.parametrize(
    "spoil", [SPOILED["reset before the answer"], SPOILED["unavailable after it"]]
)
async def test_what_is_once_when_done_twice_is_done_again(
    spoiling: Spoiling, workspace: Workspace, open_board: OpenBoard, spoil: Spoil
) -> None:
    """A reaction that is there, or gone, already is no error, nor is an update."""
    board = open_board()
    await post(board)
    slack, message = board.integration("alerts", Slack), workspace.messages[0]
    for method, call in {
        "chat.update": lambda: slack.update_message(CHANNEL, message.id, "Out."),
        "reactions.add": lambda: slack.add_reaction(CHANNEL, message.id, "fire"),
        "reactions.remove": lambda: slack.remove_reaction(CHANNEL, message.id, "fire"),
    }.items():
        spoiling.method, spoiling.spoil, spoiling.spoiled = method, spoil, 0
        await call()
        assert spoiling.spoiled == 1

    assert (message.text, message.reactions) == ("Out.", set())
