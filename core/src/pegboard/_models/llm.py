"""The facade over a language model, whoever provides it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn, TypeVar, overload

from pegboard.contracts.chat import ChatRequest, Reply, Usage
from pegboard.deadline import shared_deadline
from pegboard.draft import Draft, estimated_usage
from pegboard.errors import CallError

from .abilities import Abilities
from .batches import Batches
from .bounds import parted
from .claims import honoured
from .corrections import CORRECTIONS, fitting
from .output import Fitting, JsonObject, Output, Taken, through, typed
from .prompt import request_of
from .run import looped, runnable
from .run_stream import RunStream
from .stream import ReplyStream, TypedStream, given_by, said_by

if TYPE_CHECKING:
    from collections.abc import Iterator

    from typing_extensions import TypeForm, Unpack

    from .bounds import Bounds, RunParameters
    from .corrections import Expected
    from .output import TypedReply
    from .prompt import Parameters, Prompt
    from .run import Run, TypedRun
    from .run_stream import Tell

Value = TypeVar("Value")
NOT_COUNTED = Usage(estimated=True)
ANY_OBJECT: Mapping[str, Any] = {"type": "object"}


class _AskedRun(NamedTuple):
    """What a run is asked to do."""

    request: ChatRequest
    dropped: tuple[str, ...]
    bounds: Bounds
    taken: Taken[Any] | None


class LLM(Abilities):
    """A language model. Get one from ``Pegboard.llm``."""

    def __repr__(self) -> str:
        return f"<LLM {self._model.address}: {self._model.provider}>"

    def __reduce__(self) -> NoReturn:
        msg = f"{self!r} belongs to its board and cannot be pickled."
        raise TypeError(msg)

    @property
    def batches(self) -> Batches:
        """Many requests at once, which the service answers when it has time."""
        return Batches(self._model, self._refuse_without, self._request)

    @overload
    async def complete(
        self,
        prompt: Prompt,
        *,
        corrections: int = ...,
        **parameters: Unpack[Parameters],
    ) -> Reply: ...

    @overload
    async def complete(
        self,
        prompt: Prompt,
        *,
        output: TypeForm[Value],
        corrections: int = ...,
        **parameters: Unpack[Parameters],
    ) -> TypedReply[Value]: ...

    async def complete(
        self,
        prompt: Prompt,
        *,
        output: Any = None,
        corrections: int = CORRECTIONS,
        **parameters: Unpack[Parameters],
    ) -> Any:
        """
        Return the reply to *prompt*: words, a message or a conversation.

        Args:
            prompt: What is said to the model.
            output: A type, such as a pydantic model. The reply then has an ``output``
                of it.
            corrections: How often the model may correct a reply that does not fit
                *output* or the ``schema``, all within the deadline of one call.
            parameters: How the reply should be.

        Raises:
            Unsupported: The provider cannot honour a parameter; nothing was sent.
            InvalidReply: The reply does not fit.
            CallError: The call failed.

        """
        self._refuse_without("chat", "complete")
        if output is None and parameters.get("schema") is None:
            request, dropped = self._request("complete", prompt, parameters)
            return await self._answer(request, dropped)
        with self._placing("complete"):
            if output is None:
                fit = Fitting(parameters["schema"])
                return (await self._fitting(parameters, prompt, fit, corrections))[0]
            form = Output(output)
            given = through(form, parameters, self.capabilities)
            reply, value = await self._fitting(given, prompt, form, corrections)
            return typed(reply, value)

    async def complete_json(
        self,
        prompt: Prompt,
        *,
        corrections: int = CORRECTIONS,
        **parameters: Unpack[Parameters],
    ) -> dict[str, Any]:
        """
        Return the reply to *prompt* as a JSON object that fits the ``schema``.

        Raises:
            Unsupported: The provider cannot hold its reply to a schema.
            InvalidReply: The reply is not a JSON object or does not fit.
            CallError: The call failed.

        """
        self._refuse_without("chat", "complete")
        form = JsonObject(parameters.setdefault("schema", ANY_OBJECT))
        with self._placing("complete"):
            _, value = await self._fitting(parameters, prompt, form, corrections)
        found: dict[str, Any] = value
        return found

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
        """
        Return the reply to *prompt* as a stream of its pieces.

        With *output*, a type, the stream has the growing value too. Nothing is
        corrected: what was shown cannot be taken back.

        Raises:
            Unsupported: The provider cannot stream, or not honour a parameter.

        """
        self._refuse_without("streaming", "stream", "Use complete instead.")
        with self._placing("stream"):
            form = None if output is None else Output(output)
            given = through(form, parameters, self.capabilities) if form else parameters
        request, dropped = self._request("stream", prompt, given)
        source, draft = self._model.handle.stream(request), Draft(request, dropped)
        placed = partial(self._placed, operation="stream")
        if form is not None:
            json_of = given_by if request.schema is None else said_by
            return TypedStream(
                source, draft, output=form, json_of=json_of, placed=placed
            )
        read = None if request.schema is None else Fitting(request.schema).read
        return ReplyStream(source, draft, read=read, placed=placed)

    @overload
    async def run(self, prompt: Prompt, **parameters: Unpack[RunParameters]) -> Run: ...

    @overload
    async def run(
        self,
        prompt: Prompt,
        *,
        output: TypeForm[Value],
        **parameters: Unpack[RunParameters],
    ) -> TypedRun[Value]: ...

    async def run(
        self,
        prompt: Prompt,
        *,
        output: Any = None,
        **parameters: Unpack[RunParameters],
    ) -> Any:
        """
        Let the model answer *prompt* with its ``tools``, until it is done.

        The tools that it asks for are called, several at once; what they return or
        why they failed is told to it.

        Args:
            prompt: What is said to the model.
            output: A type, such as a pydantic model. The run then has an ``output``
                of it.
            parameters: How replies should be, the ``tools``, and what bounds the run.

        Raises:
            Unsupported: The provider cannot honour a parameter; nothing was sent.
            BoundReached: ``max_rounds`` or ``max_cost`` was reached.
            DeadlineExceeded: The ``timeout`` was.
            RunStopped: A tool raised it.
            CallError: A call failed. All of these hold the run so far as ``partial``.

        """
        self._refuse_without("chat", "run")
        with self._placing("run"):
            asked = self._run_of("run", prompt, output, parameters)
            return await looped(
                self._model,
                asked.request,
                answer=lambda request: self._answer(request, asked.dropped),
                bounds=asked.bounds,
                taken=asked.taken,
            )

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
        """
        Return a run, see ``run``, as a stream of what happens in it.

        Raises:
            Unsupported: The provider cannot stream, or not honour a parameter.

        """
        self._refuse_without("streaming", "run_stream", "Use run instead.")
        with self._placing("run_stream"):
            asked = self._run_of("run_stream", prompt, output, parameters)

        async def work(tell: Tell) -> Run:
            with self._placing("run_stream"):
                return await looped(
                    self._model,
                    asked.request,
                    answer=lambda request: self._told(request, asked.dropped, tell),
                    bounds=asked.bounds,
                    taken=asked.taken,
                    tell=tell,
                )

        return RunStream(work)

    async def count_tokens(
        self, prompt: Prompt, **parameters: Unpack[Parameters]
    ) -> int:
        """
        Return how many tokens a request has, without having it answered.

        Raises:
            Unsupported: The provider does not count; nothing was sent.
            CallError: The call failed.

        """
        self._refuse_without("token_count", "count_tokens")
        request, _ = self._request("count_tokens", prompt, parameters)
        tokens: int = await self._model.handle.count_tokens(request)
        return tokens

    def _run_of(
        self, operation: str, prompt: Prompt, output: Any, parameters: RunParameters
    ) -> _AskedRun:
        given, bounds = parted(parameters)
        taken = None if output is None else Taken(Output(output))
        given["tools"] = runnable(given.get("tools", ()), taken)
        request, dropped = self._request(operation, prompt, given)
        return _AskedRun(request, dropped, bounds, taken)

    async def _told(
        self, request: ChatRequest, dropped: tuple[str, ...], tell: Tell
    ) -> Reply:
        """Return the reply to *request*, and *tell* of its pieces meanwhile."""
        source, draft = self._model.handle.stream(request), Draft(request, dropped)
        placed = partial(self._placed, operation="run_stream")
        async with ReplyStream(source, draft, read=None, placed=placed) as stream:
            async for event in stream:
                tell(event)
        return stream.reply

    async def _answer(
        self, request: ChatRequest, dropped: tuple[str, ...] = ()
    ) -> Reply:
        reply: Reply = await self._model.handle.complete(request)
        if reply.usage == NOT_COUNTED:
            reply = replace(reply, usage=estimated_usage(request, reply.parts))
        return replace(reply, dropped=dropped) if dropped else reply

    async def _fitting(
        self,
        parameters: Parameters,
        prompt: Prompt,
        expected: Expected,
        corrections: int,
    ) -> tuple[Reply, Any]:
        request, dropped = self._request("complete", prompt, parameters)
        end = asyncio.get_running_loop().time() + self._model.deadline
        with shared_deadline(end):
            return await fitting(
                lambda request: self._answer(request, dropped),
                request,
                expected,
                corrections,
            )

    @contextmanager
    def _placing(self, operation: str) -> Iterator[None]:
        """Have the errors that come from here say so."""
        try:
            yield
        except CallError as error:
            if error.address is None:
                self._placed(error, operation)
            raise

    def _request(
        self, operation: str, prompt: Prompt, parameters: Parameters
    ) -> tuple[ChatRequest, tuple[str, ...]]:
        """Return what to send, and the names of what is left out of it."""
        try:
            return honoured(request_of(prompt, parameters), self._model)
        except CallError as error:
            raise self._placed(error, operation) from error.__cause__
