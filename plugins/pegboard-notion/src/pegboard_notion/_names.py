"""How things in Notion are named."""

from __future__ import annotations

from notion_client.helpers import extract_block_id, extract_notion_id
from pegboard.errors import InvalidRequest


def id_of(name: str) -> str:
    """
    Return the id of the page, database or data source that *name* names.

    Raises:
        InvalidRequest: It is neither an id nor an address of Notion.

    """
    return extract_notion_id(name) or _refuse(name)


def block_id_of(name: str) -> str:
    """Return the id of the page or block that *name* names."""
    return extract_block_id(name) or _refuse(name)


def _refuse(name: str) -> str:
    msg = (
        f"{name!r} names nothing in Notion. Pass an id of 32 hexadecimal digits, or an "
        "address that begins with https://www.notion.so/."
    )
    raise InvalidRequest(msg, request_sent="no")
