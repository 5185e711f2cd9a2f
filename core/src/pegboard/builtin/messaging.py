"""Queues and events of this machine: in memory, and in a SQLite file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from pydantic import Field, field_validator

from pegboard.contracts.event_rules import (
    BLOCK_TIMEOUT,
    KEEP,
    READER_TIMEOUT,
    Overflow,
)
from pegboard.contracts.queue_rules import MAX_DELIVERIES, VISIBILITY
from pegboard.options import Options

from ._memory_events import MemoryEvents
from ._memory_queue import MemoryQueue
from ._sqlite_events import EVENT_TABLES, SqliteEvents
from ._sqlite_file import Durability, Schema, SqliteFile
from ._sqlite_queue import QUEUE_TABLES, SqliteQueue

if TYPE_CHECKING:
    from pegboard.descriptors import Context

SCHEMA = Schema(
    version=1,
    statements=(*QUEUE_TABLES, *EVENT_TABLES),
    application_id=int.from_bytes(b"pegm", "big"),
)


class MemoryMessagingOptions(Options):
    """A queue and events in the memory of this process; gone when that ends."""

    visibility: float = Field(default=VISIBILITY, gt=0)
    """Seconds for which a message that was received is hidden from others."""
    max_deliveries: int | None = Field(default=MAX_DELIVERIES, ge=1)
    """Deliveries after which a message becomes a dead letter. None is never."""
    keep: int = Field(default=KEEP, ge=1)
    """Most events that are kept for those who read later."""
    overflow: Overflow = "drop"
    """
    What happens when one who reads is behind by all of them: the oldest is dropped, or
    whoever publishes waits (``block``) or gets an error.
    """
    block_timeout: float = Field(default=BLOCK_TIMEOUT, gt=0)
    """Longest time, in seconds, that whoever publishes waits."""
    reader_timeout: float = Field(default=READER_TIMEOUT, gt=0)
    """Seconds after which one who was not heard of no longer reads."""


class SqliteMessagingOptions(Options):
    """A queue and events in a SQLite file, shared by all processes of a machine."""

    path: Path | None = None
    """The file. None is one in the data folder, named after the instance."""
    visibility: float = Field(default=VISIBILITY, gt=0)
    """Seconds for which a message that was received is hidden from others."""
    max_deliveries: int | None = Field(default=MAX_DELIVERIES, ge=1)
    """Deliveries after which a message becomes a dead letter. None is never."""
    keep: int = Field(default=KEEP, ge=1)
    """Most events that are kept for those who read later."""
    overflow: Overflow = "drop"
    """
    What happens when one who reads is behind by all of them: the oldest is dropped, or
    whoever publishes waits (``block``) or gets an error.
    """
    block_timeout: float = Field(default=BLOCK_TIMEOUT, gt=0)
    """Longest time, in seconds, that whoever publishes waits."""
    reader_timeout: float = Field(default=READER_TIMEOUT, gt=0)
    """Seconds after which one who was not heard of no longer reads."""
    busy_timeout: float = Field(default=5.0, ge=0)
    """Seconds to wait while another process writes."""
    durability: Durability = "process"
    """What a message survives: the end of the process, or a power cut too."""

    @field_validator("path")
    @classmethod
    def _refuse_memory(cls, path: Path | None) -> Path | None:
        if str(path) == ":memory:":
            msg = 'keeps nothing. Name a file, or set provider = "memory".'
            raise ValueError(msg)
        return path


class MemoryMessaging:
    """What carries messages within a process."""

    def __init__(self, options: MemoryMessagingOptions, context: Context) -> None:
        queue = MemoryQueue(
            context,
            visibility=options.visibility,
            max_deliveries=options.max_deliveries,
        )
        events = MemoryEvents(context, **_of_events(options))
        self.parts = {"Queue": queue, "DeadLetterQueue": queue, "EventLog": events}

    async def ping(self) -> None:
        """Do nothing: what is in this process can be reached."""


class SqliteMessaging:
    """What carries messages between the processes of a machine."""

    def __init__(self, options: SqliteMessagingOptions, context: Context) -> None:
        name = f"{quote(context.name, '')}.messages.sqlite"
        self._file = SqliteFile(
            options.path or context.data_folder / name,
            SCHEMA,
            context,
            busy_timeout=options.busy_timeout,
            durability=options.durability,
        )
        queue = SqliteQueue(
            self._file,
            context,
            visibility=options.visibility,
            max_deliveries=options.max_deliveries,
        )
        self._queue = queue
        events = SqliteEvents(self._file, context, **_of_events(options))
        self.parts = {"Queue": queue, "DeadLetterQueue": queue, "EventLog": events}

    async def ping(self) -> None:
        """Read from the file, which is made if there is none."""
        await self._queue.count()

    async def aclose(self) -> None:
        """Close the file."""
        await self._file.aclose()


def _of_events(options: MemoryMessagingOptions | SqliteMessagingOptions) -> Any:
    """Return what *options* say about events."""
    names = {"keep", "overflow", "block_timeout", "reader_timeout"}
    return {name: getattr(options, name) for name in names}
