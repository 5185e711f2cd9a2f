"""
What the Notion API (2025-09-03) sends, for scripts of ``FaultServer``: JSON values.

A query asks a data source, not a database. Checked with the SDK ``notion-client`` 3.1,
which hands replies on as they are and classifies errors by their code.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

PAGE_ID = "00000000-0000-4000-8000-000000000001"
DATA_SOURCE_ID = "00000000-0000-4000-8000-000000000002"
STATUS: Mapping[str, int] = {
    "invalid_json": 400,
    "invalid_request_url": 400,
    "invalid_request": 400,
    "validation_error": 400,
    "unauthorized": 401,
    "restricted_resource": 403,
    "object_not_found": 404,
    "conflict_error": 409,
    "rate_limited": 429,
    "internal_server_error": 500,
    "service_unavailable": 503,
    "gateway_timeout": 504,
}
"""The HTTP status that each code comes with."""
_WHEN = "2026-01-02T03:04:00.000Z"
_WHO: Mapping[str, Any] = {
    "object": "user",
    "id": "00000000-0000-4000-8000-000000000003",
}


def error(
    code: str = "service_unavailable", message: str = "It went wrong."
) -> dict[str, Any]:
    """Return the body of an error; its status is ``STATUS[code]``."""
    return {
        "object": "error",
        "status": STATUS[code],
        "code": code,
        "message": message,
        "request_id": "00000000-0000-4000-8000-00000000000f",
    }


def rich_text(words: str) -> list[dict[str, Any]]:
    """Return *words* as text without marks."""
    marks = ("bold", "italic", "strikethrough", "underline", "code")
    return [
        {
            "type": "text",
            "text": {"content": words, "link": None},
            "annotations": {**dict.fromkeys(marks, False), "color": "default"},
            "plain_text": words,
            "href": None,
        }
    ]


def title(words: str) -> dict[str, Any]:
    """Return *words* as the property that is a page's title."""
    return {"id": "title", "type": "title", "title": rich_text(words)}


def page(
    properties: Mapping[str, Any] | None = None, *, page_id: str = PAGE_ID
) -> dict[str, Any]:
    """Return a page of the data source with *properties*."""
    return {
        "object": "page",
        "id": page_id,
        "created_time": _WHEN,
        "last_edited_time": _WHEN,
        "created_by": _WHO,
        "last_edited_by": _WHO,
        "parent": {"type": "data_source_id", "data_source_id": DATA_SOURCE_ID},
        "in_trash": False,
        "cover": None,
        "icon": None,
        "properties": properties or {"Name": title("Hello.")},
        "url": f"https://www.notion.so/{page_id.replace('-', '')}",
        "public_url": None,
    }


def query(*pages: Mapping[str, Any], next_cursor: str | None = None) -> dict[str, Any]:
    """Return one sheet of the result of a query; *next_cursor* leads to the next."""
    return {
        "object": "list",
        "results": list(pages),
        "next_cursor": next_cursor,
        "has_more": next_cursor is not None,
        "type": "page_or_data_source",
        "page_or_data_source": {},
        "request_id": "00000000-0000-4000-8000-00000000000f",
    }
