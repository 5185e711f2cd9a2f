"""What settings allow files to be: their extensions, and how long they are."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from pegboard.errors import InvalidRequest

from .blob_content import is_whole, pieces
from .blobs import Buffer
from .files import checked_path

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from .blobs import Content

Piece = TypeVar("Piece", bound=Buffer)


@dataclass(frozen=True, slots=True)
class FileGuards:
    """The rules of one instance, the same in every backend."""

    extensions: frozenset[str] | None
    """Ends of names, such as ``.txt``; None is all."""
    max_size: int | None
    """In bytes; None is any."""

    def check(self, path: object) -> str:
        """Return *path* if it can be one of a file here."""
        checked = checked_path(path)
        allowed = self.extensions
        if allowed is None or checked.casefold().endswith(tuple(allowed)):
            return checked
        msg = (
            f"{checked!r} is no file that the settings allow. Its name may end with: "
            f"{', '.join(sorted(allowed))}. Add to extensions, or choose another name."
        )
        raise InvalidRequest(msg, request_sent="no")

    async def pieces(self, path: str, content: Content) -> AsyncGenerator[Buffer, None]:
        """
        Yield the pieces of *content*, as far as they may be in a file.

        Raises:
            InvalidRequest: It is too long, no content, or cannot be read.

        """
        if is_whole(content):
            self._check_size(path, len(content))  # type: ignore[arg-type]  # it is
        async with pieces(content) as read, aclosing(self.limited(path, read)) as some:
            async for piece in some:
                yield piece

    async def limited(
        self, path: str, stream: AsyncGenerator[Piece, None]
    ) -> AsyncGenerator[Piece, None]:
        """
        Yield what *stream* does, which is for the file *path*.

        Raises:
            InvalidRequest: It is too long.

        """
        size = 0
        async for piece in stream:
            size += len(piece)
            self._check_size(path, size)
            yield piece

    def _check_size(self, path: str, size: int) -> None:
        if self.max_size is None or size <= self.max_size:
            return
        msg = (
            f"The content for {path!r} is longer than max_size allows, which is "
            f"{self.max_size} bytes. Nothing was changed."
        )
        raise InvalidRequest(msg)


def checked_extension(extension: str) -> str:
    """Return *extension* as it is compared, if it is one."""
    if extension.startswith(".") and len(extension) > 1 and "/" not in extension:
        return extension.casefold()
    msg = "write an extension with its dot, as .txt"
    raise ValueError(msg)
