"""A stream into a file of this machine: all of it, or nothing."""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from pegboard.contracts.blob_content import in_thread
from pegboard.contracts.key_value import new_version
from pegboard.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator


async def write_file(
    stream: AsyncGenerator[bytes, None], target: str | os.PathLike[str]
) -> None:
    """
    Write *stream* to the file *target*, which is replaced at the end.

    Raises:
        InvalidRequest: It cannot be written there.

    """
    path = Path(target)
    growing = path.with_name(f".{path.name}.{new_version()}")
    try:
        with _refusals(path):
            file = await in_thread(_new, growing, undo=_close)
        with file:
            async for piece in stream:
                with _refusals(path):
                    await in_thread(file.write, piece)
        with _refusals(path):
            growing.replace(path)
    finally:
        growing.unlink(missing_ok=True)


def _new(path: Path) -> BinaryIO:
    return path.open("xb", buffering=0)


def _close(file: BinaryIO) -> None:
    file.close()


@contextmanager
def _refusals(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        msg = f"{path} cannot be written: {error.strerror}."
        raise InvalidRequest(msg, request_sent="no") from error
