"""What is sent, held against the description of the API that Notion publishes."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from jsonschema import Draft202012Validator
from pegboard_notion.contract import Notion
from pegboard_notion.fake import ROOT
from pegboard_notion.testing import COLUMNS, ROW

if TYPE_CHECKING:
    from pegboard.testing import FaultServer
    from pegboard.testing.fault_server import Received

    from .conftest import OpenBoard

PACKAGE = "@notionhq/notion-mcp-server@2.5.2"
"""Carries the description, in version 2025-09-03 of the API."""
NOT_DESCRIBED = {("POST", "/v1/databases"), ("PATCH", "/v1/databases/{database_id}")}
"""The description leaves these requests out."""


@pytest.fixture(scope="session")
def specification(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return the OpenAPI description of Notion."""
    if shutil.which("npm") is None:
        pytest.skip("Notion publishes the description for npm, which is not here")
    folder = tmp_path_factory.mktemp("notion")
    command = ("npm", "pack", "--silent", "--pack-destination", str(folder), PACKAGE)
    subprocess.run(command, check=True, capture_output=True)
    (packed,) = Path(folder).glob("*.tgz")
    with tarfile.open(packed) as archive:
        content = archive.extractfile("package/scripts/notion-openapi.json")
        assert content is not None
        description: dict[str, Any] = json.load(content)
    # It still has the name of before: the documentation wants a row's data source.
    description["components"]["schemas"]["dataSourceIdParentRequest"] = {
        "type": "object",
        "properties": {"type": {"const": "data_source_id"}},
        "required": ["type", "data_source_id"],
    }
    return description


def route_of(request: Received, specification: dict[str, Any]) -> str | None:
    """Return the path that the description has for *request*."""
    path = urlsplit(request.path).path
    known = [*specification["paths"], *(path for _, path in NOT_DESCRIBED)]
    for pattern in known:
        if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", pattern), path):
            return str(pattern)
    return None


def problems(request: Received, specification: dict[str, Any]) -> list[str]:
    """Return what is wrong with *request*."""
    route = route_of(request, specification)
    if (request.method, route) in NOT_DESCRIBED:
        return []
    described = specification["paths"].get(route, {}).get(request.method.lower())
    if described is None:
        return [f"there is no {request.method} {request.path}"]
    parameters = {one.get("name") for one in described.get("parameters", [])}
    asked = dict(parse_qsl(urlsplit(request.path).query))
    found = [f"no parameter {name}" for name in {*asked} - parameters]
    if "requestBody" in described:
        body = described["requestBody"]["content"]["application/json"]["schema"]
        schema = {**body, "components": specification["components"]}
        found += [
            f"{request.path}: {error.json_path}: {error.message}"
            for error in Draft202012Validator(schema).iter_errors(request.json)
        ]
    return found


async def test_notion_describes_what_is_sent(
    open_board: OpenBoard, server: FaultServer, specification: dict[str, Any]
) -> None:
    """Every operation once, with all that it can say."""
    board = open_board()
    await board.health()
    notion = board.integration("pages", Notion)
    database = await notion.create_database(ROOT, "Things", COLUMNS)
    (source,) = database.sources
    many = [f"00000000-0000-4000-9000-{number:012x}" for number in range(130)]
    row = await notion.create_row(source, {**ROW, "Parts": many}, content="# Hi")
    await notion.read_page(row.id)
    await notion.update_page(row.id, {"Day": None, "Size": 5})
    await notion.query(
        source,
        filter={"property": "Done", "checkbox": {"equals": True}},
        sorts=[{"property": "Name", "direction": "ascending"}],
    )
    await notion.search("x", cursor="0")
    await notion.search_sources("x", limit=5)
    await notion.read_database(database.id)
    await notion.update_database(database.id, "Stuff")
    await notion.update_source(source, title="x", columns={"New": "url", "Link": None})
    page = await notion.create_page(ROOT, "x")
    words = {"rich_text": [{"type": "text", "text": {"content": "An item."}}]}
    item = {"type": "bulleted_list_item", "bulleted_list_item": words}
    await notion.append_blocks(page.id, ["Text.", item])
    await notion.replace_content(page.id, "# New")
    await notion.read_content(page.id)
    await notion.trash_page(page.id)
    await notion.restore_page(page.id)
    asked = {(one.method, route_of(one, specification)) for one in server.requests}
    found = [
        one for request in server.requests for one in problems(request, specification)
    ]

    assert found == []
    assert len(asked) == 15
    assert asked > NOT_DESCRIBED
