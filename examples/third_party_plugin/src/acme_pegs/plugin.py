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
    """Offer the journal."""
    return [
        StorageProvider(
            name="journal",
            factory="acme_pegs.journal:Journal",
            options="acme_pegs.journal:JournalOptions",
            contracts={"KeyValue": 1},
            summary="values in a file that only grows, for one process",
        )
    ]
