"""
pegboard: LLM providers, storage and integrations as plugins, chosen by settings.

Importing this costs next to nothing: each name brings its module when it is first
used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._board import Pegboard as Pegboard
    from ._file_lock import file_lock as file_lock
    from ._gather import Gathering as Gathering
    from ._gather import Outcome as Outcome
    from ._gather import gather as gather
    from ._log import enable_logging as enable_logging
    from ._models.llm import LLM as LLM
    from ._models.output import TypedReply as TypedReply
    from ._models.run import Run as Run
    from ._models.run import TypedRun as TypedRun
    from ._models.run_stream import RunStream as RunStream
    from ._models.stream import ReplyStream as ReplyStream
    from ._models.stream import TypedStream as TypedStream
    from ._models.toolbox import ToolUse as ToolUse
    from ._queues.event_bus import EventBus as EventBus
    from ._queues.event_bus import Subscription as Subscription
    from ._queues.jobs import Jobs as Jobs
    from ._queues.jobs import JobState as JobState
    from ._queues.worker import Worker as Worker
    from ._single_flight import SingleFlight as SingleFlight
    from ._stores.artifact_manifest import Artifact as Artifact
    from ._stores.artifacts import ArtifactPage as ArtifactPage
    from ._stores.artifacts import Artifacts as Artifacts
    from ._stores.cache import Cache as Cache
    from ._stores.conversations import Conversations as Conversations
    from ._stores.document_shape import Index as Index
    from ._stores.document_shape import Key as Key
    from ._stores.documents import Document as Document
    from ._stores.documents import DocumentPage as DocumentPage
    from ._stores.documents import Documents as Documents
    from ._stores.json_database import JsonDatabase as JsonDatabase
    from ._stores.locks import Lease as Lease
    from ._stores.locks import Locks as Locks
    from ._stores.namespaced import Namespaced as Namespaced
    from ._stores.sessions import Sessions as Sessions
    from ._stores.values import Values as Values
    from .contracts.audio import Speech as Speech
    from .contracts.audio import SpeechModel as SpeechModel
    from .contracts.audio import SpeechRequest as SpeechRequest
    from .contracts.audio import Transcript as Transcript
    from .contracts.audio import TranscriptionModel as TranscriptionModel
    from .contracts.audio import TranscriptionRequest as TranscriptionRequest
    from .contracts.batches import Batch as Batch
    from .contracts.batches import BatchChat as BatchChat
    from .contracts.batches import BatchItem as BatchItem
    from .contracts.batches import BatchResult as BatchResult
    from .contracts.blobs import Blob as Blob
    from .contracts.blobs import BlobPage as BlobPage
    from .contracts.blobs import Blobs as Blobs
    from .contracts.blobs import ListedBlob as ListedBlob
    from .contracts.blobs import PresignedBlobs as PresignedBlobs
    from .contracts.blobs import VersionedBlobs as VersionedBlobs
    from .contracts.chat import Capability as Capability
    from .contracts.chat import ChatModel as ChatModel
    from .contracts.chat import ChatRequest as ChatRequest
    from .contracts.chat import File as File
    from .contracts.chat import Finished as Finished
    from .contracts.chat import Image as Image
    from .contracts.chat import Message as Message
    from .contracts.chat import Part as Part
    from .contracts.chat import PartDone as PartDone
    from .contracts.chat import Reasoning as Reasoning
    from .contracts.chat import ReasoningDelta as ReasoningDelta
    from .contracts.chat import Reply as Reply
    from .contracts.chat import Source as Source
    from .contracts.chat import StreamEvent as StreamEvent
    from .contracts.chat import StreamingChat as StreamingChat
    from .contracts.chat import Text as Text
    from .contracts.chat import TextDelta as TextDelta
    from .contracts.chat import Tool as Tool
    from .contracts.chat import ToolCall as ToolCall
    from .contracts.chat import ToolCallDelta as ToolCallDelta
    from .contracts.chat import ToolResult as ToolResult
    from .contracts.chat import Usage as Usage
    from .contracts.chat import UsageSoFar as UsageSoFar
    from .contracts.database import BlockingDatabase as BlockingDatabase
    from .contracts.database import Database as Database
    from .contracts.declare import built_on as built_on
    from .contracts.declare import contract as contract
    from .contracts.declare import operation as operation
    from .contracts.documents import Collection as Collection
    from .contracts.documents import DocumentCollections as DocumentCollections
    from .contracts.documents import DocumentStore as DocumentStore
    from .contracts.documents import IndexedField as IndexedField
    from .contracts.documents import Range as Range
    from .contracts.documents import StoredDocument as StoredDocument
    from .contracts.documents import StoredPage as StoredPage
    from .contracts.embeddings import Embedder as Embedder
    from .contracts.embeddings import EmbeddingRequest as EmbeddingRequest
    from .contracts.embeddings import Embeddings as Embeddings
    from .contracts.event_log import Event as Event
    from .contracts.event_log import EventLog as EventLog
    from .contracts.event_log import EventPage as EventPage
    from .contracts.files import FileEntry as FileEntry
    from .contracts.files import FilePage as FilePage
    from .contracts.files import Files as Files
    from .contracts.images import GeneratedImages as GeneratedImages
    from .contracts.images import ImageGenerator as ImageGenerator
    from .contracts.images import ImageRequest as ImageRequest
    from .contracts.key_value import Entry as Entry
    from .contracts.key_value import KeyPage as KeyPage
    from .contracts.key_value import KeyValue as KeyValue
    from .contracts.messenger import Messenger as Messenger
    from .contracts.messenger import Posted as Posted
    from .contracts.models import ModelCatalog as ModelCatalog
    from .contracts.models import ModelEntry as ModelEntry
    from .contracts.models import ModelPuller as ModelPuller
    from .contracts.models import PullProgress as PullProgress
    from .contracts.models import TokenCounter as TokenCounter
    from .contracts.queue import DeadLetter as DeadLetter
    from .contracts.queue import DeadLetterPage as DeadLetterPage
    from .contracts.queue import DeadLetterQueue as DeadLetterQueue
    from .contracts.queue import Delivery as Delivery
    from .contracts.queue import NewMessage as NewMessage
    from .contracts.queue import Published as Published
    from .contracts.queue import Queue as Queue
    from .contracts.queue import QueueCounts as QueueCounts
    from .contracts.secret_store import SecretStore as SecretStore
    from .contracts.secret_store import SecretVault as SecretVault
    from .contracts.tracing import Tracing as Tracing
    from .contracts.webhooks import SentEvent as SentEvent
    from .contracts.webhooks import Webhooks as Webhooks
    from .deadline import time_left as time_left
    from .descriptors import Context as Context
    from .descriptors import IntegrationProvider as IntegrationProvider
    from .descriptors import LLMProvider as LLMProvider
    from .descriptors import StorageProvider as StorageProvider
    from .event_loops import PerLoop as PerLoop
    from .health import Health as Health
    from .hooks import hookimpl as hookimpl
    from .observers import Call as Call
    from .observers import Observer as Observer
    from .options import Options as Options
    from .policy import Policy as Policy
    from .stats import Stats as Stats
    from .tools import make_tool as make_tool

__version__ = "0.1.0"

_CHAT = (
    "Capability ChatModel ChatRequest File Finished Image Message Part PartDone "
    "Reasoning ReasoningDelta Reply Source StreamEvent StreamingChat Text TextDelta "
    "Tool ToolCall ToolCallDelta ToolResult Usage UsageSoFar"
)
_AUDIO = (
    "Speech SpeechModel SpeechRequest Transcript TranscriptionModel "
    "TranscriptionRequest"
)
_QUEUE = (
    "DeadLetter DeadLetterPage DeadLetterQueue Delivery NewMessage Published Queue "
    "QueueCounts"
)
_DOCUMENTS = (
    "Collection DocumentCollections DocumentStore IndexedField Range StoredDocument "
    "StoredPage"
)
_HOME = {
    "Pegboard": "_board",
    "Artifact": "_stores.artifact_manifest",
    **dict.fromkeys(("ArtifactPage", "Artifacts"), "_stores.artifacts"),
    "Cache": "_stores.cache",
    "JsonDatabase": "_stores.json_database",
    "Conversations": "_stores.conversations",
    **dict.fromkeys(("Index", "Key"), "_stores.document_shape"),
    **dict.fromkeys(("Document", "DocumentPage", "Documents"), "_stores.documents"),
    **dict.fromkeys(("Gathering", "Outcome", "gather"), "_gather"),
    "LLM": "_models.llm",
    "TypedReply": "_models.output",
    **dict.fromkeys(("Run", "TypedRun"), "_models.run"),
    "RunStream": "_models.run_stream",
    **dict.fromkeys(("ReplyStream", "TypedStream"), "_models.stream"),
    "file_lock": "_file_lock",
    **dict.fromkeys(("Lease", "Locks"), "_stores.locks"),
    "Namespaced": "_stores.namespaced",
    "Sessions": "_stores.sessions",
    "SingleFlight": "_single_flight",
    "ToolUse": "_models.toolbox",
    "Worker": "_queues.worker",
    **dict.fromkeys(("JobState", "Jobs"), "_queues.jobs"),
    **dict.fromkeys(("EventBus", "Subscription"), "_queues.event_bus"),
    "Values": "_stores.values",
    "make_tool": "tools",
    "enable_logging": "_log",
    "time_left": "deadline",
    "Policy": "policy",
    "Health": "health",
    "Stats": "stats",
    **dict.fromkeys(_CHAT.split(), "contracts.chat"),
    **dict.fromkeys(_AUDIO.split(), "contracts.audio"),
    **dict.fromkeys(
        ("Batch", "BatchChat", "BatchItem", "BatchResult"), "contracts.batches"
    ),
    **dict.fromkeys(("Blob", "BlobPage", "Blobs", "ListedBlob"), "contracts.blobs"),
    **dict.fromkeys(("PresignedBlobs", "VersionedBlobs"), "contracts.blobs"),
    **dict.fromkeys(("FileEntry", "FilePage", "Files"), "contracts.files"),
    **dict.fromkeys(
        ("Embedder", "EmbeddingRequest", "Embeddings"), "contracts.embeddings"
    ),
    **dict.fromkeys(
        ("GeneratedImages", "ImageGenerator", "ImageRequest"), "contracts.images"
    ),
    **dict.fromkeys(("ModelCatalog", "ModelEntry", "ModelPuller"), "contracts.models"),
    **dict.fromkeys(("PullProgress", "TokenCounter"), "contracts.models"),
    **dict.fromkeys(_QUEUE.split(), "contracts.queue"),
    **dict.fromkeys(("Event", "EventLog", "EventPage"), "contracts.event_log"),
    **dict.fromkeys(("built_on", "contract", "operation"), "contracts.declare"),
    **dict.fromkeys(_DOCUMENTS.split(), "contracts.documents"),
    **dict.fromkeys(("BlockingDatabase", "Database"), "contracts.database"),
    **dict.fromkeys(("Entry", "KeyPage", "KeyValue"), "contracts.key_value"),
    **dict.fromkeys(("Messenger", "Posted"), "contracts.messenger"),
    **dict.fromkeys(("SecretStore", "SecretVault"), "contracts.secret_store"),
    "Tracing": "contracts.tracing",
    **dict.fromkeys(("SentEvent", "Webhooks"), "contracts.webhooks"),
    **dict.fromkeys(("Context", "IntegrationProvider"), "descriptors"),
    **dict.fromkeys(("LLMProvider", "StorageProvider"), "descriptors"),
    "PerLoop": "event_loops",
    "hookimpl": "hooks",
    **dict.fromkeys(("Call", "Observer"), "observers"),
    "Options": "options",
}
__all__ = ["__version__", *_HOME]  # noqa: PLE0604 - the keys are names


def __getattr__(name: str) -> object:
    if name not in _HOME:
        msg = f"module 'pegboard' has no attribute {name!r}"
        raise AttributeError(msg)
    value = getattr(import_module(f"pegboard.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
