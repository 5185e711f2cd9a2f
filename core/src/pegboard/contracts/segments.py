"""Names in segments, joined by ``/``: what makes one unfit for some backend."""

from __future__ import annotations

import unicodedata

LONGEST, LONGEST_SEGMENT = 800, 255
"""In bytes. There is room for a prefix within the 1024 bytes of object stores."""


def problem_of_text(text: str) -> str | None:
    """Return what is wrong with *text*, whether it is a whole name or a part."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return "it holds half of a character"
    if not unicodedata.is_normalized("NFC", text):
        return "it is not composed; pass unicodedata.normalize('NFC', text)"
    if any(unicodedata.category(sign) == "Cc" for sign in text):
        return "it holds control characters"
    return None


def problem_of_segments(name: str) -> str | None:
    """Return what is wrong with the segments of *name*."""
    segments = name.split("/")
    if "\\" in name:
        return "it holds a backslash; segments are joined by /"
    if "" in segments:
        return "one of its segments is empty"
    if {".", ".."} & set(segments):
        return "it leads elsewhere by . or .."
    if max(len(segment.encode()) for segment in segments) > LONGEST_SEGMENT:
        return f"a segment is longer than {LONGEST_SEGMENT} bytes"
    if len(name.encode()) > LONGEST:
        return f"it is longer than {LONGEST} bytes"
    return None
