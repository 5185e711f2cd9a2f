"""Random calls to a Files, and beside them a model of a few lines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from pegboard.errors import CallError, Conflict, InvalidRequest, NotFound

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Coroutine, Sequence

    from pegboard.contracts.files import FileEntry, Files

NAMES = ("a", "b", "a.b", "\u00e9")
PATHS = st.lists(st.sampled_from(NAMES), min_size=1, max_size=3).map("/".join)
FOLDERS = st.just("") | PATHS
CONTENTS = st.sampled_from([b"", b"content", b"x" * 70_000])
SAID = (Conflict, InvalidRequest, NotFound)


class FilesMachine(RuleBasedStateMachine):
    """Do the same to a store and to a dict, and compare every answer."""

    def __init__(self, store: Files, runner: asyncio.Runner, root: str) -> None:
        super().__init__()
        self.store = store
        self.runner = runner
        self.root = root
        self.model: dict[str, bytes | None] = {"": None}
        """Content by path; None of a folder."""
        assert self.call(store.mkdir(root)) is None

    @rule(path=PATHS, content=CONTENTS, if_absent=st.booleans())
    def write(self, path: str, content: bytes, *, if_absent: bool) -> None:
        """Write a file."""
        writing = self.store.write(self.at(path), content, if_absent=if_absent)
        written = self.call(writing)
        if self.is_blocked(path) or (if_absent and path in self.model):
            assert written is Conflict
            return
        assert (written.path, written.size) == (self.at(path), len(content))
        self.make_folders(path)
        self.model[path] = content

    @rule(path=PATHS)
    def read(self, path: str) -> None:
        """Read a file."""
        there = self.model.get(path, NotFound)
        expected = InvalidRequest if there is None else there
        assert self.call(self.store.read(self.at(path))) == expected

    @rule(path=FOLDERS)
    def stat(self, path: str) -> None:
        """Look at what is there."""
        there = self.call(self.store.stat(self.at(path)))
        assert (there and shape(there)) == self.known(path)
        assert self.call(self.store.exists(self.at(path))) is (path in self.model)

    @rule(folder=FOLDERS, limit=st.integers(1, 3))
    def list(self, folder: str, limit: int) -> None:
        """List a folder, page by page."""
        if self.model.get(folder, b"") is not None:
            missing = NotFound if folder not in self.model else InvalidRequest
            assert self.call(self.store.list(self.at(folder))) is missing
            return
        inside = sorted(path for path in self.model if path and parent(path) == folder)
        listed = self.runner.run(self.walk(self.at(folder), limit))
        assert [shape(entry) for entry in listed] == [self.known(one) for one in inside]

    @rule(path=FOLDERS)
    def mkdir(self, path: str) -> None:
        """Make a folder."""
        made = self.call(self.store.mkdir(self.at(path)))
        if self.model.get(path) is not None or self.is_blocked(f"{path}/below"):
            assert made is Conflict
            return
        assert made is None
        self.make_folders(f"{path}/below")

    @rule(old=PATHS, new=PATHS)
    def move(self, old: str, new: str) -> None:
        """Move a file or a folder."""
        moved = self.call(self.store.move(self.at(old), self.at(new)))
        if new.startswith(f"{old}/"):
            assert moved is InvalidRequest
        elif old not in self.model:
            assert moved is NotFound
        elif old != new and self.is_kept_from(old, new):
            assert moved is Conflict
        else:
            assert moved is None
            self.make_folders(new)
            for path in self.below(old):
                content = self.model.pop(path)
                self.model[new + path.removeprefix(old)] = content

    @rule(old=PATHS, new=PATHS)
    def copy(self, old: str, new: str) -> None:
        """Copy a file."""
        copied = self.call(self.store.copy(self.at(old), self.at(new)))
        content = self.model.get(old)
        if old not in self.model:
            assert copied is NotFound
        elif content is None:
            assert copied is InvalidRequest
        elif self.is_blocked(new):
            assert copied is Conflict
        else:
            assert (copied.path, copied.size) == (self.at(new), len(content))
            self.make_folders(new)
            self.model[new] = content

    @rule(path=PATHS)
    def remove(self, path: str) -> None:
        """Remove a file, or an empty folder."""
        removed = self.call(self.store.remove(self.at(path)))
        if len(self.below(path)) > 1:
            assert removed is Conflict
            return
        assert removed is None
        self.model.pop(path, None)

    @rule(path=PATHS)
    def remove_all(self, path: str) -> None:
        """Remove whatever is there."""
        assert self.call(self.store.remove_all(self.at(path))) is None
        for below in self.below(path):
            del self.model[below]

    async def walk(self, folder: str, limit: int) -> Sequence[FileEntry]:
        """Return the entries of all pages."""
        page = await self.store.list(folder, limit=limit)
        found = [*page.entries]
        while page.cursor is not None:
            page = await self.store.list(folder, limit=limit, cursor=page.cursor)
            found += page.entries
            assert 0 < len(page.entries) <= limit
            assert len(found) < len(self.model), "entries are listed twice"
        return found

    def call(self, call: Coroutine[Any, Any, Any]) -> Any:
        """Return what comes of *call*, or the class of its error."""
        try:
            return self.runner.run(call)
        except SAID as error:
            return next(kind for kind in SAID if isinstance(error, kind))
        except CallError as error:
            msg = f"{error!r} says nothing of what the caller did"
            raise AssertionError(msg) from error

    def at(self, path: str) -> str:
        """Return where *path* is in the store."""
        return f"{self.root}/{path}" if path else self.root

    def known(self, path: str) -> tuple[str, bool, int] | None:
        """Return what is to be known of *path*."""
        if path not in self.model:
            return None
        content = self.model[path]
        return (self.at(path), content is None, len(content or b""))

    def below(self, path: str) -> Sequence[str]:
        """Return *path*, if it is there, and all that is in it."""
        return [one for one in self.model if f"{one}/".startswith(f"{path}/")]

    def is_blocked(self, path: str) -> bool:
        """Return whether a file cannot be at *path*."""
        if path in self.model and self.model[path] is None:
            return True
        return any(self.model.get(one) is not None for one in above(path))

    def is_kept_from(self, source: str, target: str) -> bool:
        """Return whether *source* cannot be moved to *target*."""
        replaces = self.model[source] is None and target in self.model
        return replaces or self.is_blocked(target)

    def make_folders(self, path: str) -> None:
        """Make the folders that *path* is in."""
        for folder in above(path):
            self.model.setdefault(folder, None)


def shape(entry: FileEntry) -> tuple[str, bool, int]:
    """Return what the model knows of *entry*."""
    return (entry.path, entry.is_folder, entry.size)


def parent(path: str) -> str:
    """Return the folder that *path* is in."""
    return path.rpartition("/")[0]


def above(path: str) -> Sequence[str]:
    """Return the folders that *path* is in, the root aside."""
    parts = path.split("/")
    return ["/".join(parts[:end]) for end in range(1, len(parts))]
