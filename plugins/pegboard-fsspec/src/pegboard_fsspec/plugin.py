"""What pegboard-fsspec offers: files and blobs on file systems of fsspec."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pegboard import StorageProvider, hookimpl

if TYPE_CHECKING:
    from pegboard import Context

    from ._storage import FsspecStorage
    from .options import FsspecOptions

# A large file takes its time.
POLICY = {"deadline": 3600}


@hookimpl
def pegboard_storage_providers() -> list[StorageProvider]:
    """Return the one provider."""
    return [
        StorageProvider(
            name="fsspec",
            factory=make_storage,
            options="pegboard_fsspec.options:FsspecOptions",
            contracts={"Blobs": 1, "Files": 1},
            external=True,
            install="pegboard-fsspec",
            defaults={"policy": POLICY},
            summary="files and blobs on file systems of fsspec, such as SFTP",
        )
    ]


def make_storage(options: FsspecOptions, context: Context) -> FsspecStorage:
    """Make a storage. Does no I/O; the SDK is imported when it is first used."""
    from ._storage import FsspecStorage  # noqa: PLC0415

    return FsspecStorage(options, context)
