"""The SQL of KeyValue, which PostgreSQL and SQLite both understand."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from hashlib import sha256
from typing import TYPE_CHECKING, Self

from sqlalchemy import Column, Double, Index, MetaData, Table, Text, func, select

if TYPE_CHECKING:
    from sqlalchemy import Connection, Dialect

LONGEST_INSTANCE = 45
"""Characters that can stand behind ``pegboard_`` and before ``_expires``."""
LONGEST_COUNTER = 18
"""Characters of a number that cannot leave 64 bits by adding one as long."""
PARTS = {
    "alive": "(expires IS NULL OR expires > :now)",
    "insert": "AS old (key, value, version, expires) "
    "VALUES (:key, :value, :version, :expires) ON CONFLICT (key) DO UPDATE",
    "all_new": "value = excluded.value, version = excluded.version, "
    "expires = excluded.expires",
    "longest_counter": LONGEST_COUNTER,
}

POSTGRESQL = {
    "among": "= ANY (ARRAY (SELECT json_array_elements_text(CAST(:keys AS JSON))))",
    "rows": "json_to_recordset(CAST(:rows AS JSON)) "
    "AS new (key TEXT, value TEXT, version TEXT)",
    "lock": "FOR UPDATE",
    "lock_free": "FOR UPDATE SKIP LOCKED",
}
SQLITE = {
    "among": "IN (SELECT value FROM json_each(:keys))",
    "rows": "(SELECT value ->> 'key' AS key, value ->> 'value' AS value, "
    "value ->> 'version' AS version FROM json_each(:rows))",
    "lock": "",
    "lock_free": "",
}


@dataclass(frozen=True, slots=True)
class Statements:
    """Statements with named values. All return rows: a change one for each row."""

    get: str = "SELECT value, version FROM {table} WHERE key = :key AND {alive}"
    get_many: str = """
        SELECT key, value FROM {table} WHERE key {among} AND {alive}
    """
    ttl: str = "SELECT expires FROM {table} WHERE key = :key AND {alive}"
    exists: str = "SELECT 1 FROM {table} WHERE key = :key AND {alive}"
    scan: str = """
        SELECT key FROM {table} WHERE key >= :start AND {alive}
        ORDER BY key LIMIT :most
    """
    scan_to: str = """
        SELECT key FROM {table} WHERE key >= :start AND key < :stop AND {alive}
        ORDER BY key LIMIT :most
    """
    set: str = "INSERT INTO {table} {insert} SET {all_new} RETURNING 1"
    set_many: str = """
        INSERT INTO {table} AS old (key, value, version, expires)
        SELECT key, value, version, CAST(:expires AS DOUBLE PRECISION) FROM {rows}
        WHERE true ON CONFLICT (key) DO UPDATE SET {all_new} RETURNING 1
    """
    set_if_absent: str = """
        INSERT INTO {table} {insert} SET {all_new} WHERE old.expires <= :now RETURNING 1
    """
    set_if_version: str = """
        UPDATE {table} SET value = :value, version = :version, expires = :expires
        WHERE key = :key AND version = :if_version AND {alive} RETURNING 1
    """
    set_value: str = """
        UPDATE {table} SET value = :value, version = :version
        WHERE key = :key AND version = :if_version AND {alive} RETURNING 1
    """
    add: str = """
        INSERT INTO {table} {insert} SET
            value = CASE WHEN old.expires <= :now THEN excluded.value ELSE
                CAST(CAST(old.value AS BIGINT) + CAST(:value AS BIGINT) AS TEXT) END,
            version = excluded.version,
            expires = CASE WHEN old.expires <= :now THEN excluded.expires
                ELSE old.expires END
        WHERE old.expires <= :now OR (
            length(old.value) <= {longest_counter}
            AND trim(old.value, '-0123456789') = ''
        )
        RETURNING value
    """
    touch: str = """
        UPDATE {table} SET expires = :expires WHERE key = :key AND {alive} RETURNING 1
    """
    delete: str = "DELETE FROM {table} WHERE key = :key AND {alive} RETURNING 1"
    delete_many: str = """
        DELETE FROM {table} WHERE key IN (
            SELECT key FROM {table} WHERE key {among} AND {alive}
            ORDER BY key {lock}
        ) RETURNING 1
    """
    delete_if_version: str = """
        DELETE FROM {table} WHERE key = :key AND version = :if_version AND {alive}
        RETURNING 1
    """
    purge: str = """
        DELETE FROM {table} WHERE key IN (
            SELECT key FROM {table} WHERE expires <= :now LIMIT :most {lock_free}
        ) RETURNING 1
    """

    @classmethod
    def of(cls, table: Table, dialect: Dialect) -> Self:
        """Return the statements for *table* as the driver of *dialect* takes them."""
        name = dialect.identifier_preparer.format_table(table)
        server = dialect.name == "postgresql"
        parts = {**PARTS, **(POSTGRESQL if server else SQLITE), "table": name}

        def spelled(text: str) -> str:
            plain = " ".join(text.format(**parts).split())
            return re.sub(r":(\w+)", r"%(\1)s", plain) if server else plain

        return cls(**{one.name: spelled(str(one.default)) for one in fields(cls)})


def table_of(instance: str) -> str:
    """Return the name of the table that belongs to *instance* alone."""
    if len(instance) <= LONGEST_INSTANCE:
        return f"pegboard_{instance}"
    digest = sha256(instance.encode()).hexdigest()
    return f"pegboard_{instance[: LONGEST_INSTANCE - 9]}_{digest[:8]}"


def make_table(name: str) -> Table:
    """Return the table *name*, or schema.name, of a KeyValue."""
    schema, _, name = name.rpartition(".")
    # By code point, as Python orders text and as nothing else in PostgreSQL does.
    key = Text().with_variant(Text(collation="C"), "postgresql")
    table = Table(
        name,
        MetaData(schema=schema or None),
        Column("key", key, primary_key=True),
        Column("value", Text, nullable=False),
        Column("version", Text, nullable=False),
        Column("expires", Double),
    )
    expires = table.c.expires
    expire = expires.is_not(None)
    Index(f"{name}_expires", expires, postgresql_where=expire, sqlite_where=expire)
    return table


def create(connection: Connection, table: Table) -> None:
    """Create *table* if it is missing, one process at a time."""
    if connection.dialect.has_table(connection, table.name, schema=table.schema):
        return
    if connection.dialect.name == "postgresql":
        connection.execute(
            select(func.pg_advisory_xact_lock(func.hashtext(table.fullname)))
        )
    table.metadata.create_all(connection)


def stored(key: str) -> str:
    """
    Return what stands for *key* in the table: it has no NUL, and the same order.

    PostgreSQL cannot store NUL in text. Everything above U+0001 stays as it is.
    """
    if "\x00" in key or "\x01" in key:
        return key.replace("\x01", "\x01\x02").replace("\x00", "\x01\x01")
    return key


def restored(key: str) -> str:
    """Return the key that *key* in the table stands for."""
    if "\x01" in key:
        return key.replace("\x01\x01", "\x00").replace("\x01\x02", "\x01")
    return key


def stop_of(prefix: str) -> str | None:
    """Return the least text above all that begin with *prefix*, if there is one."""
    head = prefix.rstrip("\U0010ffff")
    if not head:
        return None
    following = ord(head[-1]) + 1
    after = "\ue000" if following == 0xD800 else chr(following)  # noqa: PLR2004 - no text has what lies between
    return head[:-1] + after
