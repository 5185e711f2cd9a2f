"""A Notion workspace: each operation a request, or some."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from pegboard.errors import CallError, InvalidRequest

from . import _read, _write
from ._connection import Connection
from ._errors import unreadable
from ._names import block_id_of, id_of
from .contract import PageContent, PageList, SourceList

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from pegboard import Context

    from .contract import Database, DataSource, NotionPage, Properties
    from .options import NotionOptions

MOST_AT_ONCE = 100
"""Results of a request, and blocks in one."""
Found = TypeVar("Found")


class NotionWorkspace:
    """Reads and writes what is shared with an integration."""

    def __init__(self, options: NotionOptions, context: Context) -> None:
        """Connect with nothing yet."""
        self._connection = Connection(options, context)
        self._columns: dict[str, Mapping[str, str]] = {}

    async def aclose(self) -> None:
        """Close what is open."""
        await self._connection.aclose()

    async def ping(self) -> str:
        """Return who the token belongs to."""
        told = await self._connection.call("GET", "users/me")
        return f"acts as {told.get('name')}"

    async def search(
        self, text: str = "", *, limit: int = 20, cursor: str | None = None
    ) -> PageList:
        """Return pages with *text* in their title."""
        body = {"query": text, "filter": _only("page")}
        return PageList(*await self._list("search", body, _read.page, limit, cursor))

    async def search_sources(
        self, text: str = "", *, limit: int = 20, cursor: str | None = None
    ) -> SourceList:
        """Return data sources with *text* in their title."""
        body = {"query": text, "filter": _only("data_source")}
        found = await self._list("search", body, _read.data_source, limit, cursor)
        return SourceList(*found)

    async def read_database(self, database: str) -> Database:
        """Return which data sources *database* shows."""
        told = await self._connection.call("GET", f"databases/{id_of(database)}")
        return _understood(_read.database, told)

    async def read_source(self, source: str) -> DataSource:
        """Return the columns of the data source *source*."""
        told = await self._connection.call("GET", f"data_sources/{id_of(source)}")
        return self._known(told)

    async def query(
        self,
        source: str,
        *,
        filter: Mapping[str, Any] | None = None,  # noqa: A002 - Notion's word
        sorts: Sequence[Mapping[str, Any]] = (),
        limit: int = 100,
        cursor: str | None = None,
    ) -> PageList:
        """Return rows of the data source *source*."""
        path = f"data_sources/{id_of(source)}/query"
        body = {"filter": filter, "sorts": list(sorts) or None}
        return PageList(*await self._list(path, body, _read.page, limit, cursor))

    async def read_page(self, page: str) -> NotionPage:
        """Return *page* with all values of its properties."""
        told = await self._connection.call("GET", f"pages/{id_of(page)}")
        for name in _understood(_read.page, told).cut:
            await self._complete(told["id"], told["properties"][name])
        return _understood(_read.page, told)

    async def read_content(self, page: str) -> PageContent:
        """Return what is written on *page*."""
        told = await self._connection.call("GET", f"pages/{id_of(page)}/markdown")
        return _understood(_content, told)

    async def create_row(
        self, source: str, properties: Properties, *, content: str = ""
    ) -> NotionPage:
        """Add a row to the data source *source*."""
        place = id_of(source)
        with _nothing_was_written():
            columns = await self._columns_for(place, properties)
        parent = {"type": "data_source_id", "data_source_id": place}
        values = _write.properties(properties, columns)
        try:
            return await self._create(parent, values, content)
        except InvalidRequest:
            self._columns.pop(place, None)  # somebody may have changed the type of one
            raise

    async def create_page(
        self, parent: str, title: str, *, content: str = ""
    ) -> NotionPage:
        """Add a page to the page *parent*."""
        place = {"type": "page_id", "page_id": id_of(parent)}
        values = {"title": {"title": _write.rich_text(title)}}
        return await self._create(place, values, content)

    async def update_page(self, page: str, properties: Properties) -> NotionPage:
        """Change the *properties* of *page*."""
        now = await self._connection.call("GET", f"pages/{id_of(page)}")
        columns = _understood(_types, now)
        values = _write.properties(properties, columns)
        return await self._change(page, properties=values)

    async def append_blocks(
        self, page: str, blocks: Sequence[str | Mapping[str, Any]]
    ) -> None:
        """Write *blocks* at the end of *page*."""
        path = f"blocks/{block_id_of(page)}/children"
        children = [_write.block(block) for block in blocks]
        for start in range(0, len(children), MOST_AT_ONCE):
            body = {"children": children[start : start + MOST_AT_ONCE]}
            with _after(start, len(children)):
                await self._connection.call("PATCH", path, body)

    async def replace_content(self, page: str, content: str) -> PageContent:
        """Have *content* written on *page*, and nothing else any more."""
        told = await self._connection.call(
            "PATCH",
            f"pages/{id_of(page)}/markdown",
            {"type": "replace_content", "replace_content": {"new_str": content}},
        )
        return _understood(_content, told)

    async def trash_page(self, page: str) -> NotionPage:
        """Put *page* into the trash."""
        return await self._change(page, in_trash=True)

    async def restore_page(self, page: str) -> NotionPage:
        """Take *page* out of the trash."""
        return await self._change(page, in_trash=False)

    async def create_database(
        self, parent: str, title: str, columns: Mapping[str, Any]
    ) -> Database:
        """Add a database with one data source to the page *parent*."""
        body = {
            "parent": {"type": "page_id", "page_id": id_of(parent)},
            "title": _write.rich_text(title),
            "initial_data_source": {"properties": _write.schema(columns)},
        }
        told = await self._connection.call("POST", "databases", body)
        return _understood(_read.database, told)

    async def update_database(self, database: str, title: str) -> Database:
        """Have *database* be called *title*."""
        told = await self._connection.call(
            "PATCH", f"databases/{id_of(database)}", {"title": _write.rich_text(title)}
        )
        return _understood(_read.database, told)

    async def update_source(
        self,
        source: str,
        *,
        title: str | None = None,
        columns: Mapping[str, Any] | None = None,
    ) -> DataSource:
        """Change a data source."""
        body: dict[str, Any] = {"properties": _write.schema(columns or {})}
        if title is not None:
            body["title"] = _write.rich_text(title)
        path = f"data_sources/{id_of(source)}"
        return self._known(await self._connection.call("PATCH", path, body))

    async def _create(
        self, parent: Mapping[str, Any], properties: Mapping[str, Any], content: str
    ) -> NotionPage:
        body: dict[str, Any] = {"parent": parent, "properties": properties}
        if content:
            body["markdown"] = content
        told = await self._connection.call("POST", "pages", body)
        return _understood(_read.page, told)

    async def _change(self, page: str, **fields: Any) -> NotionPage:
        told = await self._connection.call("PATCH", f"pages/{id_of(page)}", fields)
        return _understood(_read.page, told)

    async def _list(
        self,
        path: str,
        body: Mapping[str, Any],
        read: Callable[[Mapping[str, Any]], Found],
        limit: int,
        cursor: str | None,
    ) -> tuple[tuple[Found, ...], str | None]:
        """Return at most *limit* results, and where to go on."""
        _check(limit)
        found: list[Found] = []
        asked = {name: value for name, value in body.items() if value is not None}
        while len(found) < limit:
            asked["page_size"] = min(limit - len(found), MOST_AT_ONCE)
            if cursor:
                asked["start_cursor"] = cursor
            told = await self._connection.call("POST", path, asked)
            results, cursor = _understood(_sheet, told)
            found += [_understood(read, one) for one in results]
            if cursor is None:
                break
        return tuple(found), cursor

    async def _complete(self, page: str, told: dict[str, Any]) -> None:
        """Put all values into a property of which Notion *told* the first ones."""
        kind, cursor = told["type"], None
        values: list[Any] = []
        while True:
            more = await self._connection.call(
                "GET",
                f"pages/{page}/properties/{told['id']}",
                query={"start_cursor": cursor} if cursor else None,
            )
            results, cursor = _understood(_sheet, more)
            values += [_understood(lambda one: one[kind], one) for one in results]
            if cursor is None:
                break
        told[kind], told["has_more"] = values, False

    async def _columns_for(self, source: str, properties: Properties) -> Any:
        """Return the columns of *source*, asked for again if some are unknown."""
        known = self._columns.get(source)
        if known is None or not {*properties} <= {*known}:
            known = (await self.read_source(source)).columns
        return known

    def _known(self, told: Mapping[str, Any]) -> DataSource:
        source = _understood(_read.data_source, told)
        self._columns[source.id] = source.columns
        return source


def _understood(read: Callable[[Any], Found], told: Any) -> Found:
    """Return what *read* makes of what Notion *told*, which may be anything."""
    try:
        return read(told)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise unreadable() from error


def _content(told: Mapping[str, Any]) -> PageContent:
    return PageContent(text=told["markdown"], is_whole=not told["truncated"])


def _types(told: Mapping[str, Any]) -> dict[str, str]:
    return {name: one["type"] for name, one in told["properties"].items()}


def _sheet(told: Mapping[str, Any]) -> tuple[list[Any], str | None]:
    """Return the results of a list, and where to go on."""
    return list(told["results"]), told["next_cursor"] if told["has_more"] else None


def _only(kind: str) -> dict[str, str]:
    return {"property": "object", "value": kind}


def _check(limit: int) -> None:
    if limit < 1:
        msg = f"limit must be at least 1, not {limit}."
        raise InvalidRequest(msg, request_sent="no")


@contextmanager
def _nothing_was_written() -> Iterator[None]:
    """Say of errors that the call can be made again."""
    try:
        yield
    except CallError as error:
        error.request_sent = "no"
        raise


@contextmanager
def _after(done: int, total: int) -> Iterator[None]:
    """Say of errors that *done* of the blocks are on the page, once some are."""
    try:
        yield
    except CallError as error:
        if done:
            error.message = f"{error.message} {done} of {total} blocks were appended."
            error.args, error.request_sent = (error.message,), "yes"
        raise
