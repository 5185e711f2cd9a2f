"""The folder in which a program's own data is kept where settings name no other."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def make_ignored(folder: Path) -> None:
    """Make *folder*, unseen by git. One that exists is its owner's: leave it alone."""
    with suppress(FileExistsError):
        folder.mkdir(parents=True)
        (folder / ".gitignore").write_text("*\n")
