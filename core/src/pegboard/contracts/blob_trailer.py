"""What stands behind a blob's content in its file: what is said of it, how long."""

from __future__ import annotations

import json
from dataclasses import asdict

from .blobs import Blob, damaged

MARK = b"pegblob1"
"""The last bytes of every file. Another format will have another mark."""
LENGTH = 8
TAIL = LENGTH + len(MARK)
OFTEN_ENOUGH = 1024
"""Bytes at the end in which what is said of a blob mostly has room."""


def trailer_of(blob: Blob) -> bytes:
    """Return what stands behind the content of *blob*."""
    said = json.dumps(asdict(blob)).encode()
    return said + len(said).to_bytes(LENGTH, "big") + MARK


def needed(end: bytes, length: int, where: str) -> int:
    """
    Return how many of the last bytes of a file say all, as its *end* tells.

    Raises:
        InvalidReply: The file, which is so long, is none of a blob.

    """
    size = int.from_bytes(end[-TAIL : -len(MARK)], "big")
    if not end.endswith(MARK) or size > length - TAIL:
        raise damaged(where)
    return size + TAIL


def blob_of(end: bytes, length: int, where: str) -> Blob:
    """
    Return what is said of a blob at the *end* of its file, all of which is there.

    Raises:
        InvalidReply: The file, which is so long, is none of a blob.

    """
    begin = needed(end, length, where)
    try:
        blob = Blob(**json.loads(end[-begin:-TAIL]))
    except (ValueError, TypeError) as error:
        raise damaged(where) from error
    if blob.size != length - begin:
        raise damaged(blob.key)
    return blob
