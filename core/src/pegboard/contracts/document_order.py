"""Text that stands for values of fields, for backends that sort by text alone."""

from __future__ import annotations

import math
import struct
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from .documents import TYPES, IndexedField, Kind, indexed_value

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

NONE, SOME = "", "="
"""What stands for None, and what everything else begins with."""
LONGEST = 400
"""Characters of a text that it is sorted by; databases limit what they sort by."""
CUT = "\x01\x03"
"""Stands before the digest of a text that is longer; no other text has it."""
SIGN_BIT, ALL_BITS = 1 << 63, (1 << 64) - 1


def sortable(value: Any) -> str:
    r"""
    Return text that sorts by code point as *value* does among others of its kind.

    It has no NUL. Equal values have equal text, and others have not: a text of more
    than 400 characters is sorted by these and by its digest.
    """
    if value is None:
        return NONE
    if isinstance(value, bool):
        return f"{SOME}{value:d}"
    return SOME + (_text(value) if isinstance(value, str) else _number(value))


def sortable_fields(body: Mapping[str, Any]) -> dict[str, str]:
    """Return, by the marks of their indexes, what all fields of *body* are found by."""
    return {mark(index): sortable(body[index.name]) for index in _indexable(body)}


def mark(index: IndexedField) -> str:
    """Return what tells an index from others: its kind's first letter and its name."""
    return f"{index.kind[0]}_{index.name}"


def marked(text: str) -> IndexedField:
    """Return the index that has this mark."""
    kinds: dict[str, Kind] = {kind[0]: kind for kind in TYPES}
    return IndexedField(text[2:], kinds[text[0]])


def _indexable(body: Mapping[str, Any]) -> Iterator[IndexedField]:
    """Yield the indexes in which *body* has a value, declared or not."""
    for name in filter(str.isidentifier, body):
        for kind in TYPES:
            index = IndexedField(name, kind)
            if indexed_value(body, index) is not None:
                yield index


def _text(text: str) -> str:
    if not text.isprintable():
        # Databases take neither NUL nor half a character; the order stays the same.
        text = text.encode(errors="replace").decode()
        text = text.replace("\x01", "\x01\x02").replace("\x00", "\x01\x01")
    if len(text) <= LONGEST:
        return text
    return text[:LONGEST] + CUT + sha256(text.encode()).hexdigest()


def _number(number: float) -> str:
    """Return the bits of *number*, turned so that they have its order."""
    try:
        exact = float(number) + 0.0  # -0.0 is 0.0
    except OverflowError:
        exact = math.inf if number > 0 else -math.inf
    (bits,) = struct.unpack(">Q", struct.pack(">d", exact))
    turned = bits ^ (ALL_BITS if bits & SIGN_BIT else SIGN_BIT)
    return f"{turned:016x}"
