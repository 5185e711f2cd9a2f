"""Files below one root: the contract, and the rules that every backend shares."""

from __future__ import annotations

import heapq
from collections.abc import AsyncGenerator, Iterable
from dataclasses import dataclass
from typing import Protocol

from pegboard.errors import CallError, Conflict, InvalidRequest, NotFound

from .blobs import Content
from .declare import contract, operation
from .segments import problem_of_segments, problem_of_text

MOST_ENTRIES = 1000
"""Entries on one page, however many are asked for."""
OWN = ".pegboard"
"""The folder of pegboard's own in the root, which is none of the files."""
NOWHERE = frozenset('<>:"|?*')
"""Signs that some file systems have no names with, or another meaning for."""
DEVICES = frozenset({"con", "prn", "aux", "nul", "conin$", "conout$"}) | {
    f"{port}{number}" for port in ("com", "lpt") for number in "0123456789¹²³"
}
"""Names that are devices on some systems, with any extension."""


@dataclass(frozen=True, slots=True)
class FileEntry:
    """What is known of a file or a folder."""

    path: str
    is_folder: bool
    size: int
    """In bytes; 0 for a folder."""
    modified: float
    """When it was changed, in seconds since 1970, as the backend's clock says."""

    @property
    def name(self) -> str:
        """The last part of its path."""
        return self.path.rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class FilePage:
    """Some of what is in a folder, ordered by name."""

    entries: tuple[FileEntry, ...]
    cursor: str | None
    """Where to go on; None at the end."""

    @property
    def paths(self) -> tuple[str, ...]:
        """The paths of the entries."""
        return tuple(entry.path for entry in self.entries)


@contract(family="storage", version=1, embedded="files")
class Files(Protocol):
    """
    Files in folders below one root, out of which no path leads.

    Paths are text: names joined by ``/``, up to 800 bytes of UTF-8, 255 in a name; the
    root is the empty path. Refused is what could lead elsewhere or is no name on some
    file system: ``.`` and ``..``, empty names, backslashes, control characters, half
    characters, text that is not composed (NFC), ``< > : " | ? *``, a space or a dot at
    the end of a name, names of devices such as ``nul``. Whether ``A`` is another file
    than ``a`` is for the file system to say.

    Nothing of a file is to be seen before all of it is written. Content is held in
    memory in pieces, never as a whole, unless it was given as bytes.
    """

    @operation(repeatable=True)
    async def read(self, path: str, *, start: int = 0, end: int | None = None) -> bytes:
        """
        Return the content of the file *path*, or its bytes from *start* up to *end*.

        A range is that of a slice, without negative numbers.

        Raises:
            NotFound: There is no such file.
            InvalidRequest: It is a folder.

        """
        ...

    @operation(repeatable=True)
    def stream(
        self, path: str, *, start: int = 0, end: int | None = None
    ) -> AsyncGenerator[bytes, None]:
        """Yield the same piece by piece, no more of it in memory than one or two."""
        ...

    @operation(repeatable=False)
    async def write(
        self, path: str, content: Content, *, if_absent: bool = False
    ) -> FileEntry:
        """
        Put *content* into the file *path*, as a whole, and return what is known of it.

        Folders that are missing on the way are made. With *if_absent* only if there
        is no such file.

        Raises:
            Conflict: It is there, under *if_absent*; or a folder is in its place, or
                a file in that of one of its folders. Nothing was changed.
            InvalidRequest: The path or the content is refused.

        """
        ...

    @operation(repeatable=True)
    async def stat(self, path: str) -> FileEntry | None:
        """Return what is known of the file or folder *path*, or None without one."""
        ...

    @operation(repeatable=True)
    async def exists(self, path: str) -> bool:
        """Return whether there is a file or folder *path*."""
        ...

    @operation(repeatable=True)
    async def list(
        self, folder: str = "", *, limit: int = 100, cursor: str | None = None
    ) -> FilePage:
        """
        Return up to *limit* of what is directly in *folder*, in order.

        Pass the page's cursor to get the next one; one of None was the last. What has
        a name that no path can have is passed over.

        Raises:
            NotFound: There is no such folder.
            InvalidRequest: It is a file.

        """
        ...

    @operation(repeatable=True)
    async def mkdir(self, path: str) -> None:
        """
        Make the folder *path*, and those on the way, where they are missing.

        Raises:
            Conflict: A file is in the place of one of them.

        """
        ...

    @operation(repeatable=False)
    async def move(self, source: str, target: str) -> None:
        """
        Give the file or folder *source*, with all that is in it, the path *target*.

        A file at *target* is replaced by a file. Folders that are missing on the way
        are made.

        Raises:
            NotFound: There is no *source*.
            Conflict: *target* is a folder, or a file that a folder would replace.
            InvalidRequest: *target* is in *source*.

        """
        ...

    @operation(repeatable=False)
    async def copy(self, source: str, target: str) -> FileEntry:
        """
        Write the content of the file *source* to *target*, as ``write`` does.

        Raises:
            NotFound: There is no *source*.
            InvalidRequest: It is a folder.

        """
        ...

    @operation(repeatable=True)
    async def remove(self, path: str) -> None:
        """
        Remove the file *path*, or the folder if it is empty; without one, do nothing.

        Raises:
            Conflict: The folder is not empty.

        """
        ...

    @operation(repeatable=True)
    async def remove_all(self, path: str) -> None:
        """Remove the file or folder *path*, if there is one, with all that is in it."""
        ...


