"""The two storages of a copy, and what both of them keep."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

from pegboard.contracts.blobs import Blobs, VersionedBlobs
from pegboard.contracts.documents import DocumentCollections, DocumentStore, refuse
from pegboard.contracts.files import Files
from pegboard.contracts.key_value import KeyValue

from .carried_blobs import blob_sides
from .carried_documents import CarriedDocuments
from .carried_files import CarriedFiles
from .carried_values import CarriedValues

if TYPE_CHECKING:
    from pegboard._board import Pegboard

    from .carrying import Side

Kind = Literal["values", "blobs", "files", "documents"]
KINDS: Mapping[Kind, str] = {
    "values": "KeyValue",
    "blobs": "Blobs",
    "files": "Files",
    "documents": "DocumentStore",
}
"""What can be copied, and the contract that keeps it."""
Sides = Sequence["Side"]


class End(NamedTuple):
    """A storage of a board."""

    board: Pegboard
    name: str
    contracts: frozenset[str]

    @classmethod
    def of(cls, board: Pegboard, name: str) -> End:
        """Return the storage *name* of *board*."""
        told = board.explain(f"storage.{name}").contracts
        return cls(board, name, frozenset(one.split()[0] for one in told))

    @property
    def address(self) -> str:
        """What it is called in settings."""
        return f"storage.{self.name}"

    def keeps(self, kind: Kind) -> bool:
        """Tell whether it can have any of *kind*."""
        return KINDS[kind] in self.contracts

    def values(self) -> KeyValue:
        """Return it as values."""
        return self.board.storage(self.name, KeyValue)

    def blobs(self) -> Blobs:
        """Return it as blobs, versioned ones if it can."""
        if "VersionedBlobs" in self.contracts:
            return self.board.storage(self.name, VersionedBlobs)
        return self.board.storage(self.name, Blobs)

    def files(self) -> Files:
        """Return it as files."""
        return self.board.storage(self.name, Files)

    def documents(self) -> DocumentStore:
        """Return it as documents."""
        return self.board.storage(self.name, DocumentStore)

    async def collections(self) -> list[str]:
        """Return which collections of documents it has."""
        if "DocumentCollections" not in self.contracts:
            refuse(
                f"{self.address} cannot tell which collections of documents it has. "
                "Name them, or copy only values or blobs."
            )
        catalog = self.board.storage(self.name, DocumentCollections)
        return await catalog.list_collections()


async def both(
    kind: Kind, ends: tuple[End, End], collections: Sequence[str] | None, prefix: str
) -> dict[str, Sides]:
    """Return source and target of all that is of *kind*, by what it is called."""
    source, target = ends
    if not source.keeps(kind):
        return {}
    if kind == "documents" and collections is None:
        collections = await source.collections()
    if target.keeps(kind):
        return _pairs(kind, ends, collections or (), prefix)
    for what, (side, _) in _pairs(
        kind, (source, source), collections or (), prefix
    ).items():
        if await side.count():
            refuse(
                f"{source.address} has {what}, which {target.address} cannot keep. "
                "Name another target, or copy only something else."
            )
    return {}


def _pairs(
    kind: Kind, ends: tuple[End, End], collections: Sequence[str], prefix: str
) -> dict[str, Sides]:
    if kind == "values":
        return {kind: [CarriedValues(end.values(), prefix) for end in ends]}
    if kind == "blobs":
        source, target = ends
        return {kind: blob_sides(source.blobs(), target.blobs(), prefix)}
    if kind == "files":
        return {kind: [CarriedFiles(end.files(), prefix) for end in ends]}
    return {
        f"documents of {name}": [
            CarriedDocuments(end.documents(), name, prefix) for end in ends
        ]
        for name in collections
    }
