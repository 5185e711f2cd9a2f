"""Content of blobs and files, whatever it was given as, piece by piece."""

from __future__ import annotations

import asyncio
import inspect
import os
from collections.abc import AsyncGenerator, AsyncIterable
from contextlib import aclosing, asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar, TypeVarTuple

from pegboard.errors import CallError, InvalidRequest

from .blobs import CHUNK, Buffer, Content

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

Result = TypeVar("Result")
Arguments = TypeVarTuple("Arguments")


def is_whole(content: object) -> bool:
    """Return whether all of *content* is in memory already."""
    return isinstance(content, Buffer)


def is_repeatable(content: object) -> bool:
    """Return whether *content* can be read more than once."""
    return isinstance(content, Buffer | os.PathLike)


@asynccontextmanager
async def pieces(content: Content) -> AsyncIterator[AsyncGenerator[Buffer, None]]:
    """
    Give a stream of the pieces of *content*, which is closed at the end.

    What goes wrong in the block is not to be tried again if the content is used up by
    then: nothing would be left of it.

    Raises:
        InvalidRequest: It is no content, or reading it failed.

    """
    try:
        async with aclosing(_readable(_source(content))) as source:
            yield source
    except CallError as error:
        if not is_repeatable(content):
            error.retryable = False
        raise


async def in_thread(
    function: Callable[[*Arguments], Result],
    *arguments: *Arguments,
    undo: Callable[[Result], object] | None = None,
) -> Result:
    """
    Return what *function* returns.

    When cancelled, only after it has returned: it may use what others would clean up.
    What it returned goes to *undo* then, such as an open file.
    """
    loop = asyncio.get_running_loop()
    # The pool's threads keep what they are given, and what they return, a bit longer
    # than it is needed. So they get a box, which is empty by then.
    box: list[Any] = [partial(function, *arguments)]
    del arguments
    work = loop.run_in_executor(None, _fill, box)
    try:
        await asyncio.wait([work])
    except asyncio.CancelledError:
        await _ended(work)
        if work.exception() is None and undo is not None:
            undo(box.pop())
        raise
    work.result()
    result: Result = box.pop()
    return result


def _fill(box: list[Any]) -> None:
    """Call what is in *box*, and put there what it returns."""
    box.append(box.pop()())


async def _ended(work: asyncio.Future[Result]) -> None:
    """Wait for the end of *work*, however often that is cancelled."""
    while not work.done():
        with suppress(asyncio.CancelledError):
            await asyncio.wait([work])


def _source(content: Content) -> AsyncGenerator[Buffer, None]:
    if isinstance(content, Buffer):
        return _slices(memoryview(content).cast("B"))
    if isinstance(content, AsyncIterable):
        return _checked(content)
    if isinstance(content, os.PathLike):
        return _path(Path(content))
    if callable(getattr(content, "read", None)):
        return _file(content)
    msg = (
        f"Content is given as bytes, a Path, an open file or an async iterable of "
        f"bytes, not as {type(content).__name__}."
    )
    raise InvalidRequest(msg, request_sent="no")


async def _slices(view: memoryview) -> AsyncGenerator[Buffer, None]:
    for start in range(0, len(view), CHUNK):
        yield view[start : start + CHUNK]


async def _checked(stream: AsyncIterable[Any]) -> AsyncGenerator[Buffer, None]:
    async for piece in stream:
        if not isinstance(piece, Buffer):
            raise _not_bytes(piece)
        yield piece


async def _path(path: Path) -> AsyncGenerator[Buffer, None]:
    file = await in_thread(_opened, path, undo=_close)
    try:
        async for piece in _file(file):
            yield piece
    finally:
        file.close()


def _opened(path: Path) -> BinaryIO:
    return path.open("rb")


def _close(file: BinaryIO) -> None:
    file.close()


async def _file(file: Any) -> AsyncGenerator[Buffer, None]:
    while True:
        piece = await in_thread(file.read, CHUNK)
        if inspect.isawaitable(piece):  # as the files of web frameworks give it
            piece = await piece
        if not isinstance(piece, Buffer):
            raise _not_bytes(piece)
        if not piece:
            return
        yield piece


async def _readable(
    source: AsyncGenerator[Buffer, None],
) -> AsyncGenerator[Buffer, None]:
    """Yield what *source* does; its errors are the caller's, not the backend's."""
    async with aclosing(source):
        while True:
            try:
                piece = await anext(source)
            except StopAsyncIteration:
                return
            except InvalidRequest:
                raise
            except Exception as error:
                msg = f"The content cannot be read: {type(error).__name__}: {error}."
                raise InvalidRequest(msg) from error
            yield piece


def _not_bytes(piece: object) -> InvalidRequest:
    msg = f"The content gives {type(piece).__name__} instead of bytes. Open it as 'rb'."
    return InvalidRequest(msg)
