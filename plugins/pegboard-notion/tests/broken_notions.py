"""
Workspaces that each break one promise, and the kit run against them.

Not collected by itself: ``test_notion_kit.py`` runs it and looks at what fails.
"""

# ruff: noqa: ARG002 - what a broken method leaves out is why it is broken

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

import pytest
from pegboard import IntegrationProvider, hookimpl
from pegboard.errors import CallError, InvalidRequest
from pegboard.testing import FaultServer
from pegboard_notion import _workspace
from pegboard_notion._workspace import NotionWorkspace
from pegboard_notion.contract import PageContent, PageList
from pegboard_notion.fake import TOKEN, FakeNotion
from pegboard_notion.options import NotionOptions
from pegboard_notion.testing import NotionContract

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class Sound(NotionWorkspace):
    """A workspace that keeps every promise."""

    caught_by: ClassVar[tuple[str, ...]] = ()
    """The tests that have to fail."""


class LosesContent(Sound):
    caught_by = ("test_a_row_is_read_as_it_was_written",)

    async def create_row(self, source, properties, *, content=""):
        return await super().create_row(source, properties)


class LosesContentOfPages(Sound):
    caught_by = ("test_blocks_are_appended_in_order",)

    async def create_page(self, parent, title, *, content=""):
        return await super().create_page(parent, title)


class ShowsTwentyFive(Sound):
    caught_by = ("test_all_relations_are_read", "test_long_texts_are_whole")

    async def _complete(self, page, told):
        told["has_more"] = False


class ReadsOneSheetMore(Sound):
    caught_by = ("test_all_relations_are_read",)

    async def _complete(self, page, told):
        path = f"pages/{page}/properties/{told['id']}"
        more = await self._connection.call("GET", path)
        kind = told["type"]
        told[kind], told["has_more"] = [one[kind] for one in more["results"]], False


class SaysAllIsWhole(Sound):
    caught_by = ("test_all_relations_are_read",)

    async def query(self, source, **how):
        found = await super().query(source, **how)
        return PageList(
            tuple(replace(one, cut=()) for one in found.pages), found.cursor
        )


class AsksForOneSheet(Sound):
    caught_by = ("test_a_query_goes_on_where_it_was",)

    async def query(self, source, *, limit=100, **how):
        return await super().query(source, limit=min(limit, 100), **how)


class LosesTheCursor(Sound):
    caught_by = ("test_a_query_goes_on_where_it_was",)

    async def query(self, source, **how):
        return replace(await super().query(source, **how), cursor=None)


class StartsAgain(Sound):
    caught_by = ("test_a_query_goes_on_where_it_was",)

    async def query(self, source, *, cursor=None, **how):
        found = await super().query(source, **how)
        return replace(found, cursor=None) if cursor else found


class ForgetsTheOrder(Sound):
    caught_by = ("test_a_query_goes_on_where_it_was",)

    async def query(self, source, *, sorts=(), **how):
        return await super().query(source, **how)


class ForgetsTheFilter(Sound):
    caught_by = ("test_a_query_finds_what_fits",)

    async def query(self, source, *, filter=None, **how):  # noqa: A002
        return await super().query(source, **how)


class TakesAnyLimit(Sound):
    caught_by = ("test_a_limit_is_at_least_one",)

    async def query(self, source, *, limit=100, **how):
        return await super().query(source, limit=max(limit, 1), **how)


class NeverAsksAgain(Sound):
    caught_by = ("test_new_columns_are_known_at_once",)

    async def _columns_for(self, source, properties):
        if source not in self._columns:
            await self.read_source(source)
        return self._columns[source]


class LetsNotionRefuse(Sound):
    caught_by = (
        "test_a_value_of_another_type_is_refused",
        "test_a_column_that_is_not_there_is_refused",
    )

    async def create_row(self, source, properties, *, content=""):
        try:
            return await super().create_row(source, properties, content=content)
        except InvalidRequest:
            msg = "It does not fit."
            raise InvalidRequest(msg) from None


class AppendsAHundred(Sound):
    caught_by = ("test_blocks_are_appended_in_order",)

    async def append_blocks(self, page, blocks):
        await super().append_blocks(page, blocks[:100])


class AppendsBackwards(Sound):
    caught_by = ("test_blocks_are_appended_in_order",)

    async def append_blocks(self, page, blocks):
        for start in reversed(range(0, len(blocks), 100)):
            await super().append_blocks(page, blocks[start : start + 100])


class Appends(Sound):
    caught_by = ("test_content_is_replaced",)

    async def replace_content(self, page, content):
        await self.append_blocks(page, [content])
        return await self.read_content(page)


class TellsAnotherContent(Sound):
    caught_by = ("test_content_is_replaced",)

    async def replace_content(self, page, content):
        await super().replace_content(page, content)
        return PageContent("", is_whole=True)


class LosesPagesBelow(Sound):
    caught_by = ("test_pages_on_a_page_are_not_lost",)

    async def replace_content(self, page, content):
        try:
            return await super().replace_content(page, content)
        except CallError:
            return PageContent(content, is_whole=True)


