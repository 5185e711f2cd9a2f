"""What may have been written is not written again: pages are counted, not requests."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from pegboard import errors
from pegboard.testing import Fault, FaultServer, Scripted
from pegboard.testing.notion_wire import error
from pegboard_notion.contract import Notion
from pegboard_notion.fake import ROOT, FakeNotion

if TYPE_CHECKING:
    from pegboard.testing.fault_server import Received

    from .conftest import OpenBoard

Spoil = Callable[[Scripted], Scripted]
SPOILED: dict[str, Spoil] = {
    "reset before the answer": lambda told: replace(told, before=Fault.RESET),
    "cut in the answer": lambda told: replace(told, cut_after=5),
    "half of the JSON": lambda told: told.shortened(5),
    "unavailable after it": lambda _: Scripted(status=503),
    "failed after it": lambda _: Scripted.json(
        error("internal_server_error"), status=500
    ),
    "late": lambda _: Scripted.json(error("gateway_timeout"), status=504),
    "a page of a proxy": lambda _: Scripted(status=502, body=b"<html>Bad"),
    "a page that looks fine": lambda _: Scripted(body=b"<html>Hello"),
}


class Spoiling:
    """A workspace that does what it is asked to, and then spoils one answer."""

    def __init__(self, workspace: FakeNotion) -> None:
        self.workspace = workspace
        self.spoil: Spoil = lambda told: told
        self.wanted = ("POST", "nothing")
        self.skip = 0

    def __call__(self, request: Received) -> Scripted:
        told = self.workspace(request)
        method, path = self.wanted
        if request.method != method or not request.path.endswith(path):
            return told
        self.skip -= 1
        return self.spoil(told) if self.skip == -1 else told


@pytest.fixture
def spoiling(workspace: FakeNotion) -> Spoiling:
    """Return what stands between the workspace and its answers."""
    return Spoiling(workspace)


@pytest.fixture
async def server(spoiling: Spoiling):
    """Run a server with spoiled answers."""
    async with FaultServer(otherwise=spoiling) as running:
        yield running


async def create_page(notion: Notion) -> object:
    """Add a page."""
    return await notion.create_page(ROOT, "x")


async def append(notion: Notion) -> object:
    """Write on a page."""
    return await notion.append_blocks(ROOT, ["x"])


async def create_database(notion: Notion) -> object:
    """Add a database."""
    return await notion.create_database(ROOT, "x", {"Name": "title"})


WRITING: dict[Callable[[Notion], Awaitable[object]], tuple[str, str]] = {
    create_page: ("POST", "/v1/pages"),
    append: ("PATCH", "/children"),
    create_database: ("POST", "/v1/databases"),
}


def written(workspace: FakeNotion) -> int:
    """Return how much was written."""
    blocks = len(workspace.pages[ROOT].content)
    return len(workspace.pages) - 1 + blocks + len(workspace.databases)


@pytest.mark.parametrize("spoil", SPOILED.values(), ids=SPOILED.keys())
@pytest.mark.parametrize("call", WRITING, ids=lambda call: call.__name__)
async def test_what_may_be_written_is_not_written_again(
    spoiling: Spoiling,
    workspace: FakeNotion,
    open_board: OpenBoard,
    call: Callable[[Notion], Awaitable[object]],
    spoil: Spoil,
) -> None:
    """Notion did it, and nobody heard."""
    spoiling.wanted, spoiling.spoil = WRITING[call], spoil

    with pytest.raises(errors.CallError) as caught:
        await call(open_board().integration("pages", Notion))

    assert written(workspace) == 1
    assert (caught.value.attempts, caught.value.request_sent) == (1, "maybe")


@pytest.mark.parametrize("call", WRITING, ids=lambda call: call.__name__)
async def test_what_was_turned_away_is_sent_again(
    server: FaultServer,
    workspace: FakeNotion,
    open_board: OpenBoard,
    call: Callable[[Notion], Awaitable[object]],
) -> None:
    """Notion did nothing, so once more is once."""
    server.respond(Scripted.json(error("rate_limited"), status=429))
    await call(open_board().integration("pages", Notion))

    assert (written(workspace), len(server.requests)) == (1, 2)


async def test_columns_that_could_not_be_read_are_asked_for_again(
    server: FaultServer,
    workspace: FakeNotion,
    open_board: OpenBoard,
) -> None:
    """No row was made before they are known."""
    notion = open_board().integration("pages", Notion)
    database = await notion.create_database(ROOT, "x", {"Name": "title"})
    (source,) = database.sources
    server.respond(Scripted(before=Fault.RESET))
    await notion.create_row(source, {"Name": "x"})

    assert len(workspace.pages) == 2


async def test_blocks_are_not_appended_twice(
    spoiling: Spoiling, open_board: OpenBoard
) -> None:
    """The second part is turned away; to repeat all would write the first again."""
    limited = Scripted.json(error("rate_limited"), status=429)
    spoiling.wanted, spoiling.skip = ("PATCH", "/children"), 1
    spoiling.spoil = lambda _: limited
    notion = open_board().integration("pages", Notion)

    with pytest.raises(
        errors.RateLimited, match="100 of 150 blocks were appended"
    ) as caught:
        await notion.append_blocks(ROOT, ["x"] * 150)

    assert (caught.value.attempts, caught.value.request_sent) == (1, "yes")


@pytest.mark.parametrize(
    "spoil", [SPOILED["reset before the answer"], SPOILED["unavailable after it"]]
)
async def test_what_is_once_when_done_twice_is_done_again(
    spoiling: Spoiling, workspace: FakeNotion, open_board: OpenBoard, spoil: Spoil
) -> None:
    """Changes say how it has to be, whatever it was."""
    notion = open_board().integration("pages", Notion)
    for path, call in {
        f"/{ROOT}": lambda: notion.trash_page(ROOT),
        "/markdown": lambda: notion.replace_content(ROOT, "x"),
    }.items():
        spoiling.wanted, spoiling.spoil, spoiling.skip = ("PATCH", path), spoil, 0
        await call()
        assert spoiling.skip == -2

    assert workspace.pages[ROOT].in_trash
    assert workspace.pages[ROOT].content == ["x"]