def checked_path(path: object) -> str:
    """Return *path* if it can be one of a file, or of a folder that is not the root."""
    if not isinstance(path, str):
        msg = f"A path is text, not {path!r}."
        raise InvalidRequest(msg, request_sent="no")
    if not path:
        msg = "This is the root, which is there to stay: name something in it."
        raise InvalidRequest(msg, request_sent="no")
    problem = problem_of_text(path) or problem_of_segments(path) or _problem(path)
    if problem:
        msg = f"{path[:100]!r} cannot be the path of a file: {problem}."
        raise InvalidRequest(msg, request_sent="no")
    return path


def checked_folder(path: object) -> str:
    """Return *path* if it can be one of a folder, such as the root."""
    return "" if path == "" else checked_path(path)


def is_path(path: str) -> bool:
    """Return whether *path* can be one."""
    return not (problem_of_text(path) or problem_of_segments(path) or _problem(path))


def checked_entries(limit: object, cursor: object) -> int:
    """Return how many entries a page that is asked for *limit* may have."""
    if not isinstance(limit, int) or limit < 1:
        msg = f"limit is {limit!r}: it must be a whole number above 0."
        raise InvalidRequest(msg, request_sent="no")
    if cursor is not None and not isinstance(cursor, str):
        msg = f"{cursor!r} is no cursor of a page."
        raise InvalidRequest(msg, request_sent="no")
    return min(limit, MOST_ENTRIES)


def checked_move(source: object, target: object) -> tuple[str, str]:
    """Return both paths if the one can become the other."""
    source, target = checked_path(source), checked_path(target)
    if target.startswith(f"{source}/"):
        msg = f"{source!r} cannot be moved into itself, to {target!r}."
        raise InvalidRequest(msg, request_sent="no")
    return source, target


def names_on_page(
    names: Iterable[str], limit: int, cursor: str | None
) -> tuple[list[str], str | None]:
    """Return those of *names* that a page has, and where the next one begins."""
    after = (name for name in names if cursor is None or name > cursor)
    first = heapq.nsmallest(limit + 1, after)
    return first[:limit], first[limit - 1] if len(first) > limit else None


def no_file(path: str) -> NotFound:
    """Return the error for a file that does not exist."""
    return NotFound(f"There is no file {path!r}.")


def no_folder(path: str) -> NotFound:
    """Return the error for a folder that does not exist."""
    return NotFound(f"There is no folder {path!r}.")


def is_a_folder(path: str) -> InvalidRequest:
    """Return the error for a folder that is used as a file."""
    return InvalidRequest(f"{path!r} is a folder. Name a file in it.")


def is_a_file(path: str) -> InvalidRequest:
    """Return the error for a file that is used as a folder."""
    return InvalidRequest(f"{path!r} is a file. Name the folder that it is in.")


def in_the_way(path: str) -> Conflict:
    """Return the error for what stands where *path* would be."""
    return Conflict(
        f"Something else is in the place of {path!r}: a folder, or a file where the "
        "path has a folder. Nothing was changed."
    )


def exists_already(path: str) -> Conflict:
    """Return the error for a file that was to be written only if it is absent."""
    return Conflict(f"There is a file {path!r} already. Nothing was changed.")


def not_empty(path: str) -> Conflict:
    """Return the error for a folder that cannot be removed as it is."""
    return Conflict(f"The folder {path!r} is not empty. Use remove_all to remove it.")


def placed(error: CallError, address: str) -> CallError:
    """Return *error* as one of the instance at *address*."""
    error.address = address
    return error


def _problem(path: str) -> str | None:
    """Return what is wrong with *path* on some file system."""
    names = path.casefold().split("/")
    if found := NOWHERE & {*path}:
        return f"it holds {' '.join(sorted(found))}"
    if any(name.endswith((" ", ".")) for name in names):
        return "a name ends with a space or a dot"
    if any(name.partition(".")[0].rstrip() in DEVICES for name in names):
        return "a name is that of a device on some systems"
    if names[0] == OWN:
        return f"{OWN} is pegboard's own"
    return None
