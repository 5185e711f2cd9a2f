"""What acme-pegs offers. Read at every start, so the work is imported later."""

from __future__ import annotations

from pegboard import LLMProvider, StorageProvider, hookimpl


@hookimpl
def pegboard_llm_providers() -> list[LLMProvider]:
    """Offer the doctor."""
    return [
        LLMProvider(
            name="eliza",
            factory="acme_pegs.eliza:Eliza",
            options="acme_pegs.eliza:ElizaOptions",
            contracts={"ChatModel": 1, "StreamingChat": 1},
            summary="a doctor who asks back, without any model",
        )
    ]


@hookimpl
def pegboard_storage_providers() -> list[StorageProvider]:
    """Offer the journal, and an index of vectors."""
    return [
        StorageProvider(
            name="journal",
            factory="acme_pegs.journal:Journal",
            options="acme_pegs.journal:JournalOptions",
            contracts={"KeyValue": 1},
            summary="values in a file that only grows, for one process",
        ),
        StorageProvider(
            name="neighbours",
            factory="acme_pegs.neighbours:Neighbours",
            options="acme_pegs.neighbours:NeighboursOptions",
            contracts={"VectorIndex": 1},
            summary="vectors in a SQLite file, found by their direction",
        ),
    ]


@hookimpl
def pegboard_contracts() -> list[str]:
    """Say where a contract is declared that pegboard does not know."""
    return ["acme_pegs.vector_index:VectorIndex"]
