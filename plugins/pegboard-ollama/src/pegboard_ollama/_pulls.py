"""
Pulls: the server fetches each model once, however many want it.

Within an event loop those who want a model share one pull; of several processes with
one data folder, one pulls and the others wait until it has.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from pegboard import PullProgress
from pegboard.errors import ConnectionFailed, NotFound, Timeout
from pydantic_core import from_json

from ._client import Lines
from ._disk import Disk, Layers, size
from ._errors import KNOWN, translated
from ._lock import alone
from ._names import full_name
from ._pull import Pull

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from pathlib import Path

    from pegboard import Context

    from ._client import Client
    from .options import OllamaOptions

    GetClient = Callable[[], Awaitable[Client]]
    Check = Callable[[str], Awaitable[bool]]

WAITING = PullProgress("waiting for another process that pulls it")
STEP = 10
"""Percent between two lines in the log."""


class Pulls:
    """The pulls of one event loop."""

    def __init__(
        self,
        options: OllamaOptions,
        context: Context,
        get_client: GetClient,
        is_there: Check,
    ) -> None:
        """Pull through what *get_client* returns; *is_there* tells what need not be."""
        self._options = options
        self._context = context
        self._get_client = get_client
        self._is_there = is_there
        self._disk = Disk(options)
        self._log = context.log
        self._running: dict[str, Pull] = {}

    def missing(self, model: str) -> Pull:
        """Return the pull of *model*, which ends at once if it is there by then."""
        return self._pull(model, self._fetch_missing)

    def newest(self, model: str) -> Pull:
        """Return the pull of *model* as it is now, even if there is an older one."""
        return self._pull(model, self._fetch)

    async def aclose(self) -> None:
        """Stop what is still running."""
        tasks = [pull.task for pull in self._running.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _pull(self, model: str, fetch: Callable[[Pull], Awaitable[None]]) -> Pull:
        name = full_name(model)
        if name not in self._running:
            self._running[name] = pull = Pull(model, lambda it: self._alone(it, fetch))
            pull.task.add_done_callback(lambda _: self._running.pop(name))
        return self._running[name]

    async def _alone(
        self, pull: Pull, fetch: Callable[[Pull], Awaitable[None]]
    ) -> None:
        longest = self._options.pull_timeout
        try:
            async with (
                asyncio.timeout(longest),
                alone(self._lock_of(pull.model), lambda: pull.tell(WAITING)),
            ):
                await fetch(pull)
        except TimeoutError:
            msg = (
                f"Pulling {pull.model!r} took longer than pull_timeout ({longest:g} s)."
            )
            raise Timeout(msg, retryable=False) from None
        except KNOWN as error:
            raise translated(error, pull.model, self._context.clock) from error

    def _lock_of(self, model: str) -> Path:
        seed = f"{self._options.host} {full_name(model)}"
        name = blake2b(seed.encode(), digest_size=8).hexdigest()
        return self._context.data_folder / "ollama" / f"{name}.lock"

    async def _fetch_missing(self, pull: Pull) -> None:
        if not await self._is_there(pull.model):
            await self._fetch(pull)

    async def _fetch(self, pull: Pull) -> None:
        self._log.info("Pulling {}.", pull.model)
        reading = Reading(pull.model, self._disk)
        client = await self._get_client()
        answer = await client.open("/api/pull", {"model": pull.model})
        async with aclosing(answer):
            async for chunk in answer.aiter_bytes():
                for progress in reading.read(chunk):
                    pull.tell(progress)
                self._log_step(pull, reading)
        reading.check_end()
        self._log.info("Pulled {}: {}.", pull.model, size(reading.layers.total))

    def _log_step(self, pull: Pull, reading: Reading) -> None:
        if reading.is_next_step():
            now = pull.progress
            self._log.info(
                "Pulling {}: {} of {}.",
                pull.model,
                size(now.completed),
                size(now.total),
            )


class Reading:
    """Makes progress of the bytes of one pull."""

    def __init__(self, model: str, disk: Disk) -> None:
        self.layers = Layers()
        self._model = model
        self._disk = disk
        self._lines = Lines()
        self._status = ""
        self._step = 0

    def read(self, chunk: bytes) -> list[PullProgress]:
        """
        Return what *chunk* tells.

        Raises:
            NotFound: The server cannot pull the model, or there is no room for it.

        """
        return [self._part(from_json(line)) for line in self._lines.feed(chunk)]

    def is_next_step(self) -> bool:
        """Return whether the log should hear of it again."""
        step = int(100 * self.layers.completed / (self.layers.total or 1) / STEP)
        is_next, self._step = step > self._step, max(step, self._step)
        return is_next

    def check_end(self) -> None:
        """
        Check that the pull has come to its end.

        Raises:
            ConnectionFailed: It was cut off.

        """
        self.read(b"\n")
        if self._status != "success":
            msg = (
                f"The pull of {self._model!r} was cut off at {self._status!r}. "
                "What has arrived is kept by the server."
            )
            raise ConnectionFailed(msg)

    def _part(self, part: Mapping[str, Any]) -> PullProgress:
        if told := part.get("error"):
            msg = (
                f"Ollama could not pull {self._model!r}: {told}. Check that it is in "
                "the library, and that the server can reach that."
            )
            raise NotFound(msg)
        self._status = part["status"]
        layers = self.layers
        if layers.add(part):
            self._disk.check(self._model, layers.total - layers.completed)
        return PullProgress(self._status, layers.completed, layers.total)
