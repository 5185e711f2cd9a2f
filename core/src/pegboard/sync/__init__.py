"""
The same board for programs that are not async: every call blocks until it is done.

The work runs on one event loop in a thread that the board owns. Signatures are those
of the async originals, so nothing is written twice::

    from pegboard.sync import KeyValue, Pegboard

    with Pegboard() as board:
        print(board.llm().complete("Name three uses of a pegboard.").text)
        board.storage("notes", KeyValue).set("greeting", "hello")
"""

from __future__ import annotations

from ._board import TWINS as TWINS
from ._board import Pegboard as Pegboard
from ._contracts import Blobs as Blobs
from ._contracts import Database as Database
from ._contracts import DeadLetterQueue as DeadLetterQueue
from ._contracts import DocumentCollections as DocumentCollections
from ._contracts import DocumentStore as DocumentStore
from ._contracts import EventLog as EventLog
from ._contracts import Files as Files
from ._contracts import KeyValue as KeyValue
from ._contracts import Messenger as Messenger
from ._contracts import PresignedBlobs as PresignedBlobs
from ._contracts import Queue as Queue
from ._contracts import SecretStore as SecretStore
from ._contracts import SecretVault as SecretVault
from ._contracts import Tracing as Tracing
from ._contracts import VersionedBlobs as VersionedBlobs
from ._contracts import Webhooks as Webhooks
from ._models import LLM as LLM
from ._models import Batches as Batches
from ._models import ReplyStream as ReplyStream
from ._models import RunStream as RunStream
from ._models import TypedStream as TypedStream
from ._queues import EventBus as EventBus
from ._queues import Subscription as Subscription
from ._queues import Worker as Worker
from ._stores import Artifacts as Artifacts
from ._stores import Cache as Cache
from ._stores import Conversations as Conversations
from ._stores import Documents as Documents
from ._stores import JsonDatabase as JsonDatabase
from ._stores import Lease as Lease
from ._stores import Locks as Locks
from ._stores import Sessions as Sessions
from ._stores import Values as Values
from ._twins import Blocking as Blocking
from ._twins import Portal as Portal
from ._twins import blocking as blocking
from ._twins import twin_of as twin_of