class KeepsTrash(Sound):
    caught_by = ("test_a_page_goes_into_the_trash_and_back",)

    async def trash_page(self, page):
        return replace(await self.read_page(page), in_trash=True)


class CannotRestore(Sound):
    caught_by = ("test_a_page_goes_into_the_trash_and_back",)

    async def restore_page(self, page):
        return await self.trash_page(page)


class FindsEverything(Sound):
    caught_by = ("test_pages_are_found_by_their_title",)

    async def search(self, text="", *, limit=20, cursor=None):
        return await super().search("", limit=limit, cursor=cursor)


class FindsNoSources(Sound):
    caught_by = ("test_sources_are_found_by_their_title",)

    async def search_sources(self, text="", **how):
        return replace(await super().search_sources(text, **how), sources=())


class KeepsTitles(Sound):
    caught_by = ("test_a_database_can_be_changed",)

    async def update_database(self, database, title):
        return replace(await self.read_database(database), title=title)


class KeepsColumns(Sound):
    caught_by = ("test_a_database_can_be_changed",)

    async def update_source(self, source, *, title=None, columns=None):
        given = {name: kind for name, kind in (columns or {}).items() if kind}
        return await super().update_source(source, title=title, columns=given)


class TakesAnyName(Sound):
    caught_by = ("test_what_names_nothing_is_refused",)

    async def read_page(self, page):
        name = page if "/" in page else _workspace.id_of(page)
        told = await self._connection.call("GET", f"pages/{name}")
        return _workspace._read.page(told)


class TakesIdsOnly(Sound):
    caught_by = ("test_things_may_be_named_by_their_address",)

    async def read_page(self, page):
        if "/" in page:
            msg = "names nothing in Notion"
            raise InvalidRequest(msg, request_sent="no")
        return await super().read_page(page)


class FindsNothingNormal(Sound):
    caught_by = ("test_what_is_not_there_is_not_found",)

    async def read_page(self, page):
        try:
            return await super().read_page(page)
        except CallError as error:
            if error.request_sent == "no":
                raise
            return None


class WritesTrueAsANumber(Sound):
    caught_by = ("test_a_value_of_another_type_is_refused",)

    async def create_row(self, source, properties, *, content=""):
        given = dict(properties)
        if given.get("Size") is True:
            given["Size"] = 1
        return await super().create_row(source, given, content=content)


class KeepsWhatIsEmptied(Sound):
    caught_by = ("test_values_may_be_emptied",)

    async def update_page(self, page, properties):
        given = {name: one for name, one in properties.items() if one is not None}
        return await super().update_page(page, given)


class CutsTexts(Sound):
    caught_by = ("test_long_texts_are_whole",)

    async def create_row(self, source, properties, *, content=""):
        notes = (properties.get("Notes") or "")[:2000]
        given = {**properties, **({"Notes": notes} if notes else {})}
        return await super().create_row(source, given, content=content)


class TakesPlainValuesOnly(Sound):
    caught_by = ("test_values_may_be_in_the_terms_of_notion",)

    async def create_row(self, source, properties, *, content=""):
        if any(isinstance(one, dict) and "title" in one for one in properties.values()):
            msg = "Plain values only."
            raise InvalidRequest(msg)
        return await super().create_row(source, properties, content=content)


class LosesTheEnd(Sound):
    caught_by = ("test_dates_may_have_an_end",)

    async def create_row(self, source, properties, *, content=""):
        given = {
            name: {"start": one["start"]}
            if isinstance(one, dict) and "end" in one and "start" in one
            else one
            for name, one in properties.items()
        }
        return await super().create_row(source, given, content=content)


class Offer:
    """A plugin that offers a workspace."""

    def __init__(self, workspace: type[Sound]) -> None:
        self.workspace = workspace

    @hookimpl
    def pegboard_integrations(self):
        """Offer it under the name ``sample``."""
        return [
            IntegrationProvider(
                name="sample",
                factory=self.workspace,
                options=NotionOptions,
                contracts={"Notion": 1},
            )
        ]

    @hookimpl
    def pegboard_contracts(self):
        """Bring the contract."""
        return ["pegboard_notion.contract:Notion"]


class Kit(NotionContract):
    """The kit, for one of the workspaces."""

    __test__ = False
    workspace_class: ClassVar[type[Sound]]

    @pytest.fixture
    def plugins(self):
        """Return what offers the workspace."""
        return [Offer(self.workspace_class)]

    @pytest.fixture
    def workspace(self) -> FakeNotion:
        """Return a workspace with one page."""
        return FakeNotion()

    @pytest.fixture
    async def settings(self, workspace) -> AsyncIterator[dict[str, str]]:
        """Return settings that name the workspace."""
        async with FaultServer(otherwise=workspace) as server:
            place = {"token": TOKEN, "base_url": server.url}
            yield {"provider": "sample", **place}


WORKSPACES = [
    kind
    for kind in [*vars().values()]
    if isinstance(kind, type) and issubclass(kind, Sound)
]
globals().update(
    {
        f"Test{workspace.__name__}": type(
            f"Test{workspace.__name__}",
            (Kit,),
            {"workspace_class": workspace, "__test__": True},
        )
        for workspace in WORKSPACES
    }
)
