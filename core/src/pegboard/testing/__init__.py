"""
What plugin authors test with: conformance kits, a failing server, virtual time.

Each name brings its module when it is first used, since the kits need pytest and the
rest does not. pytest and what else the kits need come with ``pegboard[testing]``.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .abilities import BatchChatContract as BatchChatContract
    from .abilities import EmbedderContract as EmbedderContract
    from .abilities import ImageGeneratorContract as ImageGeneratorContract
    from .abilities import ModelCatalogContract as ModelCatalogContract
    from .abilities import ModelPullerContract as ModelPullerContract
    from .abilities import SpeechModelContract as SpeechModelContract
    from .abilities import TokenCounterContract as TokenCounterContract
    from .abilities import TranscriptionModelContract as TranscriptionModelContract
    from .blobs import BlobsContract as BlobsContract
    from .blobs import PersistentBlobsContract as PersistentBlobsContract
    from .blobs import PresignedBlobsContract as PresignedBlobsContract
    from .blobs import VersionedBlobsContract as VersionedBlobsContract
    from .cancellation import cancel_at_every_await as cancel_at_every_await
    from .chat import ChatModelContract as ChatModelContract
    from .chat import StreamingChatContract as StreamingChatContract
    from .clock import ManualClock as ManualClock
    from .clock import RealClock as RealClock
    from .clock import VirtualTimeLoop as VirtualTimeLoop
    from .clock import run_virtual as run_virtual
    from .database import DatabaseContract as DatabaseContract
    from .documents import DocumentStoreContract as DocumentStoreContract
    from .documents import (
        PersistentDocumentStoreContract as PersistentDocumentStoreContract,
    )
    from .event_log import EventLogContract as EventLogContract
    from .event_log import PersistentEventLogContract as PersistentEventLogContract
    from .fault_server import Fault as Fault
    from .fault_server import FaultServer as FaultServer
    from .fault_server import Scripted as Scripted
    from .faults import FaultyServiceContract as FaultyServiceContract
    from .key_value import KeyValueContract as KeyValueContract
    from .key_value import PersistentKeyValueContract as PersistentKeyValueContract
    from .leaks import no_leaks as no_leaks
    from .messenger import MessengerContract as MessengerContract
    from .queue import DeadLetterQueueContract as DeadLetterQueueContract
    from .queue import GroupedQueueContract as GroupedQueueContract
    from .queue import PersistentQueueContract as PersistentQueueContract
    from .queue import QueueContract as QueueContract
    from .queue import SharedQueueContract as SharedQueueContract
    from .secret_store import SecretStoreContract as SecretStoreContract
    from .secret_store import SecretVaultContract as SecretVaultContract
    from .spans import no_spans as no_spans
    from .standard import StandardTests as StandardTests
    from .tcp_proxy import TcpProxy as TcpProxy
    from .tracing import TracingContract as TracingContract

_ABILITIES = (
    "BatchChatContract EmbedderContract ImageGeneratorContract ModelCatalogContract "
    "ModelPullerContract SpeechModelContract TokenCounterContract "
    "TranscriptionModelContract"
)
_QUEUES = (
    "DeadLetterQueueContract GroupedQueueContract PersistentQueueContract "
    "QueueContract SharedQueueContract"
)
_HOME = {
    **dict.fromkeys(_ABILITIES.split(), "abilities"),
    **dict.fromkeys(("BlobsContract", "PersistentBlobsContract"), "blobs"),
    **dict.fromkeys(("PresignedBlobsContract", "VersionedBlobsContract"), "blobs"),
    "cancel_at_every_await": "cancellation",
    **dict.fromkeys(("ChatModelContract", "StreamingChatContract"), "chat"),
    **dict.fromkeys(("ManualClock", "RealClock"), "clock"),
    **dict.fromkeys(("VirtualTimeLoop", "run_virtual"), "clock"),
    "DatabaseContract": "database",
    "DocumentStoreContract": "documents",
    "PersistentDocumentStoreContract": "documents",
    **dict.fromkeys(("EventLogContract", "PersistentEventLogContract"), "event_log"),
    **dict.fromkeys(("Fault", "FaultServer", "Scripted"), "fault_server"),
    "FaultyServiceContract": "faults",
    **dict.fromkeys(("KeyValueContract", "PersistentKeyValueContract"), "key_value"),
    "no_leaks": "leaks",
    "MessengerContract": "messenger",
    **dict.fromkeys(_QUEUES.split(), "queue"),
    **dict.fromkeys(("SecretStoreContract", "SecretVaultContract"), "secret_store"),
    "no_spans": "spans",
    "StandardTests": "standard",
    "TcpProxy": "tcp_proxy",
    "TracingContract": "tracing",
}
__all__ = [*_HOME]  # noqa: PLE0604 - the keys are names


def __getattr__(name: str) -> object:
    if name not in _HOME:
        msg = f"module 'pegboard.testing' has no attribute {name!r}"
        raise AttributeError(msg)
    value = getattr(import_module(f"pegboard.testing.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
