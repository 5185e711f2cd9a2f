"""A file system with the contracts that it keeps."""

from __future__ import annotations

from functools import partial
from threading import Lock
from typing import TYPE_CHECKING

from pegboard.contracts.file_guards import FileGuards

from ._blobs import FsspecBlobs
from ._errors import translated
from ._file_system import FileSystem
from ._files import FsspecFiles
from ._lanes import Lanes

if TYPE_CHECKING:
    from pegboard import Context

    from .options import FsspecOptions

IN_THIS_PROCESS = "memory"
"""The one whose open files are the stored ones: two must not read at once."""


class FsspecStorage:
    """Files and blobs in one folder, over the same connections."""

    def __init__(self, options: FsspecOptions, context: Context) -> None:
        self._where = options.url
        most = 1 if options.protocol == IN_THIS_PROCESS else options.connections
        self._lanes = Lanes(partial(FileSystem, options), most)
        errors = partial(translated, options.url)
        guards = FileGuards(options.extensions, options.max_size)
        commits = Lock()
        self.parts = {
            "Blobs": FsspecBlobs(self._lanes, errors, commits, context.clock),
            "Files": FsspecFiles(self._lanes, errors, commits, guards),
        }

    async def ping(self) -> None:
        """Look for the folder, which is made if there is none."""
        with translated(self._where):
            await self._lanes.choose().run(_check)

    async def aclose(self) -> None:
        """Close all connections."""
        await self._lanes.aclose()


def _check(system: FileSystem) -> None:
    system.check()
