"""Blocking twins of what is made of storage."""

from __future__ import annotations

import asyncio
from collections.abc import (
    Callable,
    Mapping,
    Sequence,
)
from contextlib import contextmanager
from typing import (
    TYPE_CHECKING,
    Any,
    Generic,
    TypeVar,
)

from pegboard._stores import artifacts as _artifacts
from pegboard._stores import cache as _cache
from pegboard._stores import conversations as _conversations
from pegboard._stores import documents as _documents
from pegboard._stores import json_database as _json_database
from pegboard._stores import locks as _locks
from pegboard._stores import sessions as _sessions
from pegboard._stores import values as _values
from pegboard._stores.document_shape import Model
from pegboard.contracts import (
    key_value,
)

from ._twins import Blocking, blocking, twin_of

if TYPE_CHECKING:
    from collections.abc import Iterator


Value = TypeVar("Value")


@twin_of(_documents.Documents)
class Documents(Blocking, Generic[Model]):
    """Documents of one pydantic model; see ``pegboard.Documents``."""

    _original: _documents.Documents[Model]

    def get(self, key: str) -> Model | None:
        """Return the document under *key*, or None if there is none."""
        return self._portal.call(self._original.get(key))

    def get_entry(self, key: str) -> _documents.Document[Model] | None:
        """Return the document under *key* with its version, or None."""
        return self._portal.call(self._original.get_entry(key))

    def put(
        self,
        document: Model,
        *,
        if_version: str | None = None,
        if_absent: bool = False,
    ) -> str:
        """Store *document* under its key and return its new version."""
        return self._portal.call(
            self._original.put(document, if_version=if_version, if_absent=if_absent)
        )

    def delete(self, key: str, *, if_version: str | None = None) -> bool:
        """Remove the document under *key*; return whether it was there."""
        return self._portal.call(self._original.delete(key, if_version=if_version))

    def find(
        self,
        where: Mapping[str, Any] | None = None,
        *,
        order_by: str | None = None,
        descending: bool = False,
        limit: int = 100,
        cursor: str | None = None,
    ) -> _documents.DocumentPage[Model]:
        """Return up to *limit* documents whose fields are all as *where* says."""
        question = self._original.find(
            where,
            order_by=order_by,
            descending=descending,
            limit=limit,
            cursor=cursor,
        )
        return self._portal.call(question)


@twin_of(_values.Values)
class Values(Blocking, Generic[Value]):
    """Values of one type; see ``pegboard.Values``."""

    _original: _values.Values[Value]

    delete = blocking(_values.Values.delete)
    exists = blocking(_values.Values.exists)
    touch = blocking(_values.Values.touch)
    ttl = blocking(_values.Values.ttl)
    delete_many = blocking(_values.Values.delete_many)
    scan = blocking(_values.Values.scan)

    def get(self, key: str) -> Value | None:
        """Return the value of *key*, or None if there is none."""
        return self._portal.call(self._original.get(key))

    def get_entry(self, key: str) -> key_value.Entry[Value] | None:
        """Return the value of *key* with its version, or None if there is none."""
        return self._portal.call(self._original.get_entry(key))

    def set(
        self,
        key: str,
        value: Value,
        *,
        ttl: float | None = None,
        if_version: str | None = None,
        if_absent: bool = False,
    ) -> str:
        """Store *value* under *key* and return its new version."""
        stored = self._original.set(
            key, value, ttl=ttl, if_version=if_version, if_absent=if_absent
        )
        return self._portal.call(stored)

    def get_many(self, keys: Sequence[str]) -> dict[str, Value]:
        """Return the values of those *keys* that exist, all as of one moment."""
        return self._portal.call(self._original.get_many(keys))

    def set_many(
        self, values: Mapping[str, Value], *, ttl: float | None = None
    ) -> dict[str, str]:
        """Store all *values* under their keys, or none; return their new versions."""
        return self._portal.call(self._original.set_many(values, ttl=ttl))


@twin_of(_sessions.Sessions)
class Sessions(Blocking):
    """What is kept of users between their requests; see ``pegboard.Sessions``."""

    get = blocking(_sessions.Sessions.get)
    set = blocking(_sessions.Sessions.set)
    update = blocking(_sessions.Sessions.update)
    delete = blocking(_sessions.Sessions.delete)
    exists = blocking(_sessions.Sessions.exists)
    touch = blocking(_sessions.Sessions.touch)
    scan = blocking(_sessions.Sessions.scan)


