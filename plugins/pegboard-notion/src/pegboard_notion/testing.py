"""
Prove that a provider keeps the contract of Notion.

    from pegboard_notion.testing import NotionContract


    class TestBridge(NotionContract):
        @pytest.fixture
        def settings(self, server):
            return {"provider": "bridge", "url": server.url}

        @pytest.fixture
        def workspace(self, server):
            return server.workspace

The fixture ``settings`` returns what stands in the settings of an instance, and
``workspace`` what people see, as ``pegboard_notion.fake`` has it.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
from pegboard import Pegboard
from pegboard.errors import InvalidRequest, NotFound
from pegboard.testing import StandardTests

from pegboard_notion.fake import ROOT

from .contract import DataSource, Notion

if TYPE_CHECKING:
    from pegboard_notion.fake import FakeNotion

COLUMNS: dict[str, Any] = {
    "Name": "title",
    "Notes": "rich_text",
    "Size": "number",
    "Done": "checkbox",
    "Stage": {"type": "select", "select": {"options": [{"name": "New"}]}},
    "Tags": "multi_select",
    "Day": "date",
    "Link": "url",
    "Who": "people",
    "Parts": {"type": "relation", "relation": {}},
    "Papers": "files",
    "Sum": "formula",
}
ROW: dict[str, Any] = {
    "Name": "A \U0001f600 name",
    "Notes": "One line\nand another",
    "Size": 2.5,
    "Done": True,
    "Stage": "New",
    "Tags": ["red", "blue"],
    "Day": "2026-01-31",
    "Link": "https://example.com/",
    "Who": ["00000000-0000-4000-8000-00000000000b"],
    "Parts": [ROOT],
    "Papers": [{"name": "a.pdf", "url": "https://example.com/a.pdf"}],
}
MISSING = "00000000-0000-4000-8000-000000000404"


@pytest.mark.asyncio
class NotionContract(StandardTests):
    """What every Notion must do. Inherit it; give ``settings`` and ``workspace``."""

    @pytest.fixture
    def plugins(self) -> Iterable[object]:
        """Return plugins to use that are not installed."""
        return ()

    @pytest_asyncio.fixture
    async def board(
        self, settings: dict[str, Any], plugins: Iterable[object]
    ) -> AsyncGenerator[Pegboard]:
        """Return a board with the workspace."""
        policy = {"requests_per_minute": 1_000_000, **settings.get("policy", {})}
        layers = {"integrations": {"kit": {**settings, "policy": policy}}}
        async with Pegboard.isolated(layers, plugins=plugins) as board:
            yield board

    @pytest.fixture
    def notion(self, board: Pegboard) -> Notion:
        """Return the workspace."""
        return board.integration("kit", Notion)

    @pytest_asyncio.fixture
    async def source(self, board: Pegboard) -> DataSource:
        """Return a data source without rows."""
        notion = board.integration("kit", Notion)
        database = await notion.create_database(ROOT, "Things", COLUMNS)
        return await notion.read_source(next(iter(database.sources)))

    async def test_a_row_is_read_as_it_was_written(
        self, notion: Notion, source: DataSource
    ) -> None:
        """Values are the same, whatever their column; one that is not given is None."""
        row = await notion.create_row(source.id, ROW, content="# Hello")
        read = await notion.read_page(row.id)

        assert read == row
        assert (read.title, read.source) == (ROW["Name"], source.id)
        assert read.properties == {**ROW, "Sum": None}
        assert (await notion.read_content(row.id)).text == "# Hello"

    async def test_a_row_may_have_a_title_only(
        self, notion: Notion, source: DataSource
    ) -> None:
        """What is empty is an empty list, empty text or None."""
        row = await notion.create_row(source.id, {"Name": "x"})

        empty = {
            name: row.properties[name] for name in ("Notes", "Size", "Tags", "Day")
        }
        assert empty == {"Notes": "", "Size": None, "Tags": [], "Day": None}
        assert (await notion.read_content(row.id)).text == ""

    async def test_values_may_be_emptied(
        self, notion: Notion, source: DataSource
    ) -> None:
        """None is what empties a value."""
        row = await notion.create_row(source.id, ROW)
        empty = dict.fromkeys(("Notes", "Size", "Stage", "Tags", "Day", "Parts"))
        changed = await notion.update_page(row.id, empty)

        assert [changed.properties[name] for name in empty] == [
            "",
            *[None] * 2,
            [],
            None,
            [],
        ]
        assert changed.properties["Link"] == ROW["Link"]

    async def test_dates_may_have_an_end(
        self, notion: Notion, source: DataSource
    ) -> None:
        """Then they are a mapping."""
        days = {"start": "2026-01-01", "end": "2026-01-05"}
        row = await notion.create_row(source.id, {"Name": "x", "Day": days})

        assert row.properties["Day"] == days

    async def test_values_may_be_in_the_terms_of_notion(
        self, notion: Notion, source: DataSource
    ) -> None:
        """For what plain values do not say, such as marks."""
        marked = {"type": "text", "text": {"content": "x", "link": None}}
        row = await notion.create_row(source.id, {"Name": {"title": [marked]}})

        assert row.title == "x"

    async def test_long_texts_are_whole(
        self, notion: Notion, source: DataSource
    ) -> None:
        """Notion takes 2000 UTF-16 units in a piece, and shows 25 pieces of a text."""
        text = "ab\U0001f600" * 20_000
        row = await notion.create_row(source.id, {"Name": "x", "Notes": text})

        assert row.cut == ("Notes",)
        assert (await notion.read_page(row.id)).properties["Notes"] == text

    async def test_all_relations_are_read(
        self, notion: Notion, source: DataSource
    ) -> None:
        """A page shows 25, a list says that there are more, reading has them all."""
        many = [f"00000000-0000-4000-9000-{number:012x}" for number in range(230)]
        row = await notion.create_row(source.id, {"Name": "x", "Parts": many})
        (listed,) = (await notion.query(source.id)).pages
        read = await notion.read_page(row.id)

        assert (listed.cut, listed.properties["Parts"]) == (("Parts",), many[:25])
        assert (read.cut, read.properties["Parts"]) == ((), many)

    @pytest.mark.parametrize(
        ("column", "value"),
        [
            ("Name", 5),
            ("Size", "5"),
            ("Size", True),
            ("Done", "yes"),
            ("Tags", "red"),
            ("Tags", [1]),
            ("Day", 5),
            ("Day", {"end": "2026-01-01"}),
            ("Link", 5),
            ("Stage", ["New"]),
            ("Papers", ["a.pdf"]),
        ],
    )
    async def test_a_value_of_another_type_is_refused(
        self, notion: Notion, source: DataSource, column: str, value: object
    ) -> None:
        """The error names the column and what it takes; nothing is written."""
        with pytest.raises(InvalidRequest, match=f"'{column}' takes") as caught:
            await notion.create_row(source.id, {"Name": "x", column: value})

        assert caught.value.request_sent == "no"
        assert (await notion.query(source.id)).pages == ()

    async def test_a_column_that_is_not_there_is_refused(
        self, notion: Notion, source: DataSource
    ) -> None:
        """The error says which there are, and which may be meant."""
        with pytest.raises(InvalidRequest, match=r"Did you mean 'Size'\? Known: Day,"):
            await notion.create_row(source.id, {"Name": "x", "size": 1})
        row = await notion.create_row(source.id, {"Name": "x"})
        with pytest.raises(InvalidRequest, match="Did you mean 'Size'"):
            await notion.update_page(row.id, {"size": 1})

    async def test_a_column_that_is_computed_is_refused(
        self, notion: Notion, source: DataSource
    ) -> None:
        """Nobody can write what Notion computes."""
        with pytest.raises(
            InvalidRequest, match=r"'Sum' \(formula\) cannot be written"
        ):
            await notion.create_row(source.id, {"Name": "x", "Sum": 5})

    async def test_new_columns_are_known_at_once(
        self, notion: Notion, source: DataSource, workspace: FakeNotion
    ) -> None:
        """Also those that somebody else has added."""
        await notion.create_row(source.id, {"Name": "x"})
        workspace.sources[source.id].columns["Later"] = {"type": "number"}
        row = await notion.create_row(source.id, {"Name": "x", "Later": 5})

        assert row.properties["Later"] == 5

    async def test_a_query_goes_on_where_it_was(
        self, notion: Notion, source: DataSource
    ) -> None:
        """All rows come, once each, in the order that is asked for."""
        for number in range(205):
            await notion.create_row(source.id, {"Name": "x", "Size": number})
        sorts = [{"property": "Size", "direction": "descending"}]
        sizes, cursor, rounds = [], None, 0
        while rounds == 0 or cursor:
            found = await notion.query(source.id, sorts=sorts, limit=150, cursor=cursor)
            sizes += [row.properties["Size"] for row in found.pages]
            cursor, rounds = found.cursor, rounds + 1

        assert sizes == [*reversed(range(205))]
        assert rounds == 2

    async def test_a_query_finds_what_fits(
        self, notion: Notion, source: DataSource
    ) -> None:
        """The filter is Notion's."""
        for name in ("one", "two", "three"):
            await notion.create_row(source.id, {"Name": name, "Done": name != "two"})
        found = await notion.query(
            source.id, filter={"property": "Done", "checkbox": {"equals": False}}
        )

        assert [row.title for row in found.pages] == ["two"]
        assert found.cursor is None

    @pytest.mark.parametrize("limit", [0, -1])
    async def test_a_limit_is_at_least_one(
        self, notion: Notion, source: DataSource, limit: int
    ) -> None:
        """Who asks for nothing has made a mistake."""
        for call in (partial(notion.query, source.id), notion.search):
            with pytest.raises(InvalidRequest, match="limit must be at least 1"):
                await call(limit=limit)

    async def test_pages_are_found_by_their_title(self, notion: Notion) -> None:
        """Whatever the case of the letters."""
        page = await notion.create_page(ROOT, "The Plan", content="First.")
        found = await notion.search("plan")

        assert found.pages == (page,)
        assert (page.source, page.title) == (None, "The Plan")
        assert len((await notion.search()).pages) == 2

    async def test_sources_are_found_by_their_title(
        self, notion: Notion, source: DataSource
    ) -> None:
        """With their columns."""
        found = await notion.search_sources("thing")

        assert found.sources == (source,)
        assert {*source.columns} == {*COLUMNS}
        assert source.columns["Stage"] == "select"

    async def test_blocks_are_appended_in_order(
        self, notion: Notion, workspace: FakeNotion
    ) -> None:
        """More than Notion takes at once; text is a paragraph."""
        page = await notion.create_page(ROOT, "x", content="0")
        divider = {"type": "divider", "divider": {}}
        texts = [str(number) for number in range(1, 230)]
        await notion.append_blocks(page.id, [*texts, divider])

        lines = (await notion.read_content(page.id)).text.splitlines()
        assert lines == ["0", *texts]
        assert workspace.pages[page.id].content[-1] == divider

    async def test_content_is_replaced(self, notion: Notion) -> None:
        """Nothing of before is left."""
        page = await notion.create_page(ROOT, "x", content="before")
        told = await notion.replace_content(page.id, "# after")

        assert told == await notion.read_content(page.id)
        assert (told.text, told.is_whole) == ("# after", True)

    async def test_pages_on_a_page_are_not_lost(self, notion: Notion) -> None:
        """Their parent is not written over."""
        await notion.create_page(ROOT, "below")
        with pytest.raises(InvalidRequest):
            await notion.replace_content(ROOT, "")

    async def test_a_page_goes_into_the_trash_and_back(
        self, notion: Notion, source: DataSource
    ) -> None:
        """A row in the trash is in no list; twice is once."""
        row = await notion.create_row(source.id, {"Name": "x"})
        for _ in range(2):
            assert (await notion.trash_page(row.id)).in_trash
        assert (await notion.query(source.id)).pages == ()
        assert not (await notion.restore_page(row.id)).in_trash
        assert (await notion.query(source.id)).pages == (row,)

    async def test_a_database_can_be_changed(
        self, notion: Notion, source: DataSource
    ) -> None:
        """Its title, and the columns of what it shows."""
        assert source.database
        renamed = await notion.update_database(source.database, "Stuff")
        changed = await notion.update_source(
            source.id, title="Rows", columns={"Notes": None, "Phone": "phone_number"}
        )

        assert renamed.title == (await notion.read_database(source.database)).title
        assert renamed.title == "Stuff"
        assert renamed.sources == {source.id: "Things"}
        assert changed == await notion.read_source(source.id)
        assert changed.title == "Rows"
        expected = {*COLUMNS, "Phone"} - {"Notes"}
        assert {*changed.columns} == expected

    async def test_things_may_be_named_by_their_address(self, notion: Notion) -> None:
        """As people copy it, or without hyphens."""
        page = await notion.create_page(ROOT, "x")
        for name in (page.url, page.id.replace("-", ""), f"{page.url}?pvs=4"):
            assert await notion.read_page(name) == page

    @pytest.mark.parametrize(
        "name", ["", "x", "../users/me", f"{MISSING}/../x", "https://example.com/x"]
    )
    async def test_what_names_nothing_is_refused(
        self, notion: Notion, name: str
    ) -> None:
        """Nothing is sent, least of all to another place of the API."""
        calls = (
            notion.read_page,
            notion.read_content,
            notion.read_database,
            notion.read_source,
            notion.query,
            notion.trash_page,
            partial(notion.append_blocks, blocks=["x"]),
            partial(notion.create_page, title="x"),
        )
        for call in calls:
            with pytest.raises(
                InvalidRequest, match="names nothing in Notion"
            ) as caught:
                await call(name)
            assert caught.value.request_sent == "no"

    async def test_what_is_not_there_is_not_found(self, notion: Notion) -> None:
        """The error has its id, and says that it may have to be shared."""
        calls = (
            partial(notion.read_page, MISSING),
            partial(notion.read_content, MISSING),
            partial(notion.read_database, MISSING),
            partial(notion.read_source, MISSING),
            partial(notion.query, MISSING),
            partial(notion.create_row, MISSING, {"Name": "x"}),
            partial(notion.create_page, MISSING, "x"),
            partial(notion.update_page, MISSING, {"Name": "x"}),
            partial(notion.append_blocks, MISSING, ["x"]),
            partial(notion.trash_page, MISSING),
            partial(notion.create_database, MISSING, "x", {"Name": "title"}),
        )
        for call in calls:
            with pytest.raises(NotFound, match=MISSING) as caught:
                await call()
            assert "share the page" in str(caught.value)
