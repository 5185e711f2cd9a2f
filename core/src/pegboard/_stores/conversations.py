"""What was said in conversations with models, over any store of values."""

from __future__ import annotations

import asyncio
import math
from typing import Any

from pegboard.contracts.chat import Message
from pegboard.contracts.declare import built_on
from pegboard.contracts.key_value import MOST_KEYS, KeyValue, checked_limit, checked_ttl
from pegboard.errors import Conflict

from .message_json import packed, unpacked
from .namespace import Namespace

DIGITS = 12
"""Numbers of so many digits are in order as text."""


@built_on(KeyValue)
class Conversations:
    """
    Messages by conversation: ``board.storage("chats", Conversations)``.

    They come back as they were, with all their parts, and can be sent to a model
    again. Several may append at once: nothing is lost, and what was appended together
    stays together. With *ttl*, messages are forgotten so many seconds after they were
    appended.
    """

    def __init__(
        self,
        store: KeyValue,
        *,
        ttl: float | None = None,
        namespace: str = "conversation",
    ) -> None:
        checked_ttl(ttl, None)
        self._store = store
        self._ttl = math.inf if ttl is None else ttl
        self._turns = Namespace(namespace)
        self._counts = Namespace(f"{namespace}-count")

    async def append(self, conversation_id: str, *messages: Message) -> None:
        """
        Add *messages* to the end of the conversation, made if there is none.

        Raises:
            InvalidRequest: Metadata of a message cannot be stored.

        """
        kept = [packed(message) for message in messages]
        while kept:
            number = await self._next(conversation_id)
            key = self._turns.key(conversation_id, f"{number:0{DIGITS}}")
            try:
                await self._store.set(key, kept, ttl=self._ttl, if_absent=True)
            except Conflict:  # the count was lost, and begins anew
                continue
            return

    async def all(self, conversation_id: str) -> tuple[Message, ...]:
        """
        Return the messages of the conversation, the oldest first.

        Raises:
            InvalidReply: What is stored is none that this version can read.

        """
        turns = await asyncio.gather(
            *map(self._turn, await self._keys(conversation_id))
        )
        return tuple(message for turn in turns for message in turn)

    async def latest(self, conversation_id: str, count: int = 1) -> tuple[Message, ...]:
        """Return the last *count* messages of the conversation, the oldest first."""
        checked_limit(count)
        found: tuple[Message, ...] = ()
        for key in reversed(await self._keys(conversation_id)):
            if len(found) >= count:
                break
            found = (*await self._turn(key), *found)
        return found[-count:]

    async def clear(self, conversation_id: str) -> bool:
        """Forget what was said; return whether anything was."""
        keys = await self._keys(conversation_id)
        # The count stays: what someone appends right now must not come before others.
        deleted = await asyncio.gather(*map(self._store.delete, keys))
        return any(deleted)

    async def _next(self, conversation_id: str) -> int:
        """Return a number that is higher than those of all messages."""
        key = self._counts.key(conversation_id)
        number = await self._store.incr(key, ttl=2 * self._ttl)
        if self._ttl != math.inf:  # as long as the messages that it is to follow
            await self._store.touch(key, ttl=2 * self._ttl)
        return number

    async def _keys(self, conversation_id: str) -> list[str]:
        prefix = self._turns.key(conversation_id, "0").removesuffix("0")
        page = await self._store.scan(prefix, limit=MOST_KEYS)
        keys = [*page.keys]
        while page.cursor is not None:
            page = await self._store.scan(prefix, limit=MOST_KEYS, cursor=page.cursor)
            keys += page.keys
        return keys

    async def _turn(self, key: str) -> tuple[Message, ...]:
        kept: Any = await self._store.get(key, [])
        return tuple(map(unpacked, kept if isinstance(kept, list) else [kept]))
