"""What a docstring says: of a function, and of its parameters."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from textwrap import dedent

SECTION = re.compile(r"^(\w[\w ]*):\s*$", re.MULTILINE)
ARGUMENTS = frozenset({"Args", "Arguments", "Parameters"})
ENTRY = re.compile(r"^\*{0,2}(\w+)(?:\s*\([^)]*\))?\s*:\s*(.*)$")
FIELD = re.compile(r"^:(?:param|parameter|arg)\b[^:]*?(\w+):\s*(.*)$")
ANY_FIELD = re.compile(r"^:\w", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Notes:
    """What a docstring says."""

    summary: str
    """All before the first section."""
    parameters: dict[str, str] = field(default_factory=dict)


def notes_of(docstring: str) -> Notes:
    """Return what *docstring* says, in the style of Google or of Sphinx."""
    sections = SECTION.split(docstring)
    named = dict(zip(sections[1::2], sections[2::2], strict=True))
    arguments = "".join(text for name, text in named.items() if name in ARGUMENTS)
    before = ANY_FIELD.split(sections[0])[0]
    return Notes(
        summary=before.strip(),
        parameters={
            **_entries(dedent(arguments.strip("\n")), ENTRY),
            **_entries(docstring, FIELD),
        },
    )


def _entries(text: str, entry: re.Pattern[str]) -> dict[str, str]:
    """Return the entries of *text* by name; what is indented goes on the last."""
    found: dict[str, str] = {}
    name = None
    for line in text.splitlines():
        if begins := entry.match(line):
            name, found[begins[1]] = begins[1], begins[2]
        elif name and line.startswith(" "):
            found[name] = f"{found[name]} {line.strip()}".strip()
        elif name:
            name = None
    return found
