"""What comes with pegboard itself, offered by the same hooks as any plugin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

from pegboard.descriptors import IntegrationProvider, LLMProvider, StorageProvider
from pegboard.hooks import hookimpl

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pegboard.descriptors import Needs

CONTRACTS: Mapping[str, tuple[str, ...]] = {
    "audio": ("SpeechModel", "TranscriptionModel"),
    "batches": ("BatchChat",),
    "blobs": ("Blobs", "PresignedBlobs", "VersionedBlobs"),
    "chat": ("ChatModel", "StreamingChat"),
    "database": ("Database",),
    "documents": ("DocumentStore", "DocumentCollections"),
    "embeddings": ("Embedder",),
    "event_log": ("EventLog",),
    "files": ("Files",),
    "images": ("ImageGenerator",),
    "key_value": ("KeyValue",),
    "messenger": ("Messenger",),
    "models": ("ModelCatalog", "ModelPuller", "TokenCounter"),
    "queue": ("DeadLetterQueue", "Queue"),
    "secret_store": ("SecretStore", "SecretVault"),
    "tracing": ("Tracing",),
    "webhooks": ("Webhooks",),
}
"""Names by module; each is imported when something offers it."""
OF_MODELS = (
    *("ChatModel", "StreamingChat", "Embedder", "ImageGenerator", "SpeechModel"),
    *("TranscriptionModel", "BatchChat", "ModelCatalog", "ModelPuller", "TokenCounter"),
)
IN_MEMORY = (
    *("KeyValue", "DocumentStore", "DocumentCollections"),
    *("Blobs", "VersionedBlobs", "Files"),
)
MESSAGING = ("Queue", "DeadLetterQueue", "EventLog")


@hookimpl
def pegboard_llm_providers() -> Sequence[LLMProvider]:
    """Offer a model that says what it is told to say, and models made of models."""
    return [
        LLMProvider(
            name="fake",
            factory="pegboard.builtin.fake:FakeModel",
            options="pegboard.builtin.fake:FakeOptions",
            contracts=dict.fromkeys(OF_MODELS, 1),
            capabilities=_claimed,
            summary="no model: scripted replies, or an echo, offline",
        ),
        _composite(
            "fallback",
            factory="fallback:Fallback",
            needs="any",
            options="fallback:FallbackOptions",
            summary="llms in turn: the next where one has failed",
        ),
        _composite(
            "round-robin",
            factory="choice:RoundRobin",
            options="target:CompositeOptions",
            summary="llms that take calls one after the other",
        ),
        _composite(
            "weighted",
            factory="choice:Weighted",
            options="choice:WeightedOptions",
            targets="weights",
            summary="llms that take calls by their shares",
        ),
        _composite(
            "least-busy",
            factory="choice:LeastBusy",
            options="target:CompositeOptions",
            summary="llms, of which the one with the fewest calls takes the next",
        ),
        _composite(
            "hedge",
            factory="hedge:Hedge",
            needs="first",
            options="hedge:HedgeOptions",
            summary="llms, of which another is asked where an answer is late",
        ),
        _composite(
            "mirror",
            factory="mirror:Mirror",
            needs="first",
            options="mirror:MirrorOptions",
            summary="an llm whose requests others get too, to compare them",
        ),
    ]


@hookimpl
def pegboard_storage_providers() -> Sequence[StorageProvider]:
    """Offer storage that needs no server."""
    return [
        StorageProvider(
            name="memory",
            factory="pegboard.builtin.memory:MemoryKeyValue",
            options="pegboard.builtin.memory:MemoryOptions",
            contracts=dict.fromkeys(IN_MEMORY, 1),
            summary="values, documents, blobs and files in the memory of this process",
        ),
        StorageProvider(
            name="files",
            factory="pegboard.builtin.files:FileBlobs",
            options="pegboard.builtin.files:FilesOptions",
            contracts={"Blobs": 1, "VersionedBlobs": 1, "Files": 1},
            summary="files, and blobs, in a folder",
        ),
        StorageProvider(
            name="sqlite",
            factory="pegboard.builtin.sqlite:SqliteKeyValue",
            options="pegboard.builtin.sqlite:SqliteOptions",
            contracts={"KeyValue": 1, "DocumentStore": 1, "DocumentCollections": 1},
            summary="values and documents in a SQLite file",
        ),
    ]


@hookimpl
def pegboard_integrations() -> Sequence[IntegrationProvider]:
    """Offer what the machine itself can do."""
    return [
        IntegrationProvider(
            name="console",
            factory="pegboard.builtin.console:Console",
            options="pegboard.builtin.console:ConsoleOptions",
            contracts={"Messenger": 1},
            external=False,
            summary="messages on the terminal",
        ),
        IntegrationProvider(
            name="memory",
            factory="pegboard.builtin.messaging:MemoryMessaging",
            options="pegboard.builtin.messaging:MemoryMessagingOptions",
            contracts=dict.fromkeys(MESSAGING, 1),
            external=False,
            summary="a queue and events in the memory of this process",
        ),
        IntegrationProvider(
            name="sqlite",
            factory="pegboard.builtin.messaging:SqliteMessaging",
            options="pegboard.builtin.messaging:SqliteMessagingOptions",
            contracts=dict.fromkeys(MESSAGING, 1),
            external=False,
            summary="a queue and events in a SQLite file",
        ),
        IntegrationProvider(
            name="environment",
            factory="pegboard.builtin.secrets:EnvironmentSecrets",
            options="pegboard.builtin.secrets:EnvironmentOptions",
            contracts={"SecretStore": 1},
            external=False,
            summary="secrets in environment variables",
        ),
        IntegrationProvider(
            name="files",
            factory="pegboard.builtin.secrets:FileSecrets",
            options="pegboard.builtin.secrets:FileOptions",
            contracts={"SecretStore": 1, "SecretVault": 1},
            external=False,
            summary="secrets in a folder, one file each",
        ),
        IntegrationProvider(
            name="webhook",
            factory="pegboard.builtin.webhook:Webhook",
            options="pegboard.builtin.webhook:WebhookOptions",
            contracts={"Webhooks": 1},
            install="'pegboard[webhooks]'",
            summary="signed events for another program, over HTTP",
        ),
    ]


@hookimpl
def pegboard_contracts() -> Sequence[str]:
    """Say where the contracts of pegboard are declared."""
    return [
        f"pegboard.contracts.{module}:{name}"
        for module, names in CONTRACTS.items()
        for name in names
    ]


def _composite(  # noqa: PLR0913 - they differ in all of this
    name: str,
    *,
    factory: str,
    options: str,
    summary: str,
    targets: str = "targets",
    needs: Needs = "all",
) -> LLMProvider:
    """
    Return a model that is made of others.

    Its targets retry and are left alone when they fail. If it did so as well, one
    failure would be repeated, and counted, twice.
    """
    return LLMProvider(
        name=name,
        factory=f"pegboard.builtin.composite.{factory}",
        options=f"pegboard.builtin.composite.{options}",
        contracts={"ChatModel": 1, "StreamingChat": 1},
        capabilities=_all_there_are,
        targets=targets,
        needs=needs,
        defaults={"policy": {"attempts": 1, "breaker": {"enabled": False}}},
        summary=summary,
    )


def _all_there_are(_: Any) -> frozenset[str]:
    """Claim everything: what is left of it depends on the targets."""
    from pegboard.contracts.chat import Capability  # noqa: PLC0415 - late

    return frozenset(get_args(Capability))


def _claimed(options: Any) -> frozenset[str]:
    claims: frozenset[str] = options.capabilities
    return claims
