from __future__ import annotations

from pegboard_notion.testing import NotionContract


class TestNotion(NotionContract):
    """At the workspace of the tests."""
