"""The workspace of the tests, asked by the SDK itself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest
from notion_client import APIResponseError, Client
from notion_client.helpers import collect_paginated_api
from pegboard_notion.fake import ROOT, TOKEN

if TYPE_CHECKING:
    from pegboard.testing import FaultServer
    from pegboard_notion.fake import FakeNotion


OpenClient = Callable[..., Any]


@pytest.fixture
def open_client(server: FaultServer) -> Iterator[OpenClient]:
    """Return what makes the SDK's client, which blocks."""
    clients = []

    def open_client(token: str = TOKEN) -> Client:
        client = Client(auth=token, base_url=server.url, retry=False, log_level=50)
        clients.append(client)
        return client

    yield open_client
    for client in clients:
        client.close()


def words(text: str) -> list[dict[str, Any]]:
    """Return *text* as the SDK's users write it."""
    return [{"text": {"content": text}}]


async def test_sdk_understands_the_workspace(
    open_client: OpenClient, workspace: FakeNotion
) -> None:
    """It makes a database, fills it, walks through it and writes on a page."""

    def work() -> list[Any]:
        notion = open_client()
        database = notion.databases.create(
            parent={"type": "page_id", "page_id": ROOT},
            title=words("Things"),
            initial_data_source={"properties": {"Name": {"title": {}}}},
        )
        source = notion.databases.retrieve(database["id"])["data_sources"][0]["id"]
        parent = {"type": "data_source_id", "data_source_id": source}
        for number in range(101):
            name = {"Name": {"title": words(str(number))}}
            page = notion.pages.create(parent=parent, properties=name)
        paragraph = {"type": "paragraph", "paragraph": {"rich_text": words("Hi")}}
        notion.blocks.children.append(page["id"], children=[paragraph])
        assert notion.pages.retrieve_markdown(page["id"])["markdown"] == "Hi"
        assert notion.users.me()["name"] == "pegboard"
        rows = collect_paginated_api(notion.data_sources.query, data_source_id=source)
        return list(rows)

    rows = await asyncio.to_thread(work)

    assert len({row["id"] for row in rows}) == 101
    assert len(workspace.pages) == 102


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("00000000-0000-4000-8000-000000000404", "object_not_found"),
        ("x/y", "invalid_request_url"),
    ],
)
async def test_sdk_understands_refusals(
    open_client: OpenClient, name: str, code: str
) -> None:
    """They have a code."""
    with pytest.raises(APIResponseError) as caught:
        await asyncio.to_thread(open_client().pages.retrieve, name)

    assert caught.value.code.value == code


async def test_stranger_is_refused(open_client: OpenClient) -> None:
    """Who has another token."""
    with pytest.raises(APIResponseError) as caught:
        await asyncio.to_thread(open_client("ntn_2").users.me)

    assert caught.value.code.value == "unauthorized"
