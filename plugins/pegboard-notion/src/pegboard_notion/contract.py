"""What can be done in Notion: the contract."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from pegboard import contract, operation

Properties = Mapping[str, Any]
"""Values by the names of their columns; see ``Notion``."""


@dataclass(frozen=True, slots=True)
class NotionPage:
    """A page, without what is written on it."""

    id: str
    title: str
    url: str
    properties: Properties
    source: str | None
    """The id of the data source whose row it is, or None."""
    in_trash: bool
    cut: tuple[str, ...] = ()
    """Properties with more values than Notion shows here; ``read_page`` has all."""


@dataclass(frozen=True, slots=True)
class PageList:
    """Some of the pages."""

    pages: tuple[NotionPage, ...]
    cursor: str | None
    """Where to go on; None at the end."""


@dataclass(frozen=True, slots=True)
class PageContent:
    """What is written on a page."""

    text: str
    """In Notion's Markdown."""
    is_whole: bool
    """Whether it is all; of very long pages it is not."""


@dataclass(frozen=True, slots=True)
class DataSource:
    """A table: its columns, and where it belongs."""

    id: str
    title: str
    columns: Mapping[str, str]
    """The type of each column, such as ``rich_text``, by its name."""
    database: str | None
    """The id of the database that shows it."""


@dataclass(frozen=True, slots=True)
class Database:
    """A database: what shows one table, or several."""

    id: str
    title: str
    url: str
    sources: Mapping[str, str]
    """The name of each data source by its id."""


@dataclass(frozen=True, slots=True)
class SourceList:
    """Some of the data sources."""

    sources: tuple[DataSource, ...]
    cursor: str | None
    """Where to go on; None at the end."""


@contract(family="integrations", version=1)
class Notion(Protocol):
    """
    A Notion workspace, as far as it is shared with the integration.

    Pages, databases and data sources are named by their id, with hyphens or without, or
    by their address. Properties are plain values: text is ``str``; a number is ``int``
    or ``float``; a checkbox ``bool``; a selection and a status its name; several
    selections, people and relations are lists of names or ids; a date is text in ISO
    8601, or ``{"start": ..., "end": ...}``; files are lists of
    ``{"name": ..., "url": ...}``; and None is empty. A mapping that has the type of the
    column in it is sent as it is, in Notion's terms.
    """

    @operation(repeatable=True)
    async def search(
        self, text: str = "", *, limit: int = 20, cursor: str | None = None
    ) -> PageList:
        """
        Return pages with *text* in their title, the last changed first.

        Args:
            text: What to look for; all pages if it is empty.
            limit: The most pages to return.
            cursor: Where to go on, from an earlier list.

        """
        ...

    @operation(repeatable=True)
    async def search_sources(
        self, text: str = "", *, limit: int = 20, cursor: str | None = None
    ) -> SourceList:
        """
        Return data sources with *text* in their title.

        Args:
            text: What to look for; all data sources if it is empty.
            limit: The most data sources to return.
            cursor: Where to go on, from an earlier list.

        """
        ...

    @operation(repeatable=True)
    async def read_database(self, database: str) -> Database:
        """Return which data sources *database* shows."""
        ...

    @operation(repeatable=True)
    async def read_source(self, source: str) -> DataSource:
        """Return the columns of the data source *source*."""
        ...

    @operation(repeatable=True)
    async def query(
        self,
        source: str,
        *,
        filter: Mapping[str, Any] | None = None,  # noqa: A002 - Notion's word
        sorts: Sequence[Mapping[str, Any]] = (),
        limit: int = 100,
        cursor: str | None = None,
    ) -> PageList:
        """
        Return rows of the data source *source*.

        Args:
            source: The id of the data source.
            filter: Which rows, in Notion's terms; all of them if None.
            sorts: In which order, in Notion's terms.
            limit: The most rows to return. Each 100 are a request of their own.
            cursor: Where to go on, from an earlier list.

        """
        ...

    @operation(repeatable=True)
    async def read_page(self, page: str) -> NotionPage:
        """Return *page* with all values of its properties."""
        ...

    @operation(repeatable=True)
    async def read_content(self, page: str) -> PageContent:
        """Return what is written on *page*."""
        ...

    @operation(repeatable=False)
    async def create_row(
        self, source: str, properties: Properties, *, content: str = ""
    ) -> NotionPage:
        """
        Add a row to the data source *source*.

        Args:
            source: The id of the data source.
            properties: Its values, by column.
            content: What is written on its page, in Markdown.

        """
        ...

    @operation(repeatable=False)
    async def create_page(
        self, parent: str, title: str, *, content: str = ""
    ) -> NotionPage:
        """
        Add a page to the page *parent*.

        Args:
            parent: The id of the page that it belongs to.
            title: Its title.
            content: What is written on it, in Markdown.

        """
        ...

    @operation(repeatable=True)
    async def update_page(self, page: str, properties: Properties) -> NotionPage:
        """Change the *properties* of *page*; those that are not named stay."""
        ...

    @operation(repeatable=False)
    async def append_blocks(
        self, page: str, blocks: Sequence[str | Mapping[str, Any]]
    ) -> None:
        """
        Write *blocks* at the end of *page*.

        Args:
            page: The id of the page, or of a block on one.
            blocks: Paragraphs of text, or blocks in Notion's terms. Each 100 are a
                request of their own.

        """
        ...

    @operation(repeatable=True)
    async def replace_content(self, page: str, content: str) -> PageContent:
        """
        Have *content* written on *page*, and nothing else any more.

        A page on which there are other pages or databases is not changed.
        """
        ...

    @operation(repeatable=True)
    async def trash_page(self, page: str) -> NotionPage:
        """Put *page* into the trash, from where people can take it back."""
        ...

    @operation(repeatable=True)
    async def restore_page(self, page: str) -> NotionPage:
        """Take *page* out of the trash."""
        ...

    @operation(repeatable=False)
    async def create_database(
        self, parent: str, title: str, columns: Mapping[str, Any]
    ) -> Database:
        """
        Add a database with one data source to the page *parent*.

        Args:
            parent: The id of the page that it belongs to.
            title: Its title.
            columns: The type of each column by its name, such as ``rich_text``, or a
                mapping in Notion's terms. One is the ``title``.

        """
        ...

    @operation(repeatable=True)
    async def update_database(self, database: str, title: str) -> Database:
        """Have *database* be called *title*."""
        ...

    @operation(repeatable=True)
    async def update_source(
        self,
        source: str,
        *,
        title: str | None = None,
        columns: Mapping[str, Any] | None = None,
    ) -> DataSource:
        """
        Change a data source; columns that are not named stay.

        Args:
            source: The id of the data source.
            title: Its new title.
            columns: Columns to add or to change, as for ``create_database``; None
                removes one with all that is in it.

        """
        ...
