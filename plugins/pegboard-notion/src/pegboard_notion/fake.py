"""
A Notion workspace in memory, so that a test sees what became of it.

    workspace = FakeNotion()
    async with FaultServer(otherwise=workspace) as server: ...

It does what the documentation of the API (2025-09-03) says of the requests it knows: it
shows 25 values of a property and 100 results at once, and refuses values of another
type. No Notion was asked; the shapes are those of ``pegboard.testing.notion_wire``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import parse_qsl, urlsplit

from pegboard.testing import Scripted
from pegboard.testing import notion_wire as wire

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pegboard.testing.fault_server import Received

TOKEN = "ntn_1"  # noqa: S105 - the key to nothing
ROOT = "00000000-0000-4000-8000-0000000000aa"
"""A page that is there from the start."""
MOST_VALUES, MOST_RESULTS, MOST_CHARACTERS = 25, 100, 2000
LISTS = frozenset({"title", "rich_text", "people", "relation", "multi_select", "files"})
Answer = Mapping[str, Any]


@dataclass(slots=True)
class KeptPage:
    """A page as people see it."""

    id: str
    properties: dict[str, Any]
    """Property values, as they are read."""
    parent: dict[str, Any]
    content: list[Any] = field(default_factory=list)
    """Markdown, and blocks that were appended."""
    in_trash: bool = False

    @property
    def title(self) -> str:
        """Its title."""
        titles = [one for one in self.properties.values() if one["type"] == "title"]
        return _text(titles[0]["title"]) if titles else ""


@dataclass(slots=True)
class KeptSource:
    """A data source: its columns, and the database that shows it."""

    id: str
    title: str
    columns: dict[str, Any]
    database: str


class Refused(Exception):
    """The workspace refuses a request: its code, and why."""


class FakeNotion:
    """A workspace in memory: what a ``FaultServer`` answers by."""

    def __init__(self, *, token: str = TOKEN) -> None:
        """Let in who has *token*."""
        home = _titled({"title": "title"}, "Home")
        self.pages = {ROOT: KeptPage(ROOT, home, {"type": "workspace"})}
        self.sources: dict[str, KeptSource] = {}
        self.databases: dict[str, str] = {}
        """The title of each by its id."""
        self._token = token
        self._numbers = count(1)
        self._routes: Sequence[tuple[str, str, Callable[..., Answer]]] = (
            ("GET", r"users/me", self._me),
            ("POST", r"search", self._search),
            ("POST", r"databases", self._create_database),
            ("GET", r"databases/([^/]+)", self._read_database),
            ("PATCH", r"databases/([^/]+)", self._update_database),
            ("GET", r"data_sources/([^/]+)", self._read_source),
            ("PATCH", r"data_sources/([^/]+)", self._update_source),
            ("POST", r"data_sources/([^/]+)/query", self._query),
            ("POST", r"pages", self._create_page),
            ("GET", r"pages/([^/]+)", self._read_page),
            ("PATCH", r"pages/([^/]+)", self._update_page),
            ("GET", r"pages/([^/]+)/properties/([^/]+)", self._read_property),
            ("GET", r"pages/([^/]+)/markdown", self._read_markdown),
            ("PATCH", r"pages/([^/]+)/markdown", self._update_markdown),
            ("PATCH", r"blocks/([^/]+)/children", self._append),
        )

    def __call__(self, request: Received) -> Scripted:
        """Do what *request* asks for, and return the answer."""
        try:
            return Scripted.json(self._do(request))
        except Refused as refusal:
            code, why = refusal.args
            return Scripted.json(wire.error(code, why), status=wire.STATUS[code])

    def _do(self, request: Received) -> Answer:
        if request.headers.get("authorization") != f"Bearer {self._token}":
            _refuse("unauthorized", "API token is invalid.")
        if not request.headers.get("notion-version"):
            _refuse("invalid_request", "Notion-Version header should be defined.")
        address = urlsplit(request.path)
        path = address.path.partition("/v1/")[2]
        given = request.json if request.body else dict(parse_qsl(address.query))
        for method, pattern, route in self._routes:
            found = re.fullmatch(pattern, path)
            if found and method == request.method:
                return route(given, *found.groups())
        return _refuse("invalid_request_url", f"Invalid request URL: {path}")

    def _me(self, _given: Answer) -> Answer:
        return {"object": "user", "type": "bot", "name": "pegboard", "bot": {}}

    def _search(self, given: Answer) -> Answer:
        wanted = given.get("query", "").casefold()
        kind = given.get("filter", {}).get("value", "page")
        kept: Sequence[Any] = [
            *(self.pages if kind == "page" else self.sources).values()
        ]
        show = self._shown_page if kind == "page" else self._shown_source
        found = [show(one) for one in reversed(kept) if wanted in one.title.casefold()]
        return _sheet(found, given)

    def _create_database(self, given: Answer) -> Answer:
        self._page(given["parent"]["page_id"])
        name, source = self._new_id(), self._new_id()
        columns = given["initial_data_source"]["properties"]
        title = _text(_read_text(given["title"]))
        if [kind for kind in map(_kind, columns.values()) if kind == "title"] != [
            "title"
        ]:
            _refuse("validation_error", "Exactly one property must be a title.")
        self.databases[name] = title
        self.sources[source] = KeptSource(source, title, dict(columns), name)
        return self._shown_database(name)

    def _read_database(self, _given: Answer, name: str) -> Answer:
        return self._shown_database(name)

    def _update_database(self, given: Answer, name: str) -> Answer:
        self._shown_database(name)
        self.databases[name] = _text(_read_text(given["title"]))
        return self._shown_database(name)

    def _read_source(self, _given: Answer, name: str) -> Answer:
        return self._shown_source(self._source(name))

    def _update_source(self, given: Answer, name: str) -> Answer:
        source = self._source(name)
        for column, kind in given.get("properties", {}).items():
            if kind is None:
                source.columns.pop(column, None)
            else:
                source.columns[column] = kind
        if "title" in given:
            source.title = _text(_read_text(given["title"]))
        return self._shown_source(source)

    def _query(self, given: Answer, name: str) -> Answer:
        source = self._source(name)
        rows = [
            page
            for page in self.pages.values()
            if page.parent.get("data_source_id") == source.id
            and not page.in_trash
            and _matches(page.properties, given.get("filter"))
        ]
        for rule in reversed(given.get("sorts", [])):
            rows.sort(
                key=lambda row: _plain(row.properties[rule["property"]]),
                reverse=rule["direction"] == "descending",
            )
        return _sheet([self._shown_page(row) for row in rows], given)

    def _create_page(self, given: Answer) -> Answer:
        parent, name = given["parent"], self._new_id()
        if parent["type"] == "page_id":
            self._page(parent["page_id"])
            columns: Mapping[str, Any] = {"title": {"type": "title"}}
        else:
            columns = self._source(parent["data_source_id"]).columns
        values = {name: _empty(name, kind) for name, kind in columns.items()}
        values |= _valid(given["properties"], columns)
        content = [given["markdown"]] if given.get("markdown") else []
        self.pages[name] = KeptPage(name, values, dict(parent), content)
        return self._shown_page(self.pages[name])

    def _read_page(self, _given: Answer, name: str) -> Answer:
        return self._shown_page(self._page(name))

    def _update_page(self, given: Answer, name: str) -> Answer:
        page = self._page(name)
        page.properties |= _valid(given.get("properties", {}), page.properties)
        page.in_trash = given.get("in_trash", page.in_trash)
        return self._shown_page(page)

    def _read_property(self, given: Answer, name: str, column: str) -> Answer:
        values = {one["id"]: one for one in self._page(name).properties.values()}
        if column not in values:
            _refuse("object_not_found", f"Could not find property with ID: {column}.")
        kind = values[column]["type"]
        items = [{"type": kind, kind: one} for one in values[column][kind]]
        return _sheet(items, given)

    def _read_markdown(self, _given: Answer, name: str) -> Answer:
        text = "\n".join(map(_markdown, self._page(name).content))
        about = {"truncated": False, "unknown_block_ids": []}
        return {"object": "page_markdown", "id": name, "markdown": text, **about}

    def _update_markdown(self, given: Answer, name: str) -> Answer:
        page = self._page(name)
        text = given["replace_content"]["new_str"]
        below = (other.parent.get("page_id") for other in self.pages.values())
        if page.id in below:
            _refuse("validation_error", "The page has child pages.")
        page.content = [text] if text else []
        return self._read_markdown(given, name)

    def _append(self, given: Answer, name: str) -> Answer:
        page, blocks = self._page(name), given["children"]
        if len(blocks) > MOST_RESULTS:
            _refuse("validation_error", f"children.length should be <= {MOST_RESULTS}.")
        page.content += blocks
        return {"object": "list", "results": blocks, "next_cursor": None}

    def _page(self, name: str) -> KeptPage:
        return self.pages.get(name) or _refuse_unknown("page", name)

    def _source(self, name: str) -> KeptSource:
        return self.sources.get(name) or _refuse_unknown("data source", name)

    def _new_id(self) -> str:
        return f"00000000-0000-4000-8000-{next(self._numbers):012x}"

    def _shown_page(self, page: KeptPage) -> Answer:
        shown = {name: _shown(one) for name, one in page.properties.items()}
        about = {"parent": page.parent, "in_trash": page.in_trash}
        return {**wire.page(shown, page_id=page.id), **about}

    def _shown_source(self, source: KeptSource) -> Answer:
        columns = {
            name: {"id": name, "name": name, "type": _kind(kind), **kind}
            for name, kind in source.columns.items()
        }
        return {
            "object": "data_source",
            "id": source.id,
            "title": wire.rich_text(source.title),
            "properties": columns,
            "parent": {"type": "database_id", "database_id": source.database},
        }

    def _shown_database(self, name: str) -> Answer:
        if name not in self.databases:
            _refuse_unknown("database", name)
        shown = [one for one in self.sources.values() if one.database == name]
        return {
            "object": "database",
            "id": name,
            "title": wire.rich_text(self.databases[name]),
            "url": f"https://www.notion.so/{name.replace('-', '')}",
            "data_sources": [{"id": one.id, "name": one.title} for one in shown],
        }


def _refuse(code: str, why: str) -> NoReturn:
    raise Refused(code, why)


def _refuse_unknown(what: str, name: str) -> NoReturn:
    _refuse("object_not_found", f"Could not find {what} with ID: {name}.")


def _kind(column: Mapping[str, Any]) -> str:
    return str(column.get("type") or next(iter(column)))


def _sheet(found: Sequence[Any], given: Answer) -> Answer:
    start = int(given.get("start_cursor") or 0)
    size = min(int(given.get("page_size") or MOST_RESULTS), MOST_RESULTS)
    end = start + size
    cursor = str(end) if end < len(found) else None
    return {**wire.query(*found[start:end], next_cursor=cursor)}


def _titled(columns: Mapping[str, str], words: str) -> dict[str, Any]:
    return {name: {**wire.title(words), "id": name} for name in columns}


def _empty(name: str, column: Mapping[str, Any]) -> dict[str, Any]:
    kind = _kind(column)
    return {"id": name, "type": kind, kind: [] if kind in LISTS else None}


def _valid(
    given: Mapping[str, Any], columns: Mapping[str, Any]
) -> dict[str, dict[str, Any]]:
    """Return *given* as it is read again, if every value is of the column's type."""
    read = {}
    for name, value in given.items():
        if name not in columns:
            _refuse("validation_error", f"{name} is not a property that exists.")
        kind = _kind(columns[name])
        if kind not in value or isinstance(value[kind], list) is not (kind in LISTS):
            _refuse("validation_error", f"{name} is expected to be {kind}.")
        read[name] = {"id": name, "type": kind, kind: _as_read(kind, value[kind])}
    return read