@twin_of(_conversations.Conversations)
class Conversations(Blocking):
    """What was said in conversations with models; see ``pegboard.Conversations``."""

    append = blocking(_conversations.Conversations.append)
    all = blocking(_conversations.Conversations.all)
    latest = blocking(_conversations.Conversations.latest)
    clear = blocking(_conversations.Conversations.clear)


@twin_of(_artifacts.Artifacts)
class Artifacts(Blocking):
    """Versions of content by name; see ``pegboard.Artifacts``."""

    _original: _artifacts.Artifacts

    push = blocking(_artifacts.Artifacts.push)
    find = blocking(_artifacts.Artifacts.find)
    versions = blocking(_artifacts.Artifacts.versions)
    read = blocking(_artifacts.Artifacts.read)
    pull = blocking(_artifacts.Artifacts.pull)
    promote = blocking(_artifacts.Artifacts.promote)
    tag = blocking(_artifacts.Artifacts.tag)
    untag = blocking(_artifacts.Artifacts.untag)
    find_by_tag = blocking(_artifacts.Artifacts.find_by_tag)
    names = blocking(_artifacts.Artifacts.names)
    delete_version = blocking(_artifacts.Artifacts.delete_version)
    delete = blocking(_artifacts.Artifacts.delete)

    def stream(
        self,
        name: str,
        version: int | None = None,
        *,
        stage: str | None = None,
        tag: str | None = None,
    ) -> Iterator[bytes]:
        """Yield the content of a version of *name*, piece by piece."""
        return self._portal.iterate(
            self._original.stream(name, version, stage=stage, tag=tag)
        )


@twin_of(_json_database.JsonDatabase)
class JsonDatabase(Blocking):
    """JSON by name, read and changed in parts; see ``pegboard.JsonDatabase``."""

    read = blocking(_json_database.JsonDatabase.read)
    prompt = blocking(_json_database.JsonDatabase.prompt)
    write = blocking(_json_database.JsonDatabase.write)
    append = blocking(_json_database.JsonDatabase.append)
    update = blocking(_json_database.JsonDatabase.update)
    delete = blocking(_json_database.JsonDatabase.delete)
    scan = blocking(_json_database.JsonDatabase.scan)


class Lease(Blocking):
    """A lock that is held; see ``pegboard.Lease``."""

    _original: _locks.Lease

    renew = blocking(_locks.Lease.renew)
    release = blocking(_locks.Lease.release)

    @property
    def name(self) -> str:
        """The name of the lock."""
        return self._original.name

    @property
    def token(self) -> int:
        """Higher than that of all who held the lock before."""
        return self._original.token


@twin_of(_locks.Locks)
class Locks(Blocking):
    """Locks by name; see ``pegboard.Locks``."""

    _original: _locks.Locks

    def acquire(
        self, name: str, *, wait: float = 30.0, ttl: float | None = None
    ) -> Lease:
        """Return the lease of the lock *name*, which the caller releases."""
        lease = self._portal.call(self._original.acquire(name, wait=wait, ttl=ttl))
        return Lease(lease, self._portal)

    @contextmanager
    def hold(
        self, name: str, *, wait: float = 30.0, ttl: float | None = None
    ) -> Iterator[Lease]:
        """Hold the lock *name* in a ``with`` block."""
        call, held = self._portal.call, self._original.hold(name, wait=wait, ttl=ttl)
        lease = Lease(call(held.__aenter__()), self._portal)
        try:
            yield lease
        except BaseException as error:
            call(held.__aexit__(type(error), error, error.__traceback__))
            raise
        call(held.__aexit__(None, None, None))


@twin_of(_cache.Cache)
class Cache(Blocking):
    """What takes long to make, kept for a while; see ``pegboard.Cache``."""

    _original: _cache.Cache

    get = blocking(_cache.Cache.get)
    delete = blocking(_cache.Cache.delete)

    def get_or_make(
        self, name: str, make: Callable[[], Any], *, ttl: float | None = None
    ) -> Any:
        """Return what is kept under *name*, or what *make* returns, in a thread."""

        async def made() -> Any:
            return await asyncio.to_thread(make)

        return self._portal.call(self._original.get_or_make(name, made, ttl=ttl))
