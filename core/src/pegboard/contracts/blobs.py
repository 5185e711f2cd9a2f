"""Blobs by key: the contract, and the rules that every backend shares."""

from __future__ import annotations

import os
import re
from collections.abc import AsyncGenerator, AsyncIterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO, Protocol

from pegboard.errors import Conflict, InvalidReply, InvalidRequest, NotFound

from .declare import contract, operation
from .segments import problem_of_segments, problem_of_text

Buffer = bytes | bytearray | memoryview
Content = Buffer | os.PathLike[str] | BinaryIO | AsyncIterable[bytes]
"""
What can be stored: bytes, the path of a file, a file open for reading, or a stream.

A file is read from where it stands. A file and a stream are used up by one call.
"""
CHUNK = 1024 * 1024
"""Bytes that are read or written at once, where nothing else says how many."""
MOST_BLOBS = 1000
"""Blobs on one page, however many are asked for."""
MOST_METADATA = 2000
"""In bytes."""
OCTETS = "application/octet-stream"
MEDIA_TYPE = re.compile(r"[\w.+*-]+/[\w.+*-]+(\s*;\s*[\x20-\x7e]+)?", re.ASCII)
METADATA_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Blob:
    """What is known of a stored blob."""

    key: str
    size: int
    """In bytes."""
    version: str
    """Differs whenever the content does. Compare it, never read it."""
    sha256: str | None
    """The digest of the content, in hex; None where something else stored it."""
    media_type: str
    metadata: Mapping[str, str]
    modified: float
    """When it was stored, in seconds since 1970, as the backend's clock says."""


@dataclass(frozen=True, slots=True)
class ListedBlob:
    """What a listing tells of a blob."""

    key: str
    size: int
    modified: float


