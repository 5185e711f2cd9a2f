"""What settings may say about a database."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

from pegboard import Options
from pydantic import AfterValidator, Field, SecretStr, ValidationInfo

from ._url import checked_postgresql, checked_url

Url = Annotated[SecretStr, AfterValidator(checked_url)]
PostgresqlUrl = Annotated[SecretStr, AfterValidator(checked_postgresql)]
Tls = Literal["disable", "allow", "prefer", "require", "verify-ca", "verify-full"]
LONGEST_NAME = 55
"""Characters of a name that PostgreSQL does not cut, nor that of its index."""
TABLE = re.compile(r"[a-z_][a-z0-9_]*(\.[a-z_][a-z0-9_]*)?")
METADATA = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")


def _checked_table(table: str | None) -> str | None:
    if table is None:
        return None
    parts = table.split(".")
    if TABLE.fullmatch(table) and max(map(len, parts)) <= LONGEST_NAME:
        return table
    msg = "it is not a table, or schema.table, of lower case letters, digits and _"
    raise ValueError(msg)


def _checked_documents_table(table: str | None, info: ValidationInfo) -> str | None:
    if table is not None and table == info.data.get("table"):
        msg = "it is the table of KeyValue, too; documents need one of their own"
        raise ValueError(msg)
    return _checked_table(table)


def _checked_metadata(place: str | None) -> str | None:
    if place is None or METADATA.fullmatch(place):
        return place
    msg = "it is not of the form 'package.module:name', such as 'app.models:metadata'"
    raise ValueError(msg)


DocumentsTable = Annotated[str | None, AfterValidator(_checked_documents_table)]


class SqlOptions(Options):
    """Options of the provider ``sql``."""

    url: Url
    """Where the database is, in SQLAlchemy's spelling, such as ``sqlite:///app.db``."""
    password: SecretStr | None = None
    """The password, if it does not stand in the url."""
    replicas: tuple[Url, ...] = ()
    """Copies that may be read from, as urls; a missing password is the primary's."""
    pool_size: int = Field(default=5, ge=1)
    """Connections that are kept, for each event loop."""
    max_overflow: int = Field(default=10, ge=0)
    """Connections beyond those, which are closed when nobody needs them."""
    pool_timeout: float = Field(default=10.0, gt=0)
    """Longest time, in seconds, to wait for a connection when all are in use."""
    pool_recycle: float = Field(default=1800.0, gt=0)
    """Age in seconds at which a connection is replaced."""
    ping_after: float = Field(default=1.0, ge=0)
    """Seconds of rest after which a connection is tried before use; 0 is always."""
    connect_timeout: float = Field(default=5.0, gt=0)
    """Longest time, in seconds, that opening a connection may take."""
    timeout: float = Field(default=5.0, gt=0)
    """Longest time, in seconds, of an operation on values or documents."""
    statement_timeout: float | None = Field(default=None, gt=0)
    """Longest time, in seconds, of a statement in a session. None is no limit."""
    table: Annotated[str | None, AfterValidator(_checked_table)] = None
    """The table of KeyValue, made if missing. None is one named after the instance."""
    documents_table: DocumentsTable = None
    """The table of documents, made if missing. None is one named after the instance."""
    ttl: float | None = Field(default=None, gt=0)
    """Seconds until a value of KeyValue expires, where the call does not say."""
    migrations: Path = Path("migrations")
    """The folder of the migrations."""
    metadata: Annotated[str | None, AfterValidator(_checked_metadata)] = None
    """Where tables are declared, such as ``app.models:Base``, for new migrations."""


class PostgresqlOptions(SqlOptions):
    """Options of the provider ``postgresql``."""

    url: PostgresqlUrl
    """Where the database is, such as ``postgresql://user@host/name``."""
    replicas: tuple[PostgresqlUrl, ...] = ()
    """Copies that may be read from, as urls; a missing password is the primary's."""
    tls: Tls | None = None
    """Whether connections are encrypted; None is what the url says, or ``prefer``."""
    tls_root: Path | None = None
    """The certificates of who may vouch for the server, for ``verify-*``."""
    tls_certificate: Path | None = None
    """The certificate to show to the server, if it asks for one."""
    tls_key: Path | None = None
    """The private key of that."""
