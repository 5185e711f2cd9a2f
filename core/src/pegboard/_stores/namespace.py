"""Keys of one kind, apart from all others in the same store."""

from __future__ import annotations

from urllib.parse import quote, unquote

from pegboard.contracts.key_value import KeyPage, KeyValue, checked_key
from pegboard.errors import InvalidRequest

SEPARATOR = ":"


class Namespace:
    """
    Keys that begin with *name*.

    Names of things are quoted in them, so that no two of them look the same: neither
    ``a:b`` in ``x`` and ``b`` in ``x:a``, nor what belongs to ``a`` and to ``a:b``.
    """

    def __init__(self, name: str) -> None:
        if not name or SEPARATOR in str(name):
            msg = f"A namespace is text without {SEPARATOR!r}, not {name!r}."
            raise InvalidRequest(msg, request_sent="no")
        self.prefix = checked_key(name) + SEPARATOR
        """What its keys, and no others, begin with."""

    def key(self, *names: str) -> str:
        """Return the key of what has these *names*."""
        return self.prefix + SEPARATOR.join(
            quote(checked_key(name), safe="/") for name in names
        )

    async def scan(self, store: KeyValue, *, limit: int, cursor: str | None) -> KeyPage:
        """Return a page of the names in *store*."""
        page = await store.scan(self.prefix, limit=limit, cursor=cursor)
        names = (unquote(key.removeprefix(self.prefix)) for key in page.keys)
        return KeyPage(tuple(names), page.cursor)
