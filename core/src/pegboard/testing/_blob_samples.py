"""Keys, contents and sizes that the kit of Blobs tries."""

from __future__ import annotations

import asyncio
import io
import math
from typing import TYPE_CHECKING, Any

from pegboard.contracts.blobs import CHUNK

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterable
    from pathlib import Path

    from pegboard.contracts.blobs import Content

    Give = Callable[[bytes, Path], Content]

SIZES = (0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK + 1)
KEYS = (
    "a",
    "A",
    "a/b",
    "a/b/c",
    "a/b.json",
    "a/b.txt",
    "a_b",
    "a%b",
    "a%2Fb",
    "a%2fb",
    "a:b",
    "a.b",
    "a.json",
    "a.txt",
    "a.meta",
    "a=",
    "a+/b",
    "a=/b=",
    "a~/b",
    "...",
    ".a",
    "a.",
    "..a",
    "~",
    "con",
    "*",
    "?",
    "[a]",
    "{a}",
    "a b",
    "a+b",
    "a&b=c?d#e",
    "'; DROP TABLE x; --",
    '"<>|',
    "\u00e9",
    "e",
    "\u00df",
    "SS",
    "\u202eabc",
    "\U0001f600",
    "versions/a",
    "blobs/a",
    "incoming",
    "lock",
    "k" * 255,
    "k" * 254 + "l",
    "k" * 255 + "/" + "l" * 255,
    "\u00e9" * 127,
)
NOT_KEYS: tuple[Any, ...] = (
    *("", None, 5, b"a", ("a",)),
    *("/", "/a", "a/", "a//b", "/etc/passwd"),
    *(".", "..", "../a", "a/../b", "a/./b", "a/.."),
    *("a\\b", "..\\a", "\x00", "a\x00b", "a\nb", "\x7f", "\x85"),
    *("e\u0301", "\ufb01\u0301a\u0300", "\ud800", "k" * 256, "\u00e9" * 128),
    "/".join(["k" * 200] * 5),
)
NOT_CONTENTS: tuple[Any, ...] = (None, "text", 5, [b"a"], object())
NOT_LIMITS: tuple[Any, ...] = (0, -1, 1.5, None)
NOT_RANGES: tuple[Any, ...] = ((-1, None), (0, -1), (2, 1), (None, 1), ("0", 1))
NOT_MEDIA_TYPES: tuple[Any, ...] = ("", "text", None, "a/b\r\nX: y", "a/\u00e9", 5)
NOT_METADATA: tuple[Any, ...] = (
    *({"": "a"}, {"A": "a"}, {"a_b": "a"}, {"a:": "a"}, {"\u00e9": "a"}, {5: "a"}),
    *(
        {"a": 5},
        {"a": ""},
        {"a": "b\r\nc"},
        {"a": " b"},
        {"a": "\ud800"},
        {"a": "x" * 4000},
    ),
)
METADATA = {
    "owner": "J\u00fcrgen \U0001f600",
    "title": "50% = 1/2; a, b: \"c\" 'd'",
    "x-2": "%41 +",
}
NOT_TIMES: tuple[Any, ...] = (0, -1, math.nan, math.inf, None, "5")


def of_size(size: int) -> bytes:
    """Return bytes of which no two chunks are the same."""
    block = b"".join(number.to_bytes(4, "big") for number in range(1024))
    marks = (number.to_bytes(4, "little") + block for number in range(size // 4096 + 1))
    return b"".join(marks)[:size]


async def in_pieces(content: bytes, sizes: Iterable[int]) -> AsyncGenerator[bytes]:
    """Yield *content* in pieces of *sizes*, the rest as one."""
    for size in sizes:
        await asyncio.sleep(0)  # as one that comes from afar
        yield content[:size]
        content = content[size:]
    yield content


def _file(content: bytes, folder: Path) -> Path:
    path = folder / "content"
    path.write_bytes(content)
    return path


class AwaitedFile:
    """A file as web frameworks give it."""

    def __init__(self, content: bytes) -> None:
        self._file = io.BytesIO(content)

    async def read(self, size: int) -> bytes:
        """Return the next bytes."""
        return self._file.read(size)


WAYS: dict[str, Callable[[bytes, Path], Any]] = {
    "bytes": lambda content, _: content,
    "bytearray": lambda content, _: bytearray(content),
    "memoryview": lambda content, _: memoryview(content),
    "path": _file,
    "BytesIO": lambda content, _: io.BytesIO(content),
    "awaited file": lambda content, _: AwaitedFile(content),
    "stream": lambda content, _: in_pieces(content, (1, 0, CHUNK + 5)),
}
