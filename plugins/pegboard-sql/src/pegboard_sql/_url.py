"""What a database's url says, read without SQLAlchemy."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import SecretStr

URL = re.compile(r"([a-z][a-z0-9]*)(?:\+(\w+))?://(.*)", re.DOTALL)
POSTGRESQL = {"postgresql", "postgres"}
WITH_VALUES = {"postgresql", "sqlite"}
"""Databases whose SQL KeyValue speaks."""
MEMORY = {"", "/", "/:memory:"}


def backend(url: str) -> str:
    """Return the kind of database that *url* leads to."""
    found = URL.match(url)
    name = found[1] if found else ""
    return "postgresql" if name in POSTGRESQL else name


def checked_url(url: SecretStr) -> SecretStr:
    """Return *url* if it is one."""
    found = URL.fullmatch(url.get_secret_value())
    if found is None:
        msg = "it is not a database url, such as sqlite:///app.db"
        raise ValueError(msg)
    if found[1] == "sqlite" and found[3].partition("?")[0] in MEMORY:
        msg = "a database in memory keeps nothing. Name a file: sqlite:///app.db"
        raise ValueError(msg)
    return url


def checked_postgresql(url: SecretStr) -> SecretStr:
    """Return *url* if it leads to PostgreSQL, whatever driver it names."""
    if backend(url.get_secret_value()) != "postgresql":
        msg = (
            "it is not a PostgreSQL url, such as postgresql://user@host/name. "
            'provider = "sql" takes others'
        )
        raise ValueError(msg)
    return url
