"""A model in a thread of its own, which writes one reply at a time."""

from __future__ import annotations

import asyncio
from queue import SimpleQueue
from threading import Lock, Thread
from typing import TYPE_CHECKING, Any

from pegboard.errors import CallError

from ._errors import closed, translated

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Mapping

    from ._llama import Load

Chunk = dict[str, Any]


class Job:
    """An answer that is asked for in an event loop and made in a thread."""

    def __init__(self, body: Mapping[str, Any], *, embeds: bool = False) -> None:
        self.body = dict(body)
        self.embeds = embeds
        self.is_stopped = False
        self._loop = asyncio.get_running_loop()
        self._chunks: asyncio.Queue[Chunk | CallError | None] = asyncio.Queue()

    def put(self, chunk: Chunk | CallError | None) -> None:
        """Hand the next piece to the loop; an error or None is the last one."""
        try:
            self._loop.call_soon_threadsafe(self._chunks.put_nowait, chunk)
        except RuntimeError:  # the loop is closed, so nobody waits any more
            self.is_stopped = True

    async def chunks(self) -> AsyncGenerator[Chunk, None]:
        """Yield the pieces as they are written. To leave it stops the writing."""
        try:
            while (chunk := await self._chunks.get()) is not None:
                if isinstance(chunk, CallError):
                    raise chunk
                yield chunk
        finally:
            self.is_stopped = True


class Engine:
    """
    A model that is loaded with its first job and kept until it is closed.

    Jobs wait here and not in llama.cpp, which cannot be told to forget one.
    """

    def __init__(self, load: Load, open_server: Callable[[Load], Any]) -> None:
        self._load = load
        self._open_server = open_server
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._lock = Lock()
        self._is_closed = False
        # A daemon, so that a program may end without closing. ``Models`` ends the
        # thread before the interpreter goes.
        self._thread = Thread(target=self._work, name="pegboard-local", daemon=True)
        self._thread.start()

    def submit(self, job: Job) -> None:
        """Have *job* done after those before it."""
        with self._lock:
            if self._is_closed:
                raise closed()
            self._jobs.put(job)

    def close(self) -> None:
        """Stop all jobs and free the model, as soon as can be."""
        with self._lock:
            self._is_closed = True
            self._jobs.put(None)

    def join(self) -> None:
        """Wait until the model is freed."""
        self._thread.join()

    def _work(self) -> None:
        # Only this frame holds the server. So a forked child, which lacks the thread,
        # does not free it at its exit, which would hang.
        server = None
        while (job := self._jobs.get()) is not None:
            try:
                server = server or self._open_server(self._load)
                self._write(job, server)
            except Exception as error:  # noqa: BLE001 - or all later jobs would hang
                job.put(translated(error))

    def _write(self, job: Job, server: Any) -> None:
        def is_over() -> bool:
            return job.is_stopped or self._is_closed

        def take(chunk: Chunk) -> bool:
            job.put(chunk)
            return is_over()

        if not is_over():
            if job.embeds:
                take(server.handle_embeddings(job.body))
            else:
                server.handle_chat_completions(job.body, take)
        job.put(closed() if self._is_closed else None)
