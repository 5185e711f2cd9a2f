"""Blocking twins of contracts."""

from __future__ import annotations

from typing import (
    TYPE_CHECKING,
)

from pegboard.contracts import (
    blobs,
    database,
    documents,
    event_log,
    files,
    key_value,
    messenger,
    queue,
    secret_store,
    tracing,
    webhooks,
)

from ._twins import Blocking, blocking, twin_of

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from contextlib import AbstractContextManager

    from opentelemetry.trace import TracerProvider
    from sqlalchemy import Engine
    from sqlalchemy.orm import Session


@twin_of(key_value.KeyValue)
class KeyValue(Blocking):
    """Values by key; see ``pegboard.KeyValue``."""

    get = blocking(key_value.KeyValue.get)
    get_entry = blocking(key_value.KeyValue.get_entry)
    set = blocking(key_value.KeyValue.set)
    delete = blocking(key_value.KeyValue.delete)
    exists = blocking(key_value.KeyValue.exists)
    touch = blocking(key_value.KeyValue.touch)
    ttl = blocking(key_value.KeyValue.ttl)
    incr = blocking(key_value.KeyValue.incr)
    get_many = blocking(key_value.KeyValue.get_many)
    set_many = blocking(key_value.KeyValue.set_many)
    delete_many = blocking(key_value.KeyValue.delete_many)
    scan = blocking(key_value.KeyValue.scan)


@twin_of(documents.DocumentStore)
class DocumentStore(Blocking):
    """JSON documents in collections; see ``pegboard.DocumentStore``."""

    get_document = blocking(documents.DocumentStore.get_document)
    put_document = blocking(documents.DocumentStore.put_document)
    delete_document = blocking(documents.DocumentStore.delete_document)
    find_documents = blocking(documents.DocumentStore.find_documents)


@twin_of(documents.DocumentCollections)
class DocumentCollections(DocumentStore):
    """Documents in collections that can be listed."""

    list_collections = blocking(documents.DocumentCollections.list_collections)


@twin_of(database.Database)
class Database(Blocking):
    """A database through SQLAlchemy; see ``pegboard.Database``."""

    _original: database.Database

    ping = blocking(database.Database.ping)

    def transaction(
        self, *, read_only: bool = False
    ) -> AbstractContextManager[Session]:
        """Open a session whose work is committed at the end of the block."""
        return self._original.blocking.transaction(read_only=read_only)

    def session(self, *, read_only: bool = False) -> AbstractContextManager[Session]:
        """Open a session that commits when it is told to, and is closed at the end."""
        return self._original.blocking.session(read_only=read_only)

    def per_request(self) -> Generator[Session]:
        """Yield the session of a transaction, as web frameworks take it."""
        return self._original.blocking.per_request()

    def engine(self) -> Engine:
        """Return the engine of the primary."""
        return self._original.blocking.engine()


@twin_of(blobs.Blobs)
class Blobs(Blocking):
    """Blobs by key; see ``pegboard.Blobs``."""

    _original: blobs.Blobs

    put = blocking(blobs.Blobs.put)
    get = blocking(blobs.Blobs.get)
    stat = blocking(blobs.Blobs.stat)
    list = blocking(blobs.Blobs.list)
    copy = blocking(blobs.Blobs.copy)
    delete = blocking(blobs.Blobs.delete)

    def stream(
        self,
        key: str,
        *,
        version: str | None = None,
        start: int = 0,
        end: int | None = None,
    ) -> Iterator[bytes]:
        """Yield the content of *key*, or a range of it, piece by piece."""
        return self._portal.iterate(
            self._original.stream(key, version=version, start=start, end=end)
        )


@twin_of(blobs.VersionedBlobs)
class VersionedBlobs(Blobs):
    """Blobs whose replaced versions are kept; see ``pegboard.VersionedBlobs``."""

    versions = blocking(blobs.VersionedBlobs.versions)


@twin_of(blobs.PresignedBlobs)
class PresignedBlobs(Blobs):
    """Blobs that others fetch by a URL; see ``pegboard.PresignedBlobs``."""

    presign_download = blocking(blobs.PresignedBlobs.presign_download)
    presign_upload = blocking(blobs.PresignedBlobs.presign_upload)


@twin_of(files.Files)
class Files(Blocking):
    """Files in folders below one root; see ``pegboard.Files``."""

    _original: files.Files

    read = blocking(files.Files.read)
    write = blocking(files.Files.write)
    stat = blocking(files.Files.stat)
    exists = blocking(files.Files.exists)
    list = blocking(files.Files.list)
    mkdir = blocking(files.Files.mkdir)
    move = blocking(files.Files.move)
    copy = blocking(files.Files.copy)
    remove = blocking(files.Files.remove)
    remove_all = blocking(files.Files.remove_all)

    def stream(
        self, path: str, *, start: int = 0, end: int | None = None
    ) -> Iterator[bytes]:
        """Yield the content of *path*, or a range of it, piece by piece."""
        return self._portal.iterate(self._original.stream(path, start=start, end=end))


@twin_of(messenger.Messenger)
class Messenger(Blocking):
    """Something that shows messages to people; see ``pegboard.Messenger``."""

    post_message = blocking(messenger.Messenger.post_message)


@twin_of(secret_store.SecretStore)
class SecretStore(Blocking):
    """Somewhere that secrets are kept; see ``pegboard.SecretStore``."""

    get_secret = blocking(secret_store.SecretStore.get_secret)


@twin_of(secret_store.SecretVault)
class SecretVault(SecretStore):
    """A secret store that takes secrets, too; see ``pegboard.SecretVault``."""

    set_secret = blocking(secret_store.SecretVault.set_secret)
    delete_secret = blocking(secret_store.SecretVault.delete_secret)
    list_secrets = blocking(secret_store.SecretVault.list_secrets)


@twin_of(tracing.Tracing)
class Tracing(Blocking):
    """Somewhere that spans are sent to; see ``pegboard.Tracing``."""

    _original: tracing.Tracing

    flush = blocking(tracing.Tracing.flush)

    @property
    def tracer_provider(self) -> TracerProvider | None:
        """What makes tracers; None while this is off."""
        return self._original.tracer_provider


@twin_of(webhooks.Webhooks)
class Webhooks(Blocking):
    """Somebody who wants to be told of events; see ``pegboard.Webhooks``."""

    send_event = blocking(webhooks.Webhooks.send_event)


@twin_of(queue.Queue)
class Queue(Blocking):
    """Work that is handed over, and done at least once; see ``pegboard.Queue``."""

    publish = blocking(queue.Queue.publish)
    publish_many = blocking(queue.Queue.publish_many)
    receive = blocking(queue.Queue.receive)
    ack = blocking(queue.Queue.ack)
    nack = blocking(queue.Queue.nack)
    extend = blocking(queue.Queue.extend)
    count = blocking(queue.Queue.count)


@twin_of(queue.DeadLetterQueue)
class DeadLetterQueue(Queue):
    """A queue with its dead letters; see ``pegboard.DeadLetterQueue``."""

    list_dead_letters = blocking(queue.DeadLetterQueue.list_dead_letters)
    redrive = blocking(queue.DeadLetterQueue.redrive)
    discard = blocking(queue.DeadLetterQueue.discard)


@twin_of(event_log.EventLog)
class EventLog(Blocking):
    """The latest events, for whoever wants to know; see ``pegboard.EventLog``."""

    publish_event = blocking(event_log.EventLog.publish_event)
    read_events = blocking(event_log.EventLog.read_events)
    forget_reader = blocking(event_log.EventLog.forget_reader)
