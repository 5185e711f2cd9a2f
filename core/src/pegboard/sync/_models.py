"""Language models that block."""

from __future__ import annotations

from typing import (
    TYPE_CHECKING,
    Any,
    Generic,
    Self,
    TypeVar,
    overload,
)

from typing_extensions import TypeForm, Unpack

from pegboard._models import batches as _batches
from pegboard._models import llm as _llm
from pegboard._models import run_stream as _run_stream
from pegboard._models import stream as _stream

from ._twins import Blocking, Portal, blocking

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pegboard._models.bounds import RunParameters
    from pegboard._models.prompt import Parameters, Prompt
    from pegboard._models.run import Run, TypedRun
    from pegboard.contracts.batches import Batch, BatchResult
    from pegboard.contracts.chat import Reply, StreamEvent
    from pegboard.contracts.models import PullProgress


Value = TypeVar("Value")


class ReplyStream:
    """A reply, piece by piece; see ``pegboard.ReplyStream``."""

    def __init__(self, original: _stream.ReplyStream, portal: Portal) -> None:
        self._original = original
        self._portal = portal

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __iter__(self) -> Iterator[StreamEvent]:
        return self._portal.iterate(aiter(self._original))

    @property
    def text(self) -> Iterator[str]:
        """The words of the reply as they arrive."""
        return self._portal.iterate(self._original.text)

    @property
    def reply(self) -> Reply:
        """The reply so far; its ``finish_reason`` is ``cut`` until the last event."""
        return self._original.reply

    def close(self) -> None:
        """End the stream, which stops the work at the other end."""
        self._portal.call(self._original.aclose())


class Batches(Blocking):
    """Requests that are handed in together; see ``LLM.batches``."""

    _original: _batches.Batches

    submit = blocking(_batches.Batches.submit)
    get = blocking(_batches.Batches.get)
    cancel = blocking(_batches.Batches.cancel)

    def watch(self, batch_id: str, *, every: float = 60.0) -> Iterator[Batch]:
        """Yield how far the batch is, at first and whenever that has changed."""
        return self._portal.iterate(self._original.watch(batch_id, every=every))

    def results(self, batch_id: str) -> Iterator[BatchResult]:
        """Yield what became of each request, in any order."""
        return self._portal.iterate(self._original.results(batch_id))


class TypedStream(ReplyStream, Generic[Value]):
    """A reply that is a value, growing; see ``pegboard.TypedStream``."""

    _original: _stream.TypedStream[Value]

    @property
    def partial(self) -> Iterator[Any]:
        """What there is of the value as it grows, as plain JSON values."""
        return self._portal.iterate(self._original.partial)

    @property
    def output(self) -> Value:
        """The value, once the stream has ended."""
        return self._original.output


class RunStream(Generic[Value]):
    """A run, piece by piece; see ``pegboard.RunStream``."""

    def __init__(self, original: _run_stream.RunStream[Value], portal: Portal) -> None:
        self._original = original
        self._portal = portal

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __iter__(self) -> Iterator[_run_stream.RunEvent]:
        return self._portal.iterate(aiter(self._original))

    @property
    def text(self) -> Iterator[str]:
        """The words of all replies as they arrive."""
        return self._portal.iterate(self._original.text)

    @property
    def run(self) -> Value:
        """What came of it, once it has ended."""
        return self._original.run

    def close(self) -> None:
        """End the run, and all that it does."""
        self._portal.call(self._original.aclose())


class LLM(Blocking):
    """A language model; see ``pegboard.LLM``."""

    _original: _llm.LLM

    complete = blocking(_llm.LLM.complete)
    complete_json = blocking(_llm.LLM.complete_json)
    run = blocking(_llm.LLM.run)
    embed = blocking(_llm.LLM.embed)
    generate_images = blocking(_llm.LLM.generate_images)
    speak = blocking(_llm.LLM.speak)
    transcribe = blocking(_llm.LLM.transcribe)
    list_models = blocking(_llm.LLM.list_models)
    count_tokens = blocking(_llm.LLM.count_tokens)

    def pull_model(self, model: str) -> Iterator[PullProgress]:
        """Fetch *model* to the server, and yield how far it is."""
        return self._portal.iterate(self._original.pull_model(model))

    @property
    def batches(self) -> Batches:
        """Many requests at once, which the service answers when it has time."""
        return Batches(self._original.batches, self._portal)

    @overload
    def stream(
        self, prompt: Prompt, **parameters: Unpack[Parameters]
    ) -> ReplyStream: ...

    @overload
    def stream(
        self,
        prompt: Prompt,
        *,
        output: TypeForm[Value],
        **parameters: Unpack[Parameters],
    ) -> TypedStream[Value]: ...

    def stream(
        self, prompt: Prompt, *, output: Any = None, **parameters: Unpack[Parameters]
    ) -> Any:
        """Return the reply to *prompt* as a stream of its pieces."""
        original = self._original.stream(prompt, output=output, **parameters)
        kind = ReplyStream if output is None else TypedStream
        return kind(original, self._portal)

    @overload
    def run_stream(
        self, prompt: Prompt, **parameters: Unpack[RunParameters]
    ) -> RunStream[Run]: ...

    @overload
    def run_stream(
        self,
        prompt: Prompt,
        *,
        output: TypeForm[Value],
        **parameters: Unpack[RunParameters],
    ) -> RunStream[TypedRun[Value]]: ...

    def run_stream(
        self, prompt: Prompt, *, output: Any = None, **parameters: Unpack[RunParameters]
    ) -> Any:
        """Return a run, see ``run``, as a stream of what happens in it."""
        original = self._original.run_stream(prompt, output=output, **parameters)
        return RunStream(original, self._portal)

    @property
    def address(self) -> str:
        """The address in settings, errors and logs."""
        return self._original.address

    @property
    def capabilities(self) -> frozenset[str]:
        """What the provider claims of requests, with these settings."""
        return self._original.capabilities

    @property
    def abilities(self) -> frozenset[str]:
        """What the provider can do with these settings, such as ``embeddings``."""
        return self._original.abilities
