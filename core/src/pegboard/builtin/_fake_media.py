"""Vectors, pictures and sounds that a fake model makes: real ones, of no skill."""

from __future__ import annotations

import io
import math
import re
import struct
import wave
import zlib
from hashlib import sha256

DIMENSIONS = 64
SIDE = 16
"""Pixels of a picture whose size nobody said."""
LARGEST = 4096
RATE = 8000
"""Samples a second."""
BEAT = 0.05
"""Seconds that a word sounds."""
COMMENT = b"ICMT"
"""The chunk of a WAV file that says what is said in it."""


def vector_of(text: str, dimensions: int | None) -> tuple[float, ...]:
    """Return the words of *text* as a vector of length 1: shared words bring near."""
    counts = [0.0] * (dimensions or DIMENSIONS)
    for word in re.findall(r"\w+", text.lower()) or [text]:
        counts[_number(word) % len(counts)] += 1.0
    length = math.hypot(*counts)
    return tuple(count / length for count in counts)


def picture_of(prompt: str, size: str | None) -> bytes:
    """Return a PNG of one colour, which depends on *prompt*."""
    width, height = _sides(size)
    row = b"\0" + _number(prompt).to_bytes(4, "big")[:3] * width
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = (b"IHDR", header), (b"IDAT", zlib.compress(row * height)), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(_png_chunk(*chunk) for chunk in chunks)


def sound_of(text: str, speed: float) -> bytes:
    """Return a WAV file with a tone for each word of *text*, which it can tell."""
    sound = io.BytesIO()
    with wave.open(sound, "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        for word in text.split():
            file.writeframes(_tone(200 + _number(word) % 600, BEAT / speed))
    return _with_comment(sound.getvalue(), text)


def words_of(sound: bytes) -> str:
    """Return what ``sound_of`` was told; nothing of other sounds."""
    start = sound.find(COMMENT)
    if start < 0:
        return ""
    (length,) = struct.unpack_from("<I", sound, start + 4)
    return sound[start + 8 :][:length].decode()


def seconds_of(sound: bytes) -> float | None:
    """Return how long a WAV file sounds; None if it is none."""
    try:
        with wave.open(io.BytesIO(sound)) as file:
            frames: int = file.getnframes()
            return frames / float(file.getframerate())
    except (wave.Error, EOFError):
        return None


def _number(text: str) -> int:
    return int.from_bytes(sha256(text.encode()).digest()[:4], "big")


def _sides(size: str | None) -> tuple[int, int]:
    sides = re.fullmatch(r"(\d+)x(\d+)", size or f"{SIDE}x{SIDE}")
    if sides and all(0 < int(side) <= LARGEST for side in sides.groups()):
        return int(sides[1]), int(sides[2])
    msg = f"{size!r} is no size. Say it in pixels, such as 64x32."
    raise ValueError(msg)


def _png_chunk(name: bytes, content: bytes) -> bytes:
    check = zlib.crc32(name + content)
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", check)


def _tone(pitch: int, seconds: float) -> bytes:
    samples = range(int(RATE * seconds))
    heights = (int(8000 * math.sin(math.tau * pitch * n / RATE)) for n in samples)
    return b"".join(struct.pack("<h", height) for height in heights)


def _with_comment(sound: bytes, text: str) -> bytes:
    said = text.encode()
    padded = said + b"\0" * (len(said) % 2)
    comment = b"INFO" + COMMENT + struct.pack("<I", len(said)) + padded
    more = b"LIST" + struct.pack("<I", len(comment)) + comment
    return sound[:4] + struct.pack("<I", len(sound) - 8 + len(more)) + sound[8:] + more
