"""
Copy what one storage keeps to another, and compare it.

    from pegboard.copying import copy_storage

    async with Pegboard() as board:
        for copied in await copy_storage(board, "old", "new"):
            print(copied.what, copied.found, copied.differing)

A copy that was interrupted goes on where it was when it is begun again: what is in the
target as it is in the source is passed over. Nothing is kept elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ._copying.carried_blobs import blob_sides
from ._copying.carried_documents import CarriedDocuments
from ._copying.carried_files import CarriedFiles
from ._copying.carried_values import CarriedValues
from ._copying.carrying import Carrier, Copied, Difference, Progress, Side, Step, Tell
from ._copying.ends import KINDS, End, Kind, both
from .contracts.documents import refuse

if TYPE_CHECKING:
    from ._board import Pegboard
    from .contracts.blobs import Blobs
    from .contracts.documents import DocumentStore
    from .contracts.files import Files
    from .contracts.key_value import KeyValue

__all__ = [
    "ALL",
    "Copied",
    "Difference",
    "Kind",
    "Progress",
    "Step",
    "copy_blobs",
    "copy_documents",
    "copy_files",
    "copy_storage",
    "copy_values",
]


ALL: tuple[Kind, ...] = tuple(KINDS)


def _say_nothing(progress: Progress) -> None:
    """Keep *progress* to oneself."""


async def copy_values(
    source: KeyValue,
    target: KeyValue,
    *,
    prefix: str = "",
    overwrite: bool = False,
    tell: Tell = _say_nothing,
) -> Copied:
    """
    Copy the values of *source*, each with the time that it has left.

    Only keys that begin with *prefix*. Versions are new ones.

    Raises:
        Conflict: The target has something else, and *overwrite* is not asked for.

    """
    sides = [CarriedValues(one, prefix) for one in (source, target)]
    return await _carried("values", *sides, overwrite=overwrite, tell=tell)


async def copy_blobs(
    source: Blobs,
    target: Blobs,
    *,
    prefix: str = "",
    overwrite: bool = False,
    tell: Tell = _say_nothing,
) -> Copied:
    """
    Copy the blobs of *source*, each with its media type and metadata.

    Only keys that begin with *prefix*. All versions of each are copied where both are
    ``VersionedBlobs``, the newest alone where they are not.

    Raises:
        Conflict: The target has something else, and *overwrite* is not asked for.

    """
    sides = blob_sides(source, target, prefix)
    return await _carried("blobs", *sides, overwrite=overwrite, tell=tell)


async def copy_files(
    source: Files,
    target: Files,
    *,
    prefix: str = "",
    overwrite: bool = False,
    tell: Tell = _say_nothing,
) -> Copied:
    """
    Copy the files of *source*, and its folders.

    Only paths that begin with *prefix*.

    Raises:
        Conflict: The target has something else, and *overwrite* is not asked for.

    """
    sides = [CarriedFiles(one, prefix) for one in (source, target)]
    return await _carried("files", *sides, overwrite=overwrite, tell=tell)


async def copy_documents(  # noqa: PLR0913 - what can be said of a copy
    source: DocumentStore,
    target: DocumentStore,
    collection: str,
    *,
    prefix: str = "",
    overwrite: bool = False,
    tell: Tell = _say_nothing,
) -> Copied:
    """
    Copy the documents of a *collection* of *source*. Versions are new ones.

    Only keys that begin with *prefix*.

    Raises:
        Conflict: The target has something else, and *overwrite* is not asked for.

    """
    sides = [CarriedDocuments(one, collection, prefix) for one in (source, target)]
    what = f"documents of {collection}"
    return await _carried(what, *sides, overwrite=overwrite, tell=tell)


async def copy_storage(  # noqa: PLR0913 - what can be said of a copy
    board: Pegboard,
    source: str,
    target: str,
    *,
    only: Sequence[Kind] = ALL,
    collections: Sequence[str] | None = None,
    prefix: str = "",
    overwrite: bool = False,
    tell: Tell = _say_nothing,
) -> list[Copied]:
    """
    Copy what the storage *source* of *board* keeps to the storage *target*.

    That is values, blobs, files and documents, as far as both keep them, or *only*
    some of them; of documents all *collections*, or those that are named.

    Raises:
        Conflict: The target has something else, and *overwrite* is not asked for.
        InvalidRequest: The source keeps what the target cannot, or cannot tell which
            collections it has.

    """
    if source == target:
        refuse(f"storage.{source} cannot be copied to itself. Name another target.")
    ends = End.of(board, source), End.of(board, target)
    carriers = [
        Carrier(what, *sides, overwrite=overwrite, tell=tell)
        for kind in only
        for what, sides in (await both(kind, ends, collections, prefix)).items()
    ]
    if not overwrite:
        for carrier in carriers:
            await carrier.refuse_others()
    return [await carrier.carry() for carrier in carriers]


async def _carried(
    what: str, source: Side, target: Side, *, overwrite: bool, tell: Tell
) -> Copied:
    carrier = Carrier(what, source, target, overwrite=overwrite, tell=tell)
    if not overwrite:
        await carrier.refuse_others()
    return await carrier.carry()
