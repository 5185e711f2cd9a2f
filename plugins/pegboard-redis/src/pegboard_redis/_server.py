"""Where a server is, and who one is there: what a URL says."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Self
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

PLAIN, TLS, UNIX = {"redis", "valkey"}, {"rediss", "valkeys"}, {"unix"}
SHAPES = (
    "redis://USER:PASSWORD@HOST:PORT/DATABASE, the same with rediss:// for TLS, "
    "or unix://USER:PASSWORD@/PATH?db=DATABASE"
)
PORT = 6379


@dataclass(frozen=True, slots=True)
class Server:
    """A server, a database of it, and a user."""

    host: str = "127.0.0.1"
    port: int = PORT
    path: str | None = None
    """The Unix socket, if it is reached by one."""
    is_tls: bool = False
    database: int = 0
    username: str | None = None
    password: str | None = field(default=None, repr=False)

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return self.path or f"{host}:{self.port}"

    @classmethod
    def of(cls, url: str) -> Self:
        """
        Return what *url* says.

        Raises:
            ValueError: It says something else. The message holds no part of it.

        """
        try:
            parts = urlsplit(url)
            return cls(
                host=parts.hostname or "127.0.0.1",
                port=parts.port or PORT,
                path=_path(parts),
                is_tls=parts.scheme in TLS,
                database=_database(parts),
                username=_unquoted(parts.username),
                password=_unquoted(parts.password),
            )
        except ValueError:
            msg = f"it is not of the form {SHAPES}, each part percent-encoded"
            raise ValueError(msg) from None


def _path(parts: SplitResult) -> str | None:
    if parts.scheme not in PLAIN | TLS | UNIX or parts.fragment:
        raise ValueError
    if parts.scheme not in UNIX:
        return None
    if parts.hostname or not parts.path.strip("/"):
        raise ValueError
    return unquote(parts.path)


def _database(parts: SplitResult) -> int:
    asked = parse_qs(
        parts.query, keep_blank_values=True, strict_parsing=bool(parts.query)
    )
    (named,) = asked.pop("db", [""])
    in_path = "" if parts.scheme in UNIX else parts.path.strip("/")
    text = named or in_path or "0"
    if asked or (named and in_path) or not (text.isascii() and text.isdigit()):
        raise ValueError
    return int(text)


def _unquoted(text: str | None) -> str | None:
    return unquote(text) if text else None