@dataclass(frozen=True, slots=True)
class BlobPage:
    """Some of the blobs, ordered by key."""

    blobs: tuple[ListedBlob, ...]
    cursor: str | None
    """Where to go on; None at the end."""

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys of the blobs."""
        return tuple(blob.key for blob in self.blobs)


@contract(family="storage", version=1, embedded="files")
class Blobs(Protocol):
    """
    Blobs by key: content of any size, with a media type and metadata.

    Keys are text, up to 800 bytes of UTF-8 in segments that are joined by ``/``. A
    segment has 1 to 255 bytes and is neither ``.`` nor ``..``; backslashes, control
    characters and half characters are refused, and so is text that is not in its
    composed form (NFC), of which some backends make another key. All else is a key
    of its own: ``a/b`` is not ``a_b``, ``A`` is not ``a``. Metadata is lines of text
    that are not empty, by names of ``a-z``, ``0-9`` and ``-``.

    Nothing of a blob is to be seen before all of it is stored. Content is held in
    memory in pieces, never as a whole, unless it was given as bytes. What is read to
    its end was compared with the digest that it was stored with.
    """

    @operation(repeatable=False)
    async def put(  # noqa: PLR0913 - what can be said of a blob, and when to store it
        self,
        key: str,
        content: Content,
        *,
        media_type: str = OCTETS,
        metadata: Mapping[str, str] | None = None,
        sha256: str | None = None,
        if_version: str | None = None,
        if_absent: bool = False,
    ) -> Blob:
        """
        Store *content* under *key* and return what is known of it.

        It is stored only if *sha256* is its digest, where that is given. With
        *if_version* only if that is still the stored version, with *if_absent* only
        if there is none; they do not go together. A file or a stream that was begun
        cannot be read again, so that such a call is not repeated.

        Raises:
            Conflict: The condition does not hold; nothing was changed.
            InvalidRequest: The key, the metadata or the content cannot be stored.

        """
        ...

    @operation(repeatable=True)
    async def get(
        self,
        key: str,
        *,
        version: str | None = None,
        start: int = 0,
        end: int | None = None,
    ) -> bytes:
        """
        Return the content of *key*, or its bytes from *start* up to *end*.

        A range is that of a slice, without negative numbers. With *version*, the
        content that had it, if the backend still has it.

        Raises:
            NotFound: There is none.
            InvalidReply: It is not what was stored.

        """
        ...

    @operation(repeatable=True)
    def stream(
        self,
        key: str,
        *,
        version: str | None = None,
        start: int = 0,
        end: int | None = None,
    ) -> AsyncGenerator[bytes, None]:
        """
        Yield the same piece by piece, no more of it in memory than one or two.

        The digest is compared before the last piece is given.
        """
        ...

    @operation(repeatable=True)
    async def stat(self, key: str, *, version: str | None = None) -> Blob | None:
        """Return what is known of the blob *key*, or None if there is none."""
        ...

    @operation(repeatable=True)
    async def list(
        self, prefix: str = "", *, limit: int = 100, cursor: str | None = None
    ) -> BlobPage:
        """
        Return up to *limit* blobs whose keys begin with *prefix*, in order.

        Pass the page's cursor to get the next one; one of None was the last. A blob
        that exists throughout is listed exactly once.
        """
        ...

    @operation(repeatable=False)
    async def copy(self, source: str, target: str) -> Blob:
        """
        Store the content of *source*, with all that is said of it, as *target*.

        Raises:
            NotFound: There is no *source*.

        """
        ...

    @operation(repeatable=True)
    async def delete(self, key: str) -> None:
        """Remove the blob *key* and its older versions, if there are any."""
        ...


@contract(family="storage", version=1)
class VersionedBlobs(Blobs, Protocol):
    """Blobs whose replaced versions can be read again."""

    @operation(repeatable=True)
    async def versions(self, key: str) -> Sequence[Blob]:
        """Return all versions of *key* that there are, the newest first."""
        ...


@contract(family="storage", version=1)
class PresignedBlobs(Blobs, Protocol):
    """Blobs that others can fetch and store by an address that is good for a while."""

    @operation(repeatable=True)
    async def presign_download(self, key: str, *, expires_in: float = 3600) -> str:
        """Return a URL to GET *key* at, within *expires_in* seconds."""
        ...

    @operation(repeatable=True)
    async def presign_upload(self, key: str, *, expires_in: float = 3600) -> str:
        """
        Return a URL to PUT *key* to, within *expires_in* seconds.

        What is stored that way has no digest.
        """
        ...


def checked_blob_key(key: object) -> str:
    """Return *key* if it can be one of a blob."""
    if not isinstance(key, str) or not key:
        msg = f"A key is text that is not empty, not {key!r}."
        raise InvalidRequest(msg, request_sent="no")
    problem = problem_of_text(key) or problem_of_segments(key)
    if problem:
        msg = f"{key[:100]!r} cannot be the key of a blob: {problem}."
        raise InvalidRequest(msg, request_sent="no")
    return key


def checked_range(start: object, end: object) -> None:
    """Refuse what is no range."""
    fits = isinstance(start, int) and (end is None or isinstance(end, int))
    if not fits or not 0 <= start <= (start if end is None else end):  # type: ignore[operator]  # ints, as the line before says
        msg = f"There are no bytes from {start!r} up to {end!r}."
        raise InvalidRequest(msg, request_sent="no")


def checked_page(prefix: str, limit: object, cursor: str | None) -> int:
    """Return how many blobs a page that is asked for *limit* may have."""
    if not isinstance(limit, int) or limit < 1:
        msg = f"limit is {limit!r}: it must be a whole number above 0."
        raise InvalidRequest(msg, request_sent="no")
    for text in (prefix, cursor or ""):
        if problem := problem_of_text(text):
            msg = f"No key can begin with {text[:100]!r}: {problem}."
            raise InvalidRequest(msg, request_sent="no")
    return min(limit, MOST_BLOBS)


def checked_media_type(media_type: object) -> str:
    """Return *media_type* if it can be one."""
    if isinstance(media_type, str) and MEDIA_TYPE.fullmatch(media_type):
        return media_type
    msg = f"{media_type!r} is no media type such as text/plain."
    raise InvalidRequest(msg, request_sent="no")


def checked_metadata(metadata: Mapping[Any, Any] | None) -> dict[str, str]:
    """Return *metadata* if every backend can store it."""
    for name, text in (metadata or {}).items():
        if not isinstance(name, str) or not METADATA_NAME.fullmatch(name):
            msg = f"The name {name!r} has other signs than a-z, 0-9 and -."
            raise InvalidRequest(msg, request_sent="no")
        if not _is_line(text):
            msg = f"The metadata {name!r} is no line of plain text: {text!r}."
            raise InvalidRequest(msg, request_sent="no")
    copied = dict(metadata or {})
    if sum(len(f"{n}{t}".encode()) for n, t in copied.items()) > MOST_METADATA:
        msg = f"The metadata is longer than {MOST_METADATA} bytes."
        raise InvalidRequest(msg, request_sent="no")
    return copied


def checked_digest(key: str, actual: str, expected: str | None) -> str:
    """Return the digest *actual* of what is to be stored, if it is as *expected*."""
    if expected is None or actual == expected.lower():
        return actual
    msg = (
        f"The content for {key!r} has the digest {actual}, not {expected}. "
        "It was damaged on its way here, or it is another; nothing was stored."
    )
    raise InvalidRequest(msg)


def checked_expiry(expires_in: object, longest: float) -> float:
    """Return *expires_in* if a URL can be good for so many seconds."""
    if isinstance(expires_in, int | float) and 0 < expires_in <= longest:
        return expires_in
    msg = f"expires_in is {expires_in!r}: it must be above 0, and {longest:g} at most."
    raise InvalidRequest(msg, request_sent="no")


def damaged(key: str) -> InvalidReply:
    """Return the error for content that is not what was stored."""
    return InvalidReply(
        f"What is stored under {key!r} is not what was put there: its digest differs. "
        "Restore it from a backup."
    )


def absent(key: str, version: str | None = None) -> NotFound:
    """Return the error for a blob that does not exist."""
    of = "" if version is None else f" of the version {version!r}"
    return NotFound(f"There is no blob {key!r}{of}.")


def changed(key: str) -> Conflict:
    """Return the error for a condition on *key* that does not hold."""
    return Conflict(
        f"{key!r} is not what the condition asks for, so nothing was changed. "
        "Read it again and decide anew."
    )


def _is_line(text: object) -> bool:
    is_text = isinstance(text, str) and text != "" and text == text.strip()
    return is_text and problem_of_text(str(text)) is None