def _as_read(kind: str, value: Any) -> Any:
    if kind in {"title", "rich_text"}:
        return _read_text(value)
    if kind == "files":
        return [{"type": "external", **one} for one in value]
    return value


def _read_text(value: Any) -> list[dict[str, Any]]:
    sizes = (len(one["text"]["content"].encode("utf-16-le")) // 2 for one in value)
    if max(sizes, default=0) > MOST_CHARACTERS:
        _refuse("validation_error", "content.length should be <= 2000.")
    return [piece for one in value for piece in wire.rich_text(one["text"]["content"])]


def _shown(value: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a property as a page shows it: cut."""
    kind = value["type"]
    values = value[kind]
    if kind not in {"title", "rich_text", "people", "relation"}:
        return value
    more = {"has_more": len(values) > MOST_VALUES} if kind == "relation" else {}
    return {**value, kind: values[:MOST_VALUES], **more}


def _text(value: Any) -> str:
    return "".join(one["plain_text"] for one in value)


def _plain(value: Mapping[str, Any]) -> Any:
    """Return what rows are compared by."""
    found = value[value["type"]]
    if value["type"] in {"title", "rich_text"}:
        return _text(found)
    return found["name"] if isinstance(found, dict) and "name" in found else found


def _matches(properties: Mapping[str, Any], rule: Mapping[str, Any] | None) -> bool:
    if not rule:
        return True
    if rule.get("property") not in properties:
        _refuse("validation_error", f"Could not find property {rule.get('property')}.")
    value = properties[rule["property"]]
    ((test, wanted),) = rule[value["type"]].items()
    found = _plain(value)
    return bool(found == wanted if test == "equals" else wanted in found)


def _markdown(piece: Any) -> str:
    if isinstance(piece, str):
        return piece
    pieces = piece.get(piece.get("type"), {}).get("rich_text", [])
    return "".join(one["text"]["content"] for one in pieces)
