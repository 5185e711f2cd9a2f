"""The model: what it does for each contract."""

from __future__ import annotations

import json
from contextlib import aclosing, asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from anthropic import NotFoundError
from pegboard import (
    Batch,
    BatchItem,
    BatchResult,
    ChatRequest,
    ModelEntry,
    Reply,
    StreamEvent,
    Usage,
)
from pegboard.errors import CallError

from ._batches import batch_of, requests_of, result_of
from ._catalog import entry_of
from ._errors import KNOWN, translated
from ._events import events_of
from ._lifecycle import Lifecycle
from ._reply import PAUSED, reply_of
from ._request import COUNTED, body_of, continued
from ._service import Service
from ._stream import StreamReader

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable, Iterator

    from pegboard import Context

    from .options import AnthropicOptions

MESSAGES = "/v1/messages"
BATCHES = f"{MESSAGES}/batches"
MODELS = "/v1/models"
MOST_TURNS = 16
"""How often a turn that pauses is continued within one call."""
LONGEST_PAGE = 1000


class AnthropicModel:
    """A model of Anthropic."""

    def __init__(self, options: AnthropicOptions, context: Context) -> None:
        """Make a model. Does no I/O."""
        self._options = options
        self._clock = context.clock
        self._lifecycle = Lifecycle(context)
        self._service = Service(options, context)

    async def ping(self) -> str | None:
        """Ask what the service says of the model: it takes the key, and no tokens."""
        model = self._options.model
        with self._translating():
            try:
                told = await self._service.get(f"{MODELS}/{quote(model, safe='')}")
            except NotFoundError:
                return f"answered, but does not tell of {model}"
            return self._lifecycle.learned(model, entry_of(told))

    async def complete(self, request: ChatRequest) -> Reply:
        """Answer *request* with a whole reply."""
        body = self._body(request)
        with self._translating():
            answers = [await self._service.post(MESSAGES, body)]
            while answers[-1]["stop_reason"] == PAUSED and len(answers) < MOST_TURNS:
                body = continued(body, answers[-1])
                answers.append(await self._service.post(MESSAGES, body))
            return reply_of(answers)

    async def stream(self, request: ChatRequest) -> AsyncGenerator[StreamEvent, None]:
        """Answer *request* in pieces, the last of which is ``Finished``."""
        body = {**self._body(request), "stream": True}
        began = False
        try:
            with self._translating():
                async with aclosing(self._turns(body)) as arrivals:
                    async for events in arrivals:
                        for event in events:
                            began = True
                            yield event
        except CallError as error:
            error.in_stream = began
            raise

    async def count_tokens(self, request: ChatRequest) -> int:
        """Return how many tokens *request* has."""
        body = self._body(request)
        counted = {name: value for name, value in body.items() if name in COUNTED}
        with self._translating():
            answer = await self._service.post(f"{MESSAGES}/count_tokens", counted)
            return int(answer["input_tokens"])

    async def list_models(self) -> tuple[ModelEntry, ...]:
        """Return all models that can be asked for."""
        found: list[ModelEntry] = []
        after: dict[str, Any] = {}
        with self._translating():
            while True:
                page = await self._service.get(MODELS, limit=LONGEST_PAGE, **after)
                found += map(entry_of, page["data"])
                if not page.get("has_more"):
                    return tuple(found)
                after = {"after_id": page["last_id"]}

    async def submit_batch(self, items: tuple[BatchItem, ...]) -> Batch:
        """Hand in *items*; they have ids that differ."""
        body = {"requests": requests_of(items, self._options)}
        with self._translating():
            return batch_of(await self._service.post(BATCHES, body))

    async def get_batch(self, batch_id: str) -> Batch:
        """Return how far the batch is."""
        with self._translating():
            return batch_of(await self._service.get(_path_of(batch_id)))

    async def cancel_batch(self, batch_id: str) -> Batch:
        """Ask for an early end. What is answered already stays."""
        with self._translating():
            path = f"{_path_of(batch_id)}/cancel"
            return batch_of(await self._service.post(path))

    async def batch_results(self, batch_id: str) -> AsyncGenerator[BatchResult, None]:
        """Yield what there is, in any order, of a batch that has ended."""
        path = f"{_path_of(batch_id)}/results"
        with self._translating():
            async with self._service.stream(path) as answer:
                async for line in answer.aiter_lines():
                    if line:
                        yield result_of(json.loads(line))

    async def aclose(self) -> None:
        """Close the connections."""
        await self._service.aclose()

    def _body(self, request: ChatRequest) -> dict[str, Any]:
        body = body_of(request, self._options)
        self._lifecycle.used(body["model"])
        return body

    async def _turns(
        self, body: dict[str, Any]
    ) -> AsyncGenerator[Iterable[StreamEvent], None]:
        """Yield the events of each arrival, which must be read before the next."""
        usage = Usage()
        for turn in range(1, MOST_TURNS + 1):
            reader = StreamReader(usage)
            async with self._arrivals(body) as arrivals:
                async for told in arrivals:
                    yield reader.read(told)
            finished = reader.finish()
            if not reader.is_paused or turn == MOST_TURNS:
                yield (finished,)
                return
            body, usage = continued(body, reader.answer), finished.usage or usage

    @asynccontextmanager
    async def _arrivals(
        self, body: dict[str, Any]
    ) -> AsyncGenerator[AsyncGenerator[list[bytes], None], None]:
        async with (
            self._service.stream(MESSAGES, body) as answer,
            aclosing(events_of(answer)) as arrivals,
        ):
            yield arrivals

    @contextmanager
    def _translating(self) -> Iterator[None]:
        """Turn what the service or the way to it raises into pegboard's errors."""
        try:
            yield
        except KNOWN as error:
            raise translated(error, self._clock) from error


def _path_of(batch_id: str) -> str:
    return f"{BATCHES}/{quote(batch_id, safe='')}"
