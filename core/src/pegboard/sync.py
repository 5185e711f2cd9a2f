"""
The same board for programs that are not async: every call blocks until it is done.

The work runs on one event loop in a thread that the board owns. Signatures are those
of the async originals, so nothing is written twice::

    from pegboard.sync import KeyValue, Pegboard

    with Pegboard() as board:
        print(board.llm().complete("Name three uses of a pegboard.").text)
        board.storage("notes", KeyValue).set("greeting", "hello")
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import threading
import time
from collections.abc import (
    AsyncGenerator,
    Callable,
    Coroutine,
    Iterable,
    Mapping,
    Sequence,
)
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import (
    TYPE_CHECKING,
    Any,
    Concatenate,
    Generic,
    ParamSpec,
    Self,
    TypeVar,
    get_args,
    get_origin,
    overload,
)

from typing_extensions import TypeForm, Unpack

from . import _board
from ._models import batches as _batches
from ._models import llm as _llm
from ._models import run_stream as _run_stream
from ._models import stream as _stream
from ._queues import event_bus as _event_bus
from ._queues import worker as _worker
from ._stores import artifacts as _artifacts
from ._stores import cache as _cache
from ._stores import conversations as _conversations
from ._stores import documents as _documents
from ._stores import json_database as _json_database
from ._stores import locks as _locks
from ._stores import sessions as _sessions
from ._stores import values as _values
from ._stores.document_shape import Model
from .contracts import (
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
from .errors import InvalidRequest, PluginError

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from opentelemetry.trace import Tracer, TracerProvider
    from pydantic import SecretStr
    from sqlalchemy import Engine
    from sqlalchemy.orm import Session

    from ._explain import Explanation
    from ._models.bounds import RunParameters
    from ._models.prompt import Parameters, Prompt
    from ._models.run import Run, TypedRun
    from ._plugins.loading import Plugin
    from .contracts.batches import Batch, BatchResult
    from .contracts.chat import Reply, StreamEvent, Tool
    from .contracts.models import PullProgress
    from .contracts.queue import Delivery
    from .errors import Problem
    from .health import Health
    from .stats import Stats

P = ParamSpec("P")
Result = TypeVar("Result")
Item = TypeVar("Item")
Value = TypeVar("Value")
Contract = TypeVar("Contract")


class Portal:
    """One event loop in a thread of its own."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True, name="pegboard")
        self._thread.start()

    def call(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Run *work* on the loop and return its result; an interrupt cancels it."""
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def iterate(self, source: AsyncGenerator[Item]) -> Iterator[Item]:
        """Yield the items of *source*, which is closed when the loop is left."""
        try:
            while (item := self.call(_next(source))) is not _END:
                yield item  # type: ignore[misc]  # the sentinel is no item
        finally:
            self.call(_aclose(source))

    def soon(self, function: Callable[[], object]) -> None:
        """Have the loop call *function*; nobody waits for it."""
        self._loop.call_soon_threadsafe(function)

    def stop(self) -> None:
        """Stop the loop and wait for its thread."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.get_loop().run_forever()


_END = object()


async def _next(source: AsyncGenerator[Item]) -> Item | object:
    return await anext(source, _END)


async def _aclose(source: AsyncGenerator[Any]) -> None:
    await source.aclose()


class Blocking:
    """Stands for an async object: the same methods, each blocking."""

    def __init__(self, original: Any, portal: Portal) -> None:
        self._original = original
        self._portal = portal

    def __repr__(self) -> str:
        return f"<blocking {self._original!r}>"


def blocking(
    method: Callable[Concatenate[Any, P], Coroutine[Any, Any, Result]],
) -> Callable[Concatenate[Any, P], Result]:
    """Return the blocking twin of an async *method*."""

    @functools.wraps(method)
    def twin(self: Any, /, *args: P.args, **kwargs: P.kwargs) -> Result:
        bound = getattr(self._original, method.__name__)
        result: Result = self._portal.call(bound(*args, **kwargs))
        return result

    return twin


def twin_of(contract: object) -> Callable[[type[Result]], type[Result]]:
    """Declare a class of ``blocking`` methods to be the twin of *contract*."""

    def declare(cls: type[Result]) -> type[Result]:
        cls.__twin_of__ = contract  # type: ignore[attr-defined]  # the mark
        return cls

    return declare


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


class Worker(Blocking):
    """
    Calls a plain function for each message of a queue; see ``pegboard.Worker``.

    It is called in threads. These cannot be stopped: what still runs when its grace is
    over, or after its message was delivered anew, is done by others, too.
    """

    _original: _worker.Worker

    def __init__(  # noqa: PLR0913 - as the original has it
        self,
        queue: Queue,
        handler: Callable[[Delivery], object],
        *,
        concurrency: int = 10,
        visibility: float = 30.0,
        backoff: float = 1.0,
        grace: float = 10.0,
        on_failure: Callable[[Delivery, Exception], object] | None = None,
    ) -> None:
        """Make a worker; it does nothing yet. See ``pegboard.Worker``."""
        if inspect.iscoroutinefunction(handler):
            msg = f"{handler!r} is async. Use it with pegboard.Worker."
            raise InvalidRequest(msg, request_sent="no")

        async def handle(delivery: Delivery) -> None:
            loop = asyncio.get_running_loop()
            await loop.run_in_executor(self._threads, handler, delivery)

        original = _worker.Worker(
            queue._original,  # noqa: SLF001 - its own
            handle,
            concurrency=concurrency,
            visibility=visibility,
            backoff=backoff,
            grace=grace,
            on_failure=on_failure,
        )
        super().__init__(original, queue._portal)  # noqa: SLF001 - its own
        self._concurrency = concurrency
        self._threads: ThreadPoolExecutor

    @property
    def done(self) -> int:
        """How many messages were acknowledged."""
        return self._original.done

    @property
    def failed(self) -> int:
        """How many times the function raised."""
        return self._original.failed

    def run(self) -> None:
        """Work until ``stop`` is called, by a signal or in another thread."""
        self._work(self._original.run())

    def drain(self) -> None:
        """Work until the queue gives nothing more."""
        self._work(self._original.drain())

    def stop(self) -> None:
        """Have ``run`` take no more messages, finish what it has, and return."""
        self._portal.soon(self._original.stop)

    def _work(self, work: Coroutine[Any, Any, None]) -> None:
        self._threads = ThreadPoolExecutor(self._concurrency, "pegboard-worker")
        try:
            self._portal.call(work)
        finally:
            self._threads.shutdown(wait=False, cancel_futures=True)


@twin_of(event_log.EventLog)
class EventLog(Blocking):
    """The latest events, for whoever wants to know; see ``pegboard.EventLog``."""

    publish_event = blocking(event_log.EventLog.publish_event)
    read_events = blocking(event_log.EventLog.read_events)
    forget_reader = blocking(event_log.EventLog.forget_reader)


class Subscription(Blocking):
    """Events as they happen; see ``pegboard.Subscription``."""

    _original: _event_bus.Subscription

    next = blocking(_event_bus.Subscription.next)

    def __enter__(self) -> Self:
        self._portal.call(self._original.__aenter__())
        return self

    def __exit__(self, *exception: object) -> None:
        self._portal.call(self._original.__aexit__(*exception))

    def __iter__(self) -> Iterator[event_log.Event]:
        return self._portal.iterate(aiter(self._original))

    @property
    def position(self) -> str:
        """Where it is: pass it as *after* to go on there another time."""
        return self._original.position

    @property
    def dropped(self) -> int:
        """How many events had been dropped before they could be read."""
        return self._original.dropped


@twin_of(_event_bus.EventBus)
class EventBus(Blocking):
    """Events for whoever wants to know; see ``pegboard.EventBus``."""

    _original: _event_bus.EventBus

    publish = blocking(_event_bus.EventBus.publish)

    def subscribe(
        self,
        *topics: str,
        after: str = event_log.END,
        where: Callable[[event_log.Event], bool] | None = None,
    ) -> Subscription:
        """Return the events of *topics*, to be used in a ``with`` block."""
        original = self._original.subscribe(*topics, after=after, where=where)
        return Subscription(original, self._portal)


TWINS = (
    KeyValue,
    Values,
    Blobs,
    VersionedBlobs,
    PresignedBlobs,
    Files,
    Database,
    DocumentStore,
    DocumentCollections,
    Documents,
    Sessions,
    Conversations,
    Artifacts,
    JsonDatabase,
    Locks,
    Cache,
    Messenger,
    Queue,
    DeadLetterQueue,
    EventLog,
    EventBus,
    SecretStore,
    SecretVault,
    Tracing,
    Webhooks,
)
"""What ``storage`` and ``integration`` take, and what is made of it."""


class ReplyStream:
    """A reply, piece by piece; see ``pegboard.ReplyStream``."""

    def __init__(self, original: _stream.ReplyStream, portal: Portal) -> None:
        self._original = original
        self._portal = portal

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __iter__(self) -> Iterator[StreamEvent]:
        return self._portal.iterate(aiter(self._original))

    @property
    def text(self) -> Iterator[str]:
        """The words of the reply as they arrive."""
        return self._portal.iterate(self._original.text)

    @property
    def reply(self) -> Reply:
        """The reply so far; its ``finish_reason`` is ``cut`` until the last event."""
        return self._original.reply

    def close(self) -> None:
        """End the stream, which stops the work at the other end."""
        self._portal.call(self._original.aclose())


class Batches(Blocking):
    """Requests that are handed in together; see ``LLM.batches``."""

    _original: _batches.Batches

    submit = blocking(_batches.Batches.submit)
    get = blocking(_batches.Batches.get)
    cancel = blocking(_batches.Batches.cancel)

    def watch(self, batch_id: str, *, every: float = 60.0) -> Iterator[Batch]:
        """Yield how far the batch is, at first and whenever that has changed."""
        return self._portal.iterate(self._original.watch(batch_id, every=every))

    def results(self, batch_id: str) -> Iterator[BatchResult]:
        """Yield what became of each request, in any order."""
        return self._portal.iterate(self._original.results(batch_id))


class TypedStream(ReplyStream, Generic[Value]):
    """A reply that is a value, growing; see ``pegboard.TypedStream``."""

    _original: _stream.TypedStream[Value]

    @property
    def partial(self) -> Iterator[Any]:
        """What there is of the value as it grows, as plain JSON values."""
        return self._portal.iterate(self._original.partial)

    @property
    def output(self) -> Value:
        """The value, once the stream has ended."""
        return self._original.output


class RunStream(Generic[Value]):
    """A run, piece by piece; see ``pegboard.RunStream``."""

    def __init__(self, original: _run_stream.RunStream[Value], portal: Portal) -> None:
        self._original = original
        self._portal = portal

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __iter__(self) -> Iterator[_run_stream.RunEvent]:
        return self._portal.iterate(aiter(self._original))

    @property
    def text(self) -> Iterator[str]:
        """The words of all replies as they arrive."""
        return self._portal.iterate(self._original.text)

    @property
    def run(self) -> Value:
        """What came of it, once it has ended."""
        return self._original.run

    def close(self) -> None:
        """End the run, and all that it does."""
        self._portal.call(self._original.aclose())


class LLM(Blocking):
    """A language model; see ``pegboard.LLM``."""

    _original: _llm.LLM

    complete = blocking(_llm.LLM.complete)
    complete_json = blocking(_llm.LLM.complete_json)
    run = blocking(_llm.LLM.run)
    embed = blocking(_llm.LLM.embed)
    generate_images = blocking(_llm.LLM.generate_images)
    speak = blocking(_llm.LLM.speak)
    transcribe = blocking(_llm.LLM.transcribe)
    list_models = blocking(_llm.LLM.list_models)
    count_tokens = blocking(_llm.LLM.count_tokens)

    def pull_model(self, model: str) -> Iterator[PullProgress]:
        """Fetch *model* to the server, and yield how far it is."""
        return self._portal.iterate(self._original.pull_model(model))

    @property
    def batches(self) -> Batches:
        """Many requests at once, which the service answers when it has time."""
        return Batches(self._original.batches, self._portal)

    @overload
    def stream(
        self, prompt: Prompt, **parameters: Unpack[Parameters]
    ) -> ReplyStream: ...

    @overload
    def stream(
        self,
        prompt: Prompt,
        *,
        output: TypeForm[Value],
        **parameters: Unpack[Parameters],
    ) -> TypedStream[Value]: ...

    def stream(
        self, prompt: Prompt, *, output: Any = None, **parameters: Unpack[Parameters]
    ) -> Any:
        """Return the reply to *prompt* as a stream of its pieces."""
        original = self._original.stream(prompt, output=output, **parameters)
        kind = ReplyStream if output is None else TypedStream
        return kind(original, self._portal)

    @overload
    def run_stream(
        self, prompt: Prompt, **parameters: Unpack[RunParameters]
    ) -> RunStream[Run]: ...

    @overload
    def run_stream(
        self,
        prompt: Prompt,
        *,
        output: TypeForm[Value],
        **parameters: Unpack[RunParameters],
    ) -> RunStream[TypedRun[Value]]: ...

    def run_stream(
        self, prompt: Prompt, *, output: Any = None, **parameters: Unpack[RunParameters]
    ) -> Any:
        """Return a run, see ``run``, as a stream of what happens in it."""
        original = self._original.run_stream(prompt, output=output, **parameters)
        return RunStream(original, self._portal)

    @property
    def address(self) -> str:
        """The address in settings, errors and logs."""
        return self._original.address

    @property
    def capabilities(self) -> frozenset[str]:
        """What the provider claims of requests, with these settings."""
        return self._original.capabilities

    @property
    def abilities(self) -> frozenset[str]:
        """What the provider can do with these settings, such as ``embeddings``."""
        return self._original.abilities


class Pegboard:
    """Providers by name, as the settings say; see ``pegboard.Pegboard``."""

    def __init__(
        self,
        settings: Mapping[str, Any] | None = None,
        *,
        folder: str | Path | None = None,
        profile: str | None = None,
        plugins: Iterable[object] = (),
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._board = _board.Pegboard(
            settings, folder=folder, profile=profile, plugins=plugins, clock=clock
        )
        self._start()

    @classmethod
    def isolated(
        cls,
        settings: Mapping[str, Any],
        *,
        environ: Mapping[str, str] | None = None,
        plugins: Iterable[object] = (),
        clock: Callable[[], float] = time.time,
    ) -> Self:
        """Return a board that reads *settings* and nothing else, as tests want it."""
        board = cls.__new__(cls)
        board._board = _board.Pegboard.isolated(  # noqa: SLF001 - its own
            settings, environ=environ, plugins=plugins, clock=clock
        )
        board._start()  # noqa: SLF001 - its own
        return board

    def _start(self) -> None:
        self._portal: Portal | None = None
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        self._call(self._board.__aenter__())
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<blocking {self._board!r}>"

    def llm(self, name: str = "default") -> LLM:
        """Return the language model that the settings call *name*."""
        return LLM(self._board.llm(name), self._running())

    def select(self, *, needs: Iterable[str]) -> LLM:
        """Return the first configured language model that claims all of *needs*."""
        return LLM(self._board.select(needs=needs), self._running())

    def storage(self, name: str, contract: TypeForm[Contract]) -> Contract:
        """Return the storage that the settings call *name*, as *contract*."""
        handle: Contract = self._twin(self._board.storage, name, contract)
        return handle

    def integration(self, name: str, contract: TypeForm[Contract]) -> Contract:
        """Return the integration that the settings call *name*, as *contract*."""
        handle: Contract = self._twin(self._board.integration, name, contract)
        return handle

    def call(self, operation: str, arguments: Mapping[str, Any] | None = None) -> Any:
        """Call *operation* with *arguments* of JSON; see ``pegboard.Pegboard.call``."""
        return self._call(self._board.call(operation, arguments))

    def tools(self, name: str, *names: str) -> tuple[Tool, ...]:
        """Return operations as tools that a model may be given."""
        return self._board.tools(name, *names)

    def provider(self, address: str) -> object:
        """Return what the plugin made for *address*: its own object, not blocking."""
        return self._board.provider(address)

    def tracer(self, component: str) -> Tracer:
        """Return a tracer for the program's own spans; see ``pegboard.Pegboard``."""
        return self._board.tracer(component)

    def flag(self, name: str) -> bool:
        """Return whether the feature flag *name* is on."""
        return self._board.flag(name)

    def addresses(self) -> list[str]:
        """Return the addresses of all configured instances."""
        return self._board.addresses()

    def check(self) -> list[Problem]:
        """Return all that is wrong with any configured instance. Makes none."""
        return self._board.check()

    def explain(self, address: str) -> Explanation:
        """Return what the instance at *address* is, and where each value came from."""
        return self._board.explain(address)

    def stats(self) -> dict[str, Stats]:
        """Return what happened to the calls of every address that was called."""
        return self._board.stats()

    def health(self) -> dict[str, Health]:
        """Return for every instance whether it can be reached now."""
        return self._call(self._board.health())

    def renew_secrets(self) -> list[str]:
        """Have all use what the secret stores hold now."""
        return self._call(self._board.renew_secrets())

    def check_secret(
        self, key: str, value: SecretStr | None = None
    ) -> dict[str, Health]:
        """Return for every instance that refers to *key* whether it works."""
        return self._call(self._board.check_secret(key, value))

    def rotate_secret(self, key: str, value: SecretStr) -> dict[str, Health]:
        """Store *value* as the secret *key*, once it works, and have all use it."""
        return self._call(self._board.rotate_secret(key, value))

    def plugins(self) -> list[Plugin]:
        """Load every installed plugin and return it, broken ones too."""
        return self._board.plugins()

    def close(self) -> None:
        """Close what was opened, the last first, and stop the thread."""
        with self._lock:
            portal, self._portal = self._portal, None
        if portal is None:
            portal = Portal()
        try:
            portal.call(self._board.aclose())
        finally:
            portal.stop()

    def _call(self, work: Coroutine[Any, Any, Result]) -> Result:
        return self._running().call(work)

    def _running(self) -> Portal:
        with self._lock:
            if self._portal is None:
                self._portal = Portal()
            return self._portal

    def _twin(self, find: Callable[[str, Any], Any], name: str, twin: object) -> Any:
        original = getattr(get_origin(twin) or twin, "__twin_of__", None)
        if original is None or not callable(twin):
            known = ", ".join(cls.__name__ for cls in TWINS)
            msg = (
                f"{twin!r} is not the blocking twin of a contract. pegboard.sync has "
                f"{known}; declare others with @pegboard.sync.twin_of(CONTRACT)."
            )
            raise PluginError(msg)
        if held := get_args(twin):
            original = original[held]
        return twin(find(name, original), self._running())
