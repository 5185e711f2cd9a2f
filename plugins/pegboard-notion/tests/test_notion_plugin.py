from __future__ import annotations

import asyncio
import inspect
from typing import TYPE_CHECKING, Any

import pytest
from pegboard import Pegboard, sync
from pegboard.contracts.declare import contract_info
from pegboard.errors import SettingsError
from pegboard.testing import FaultServer, Scripted
from pegboard_notion.contract import Notion
from pegboard_notion.fake import ROOT, TOKEN, FakeNotion
from pegboard_notion.sync import Notion as BlockingNotion

if TYPE_CHECKING:
    from .conftest import OpenBoard


def problem(**options: object) -> str:
    """Return what is wrong with these settings."""
    section = {"provider": "notion", **options}
    with pytest.raises(SettingsError) as caught:
        Pegboard.isolated({"integrations": {"pages": section}}).integration(
            "pages", Notion
        )
    return str(caught.value)


@pytest.mark.parametrize("variable", ["NOTION_TOKEN", "NOTION_API_KEY"])
async def test_token_may_be_in_the_usual_variable(
    server: FaultServer, monkeypatch: pytest.MonkeyPatch, tmp_path, variable: str
) -> None:
    """As Notion's own tools have it."""
    monkeypatch.setenv(variable, TOKEN)
    section = {"provider": "notion", "base_url": server.url}
    async with Pegboard({"integrations": {"x": section}}, folder=tmp_path) as board:
        assert (await board.integration("x", Notion).read_page(ROOT)).title == "Home"


def test_token_is_needed() -> None:
    """Without one, the error says which option to set."""
    assert "integrations.pages.token" in problem()


@pytest.mark.parametrize("token", ["", "ntn_1\n", "ntn 1", "ntn_\u00e9"])
def test_token_that_fits_no_header_is_refused(token: str) -> None:
    """A line break that was copied along is found at once, and not shown."""
    told = problem(token=token)

    assert "is empty, or has spaces or line breaks in it" in told
    assert "ntn" not in told


@pytest.mark.parametrize("place", ["api.notion.com", "ftp://notion.so", "https://", ""])
def test_base_url_is_one(place: str) -> None:
    """It begins with http or https."""
    assert "integrations.pages.base_url" in problem(token="x", base_url=place)


async def test_health_says_who_asks(open_board: OpenBoard) -> None:
    """A call that changes nothing shows that the token is good."""
    (health,) = (await open_board().health()).values()

    assert (health.status, health.reason) == ("up", "acts as pegboard")


async def test_health_says_what_is_wrong(open_board: OpenBoard) -> None:
    """A bad token is found before the first page."""
    (health,) = (await open_board(token="ntn_old").health()).values()

    assert health.status == "down"
    assert "Check token." in health.reason


def test_rate_of_requests_is_that_of_notion(settings: dict[str, object]) -> None:
    """Unless the settings say otherwise."""
    other = {**settings, "policy": {"requests_per_minute": 10}}
    board = Pegboard.isolated({"integrations": {"a": settings, "b": other}})
    rates = [
        value.shown
        for name in "ab"
        for value in board.explain(f"integrations.{name}").policy
        if value.key.endswith("requests_per_minute")
    ]

    assert rates == ["180.0", "10.0"]


async def test_version_of_the_api_is_told(
    open_board: OpenBoard, server: FaultServer
) -> None:
    """What is read depends on it."""
    await open_board().integration("pages", Notion).read_page(ROOT)

    assert server.requests[0].headers["notion-version"] == "2025-09-03"


async def test_nobody_is_followed_elsewhere(
    open_board: OpenBoard, server: FaultServer
) -> None:
    """A redirection would hand over the token."""
    server.respond(Scripted(status=307, headers={"location": f"{server.url}/x"}))
    board = open_board(policy={"attempts": 1})

    with pytest.raises(Exception, match="status: 307"):
        await board.integration("pages", Notion).read_page(ROOT)
    assert len(server.requests) == 1


async def test_operations_can_be_called_by_name(
    open_board: OpenBoard, workspace: FakeNotion
) -> None:
    """With JSON, as a shell or a model does."""
    board = open_board()
    arguments: dict[str, Any] = {"parent": ROOT, "title": "Plan", "content": "Go."}
    made = await board.call("pages.create_page", arguments)
    found = await board.call("pages.search", {"text": "plan"})

    assert found["pages"][0]["id"] == made["id"]
    assert workspace.pages[made["id"]].content == ["Go."]


def test_models_get_all_operations(settings: dict[str, object]) -> None:
    """None of them shows a secret, and what they write is found in the trash again."""
    board = Pegboard.isolated({"integrations": {"pages": settings}})
    tools = {tool.name.removeprefix("pages-") for tool in board.tools("pages")}

    assert tools == {*contract_info(Notion).operations}


async def test_programs_may_be_without_async(
    settings: dict[str, object], workspace: FakeNotion
) -> None:
    """The blocking board has the same operations."""

    def work() -> str:
        with sync.Pegboard.isolated({"integrations": {"pages": settings}}) as board:
            return board.integration("pages", BlockingNotion).read_page(ROOT).title

    assert await asyncio.to_thread(work) == workspace.pages[ROOT].title


def test_blocking_twin_is_whole() -> None:
    """It has every operation with its signature."""
    for name in contract_info(Notion).operations:
        expected = inspect.signature(getattr(Notion, name)).parameters
        assert [*inspect.signature(getattr(BlockingNotion, name)).parameters] == [
            *expected
        ]


async def test_columns_are_asked_for_once(
    open_board: OpenBoard, server: FaultServer, workspace: FakeNotion
) -> None:
    """And again when Notion refuses a value: somebody has changed its type."""
    notion = open_board().integration("pages", Notion)
    columns = {"Name": "title", "Size": "number"}
    (source,) = (await notion.create_database(ROOT, "x", columns)).sources
    for size in range(3):
        await notion.create_row(source, {"Name": "x", "Size": size})
    paths = [request.path for request in server.requests]
    assert paths.count(f"/v1/data_sources/{source}") == 1

    workspace.sources[source].columns["Size"] = {"type": "rich_text"}
    with pytest.raises(Exception, match="Size is expected to be rich_text"):
        await notion.create_row(source, {"Name": "x", "Size": 5})
    row = await notion.create_row(source, {"Name": "x", "Size": "large"})
    assert row.properties["Size"] == "large"
