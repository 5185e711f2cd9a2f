"""
Models of a service over HTTP that each break one promise, and the kit run against them.

Not collected by itself: ``test_faults_kit.py`` runs it and looks at what fails.
"""

from __future__ import annotations

import json
from contextlib import aclosing
from typing import Any, ClassVar

import httpx
import pytest
from pegboard import (
    Finished,
    LLMProvider,
    Options,
    PerLoop,
    Reply,
    Text,
    TextDelta,
    Usage,
    hookimpl,
    time_left,
)
from pegboard.errors import (
    CallError,
    ConnectionFailed,
    InvalidReply,
    RateLimited,
    Timeout,
    Unavailable,
)
from pegboard.http import error_class, retry_after
from pegboard.testing.faults import FaultyServiceContract
from pegboard.testing.scripted import Scripted, json_line
from pydantic import SecretStr

FAILED = "It failed."
NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout)


class PlainOptions(Options):
    base_url: str
    api_key: SecretStr = SecretStr("right")


class Sound:
    """A model that keeps every promise, of a service that says one word a line."""

    caught_by: ClassVar[str] = ""
    """The test that has to fail."""

    def __init__(self, options, context):
        self.url = options.base_url
        self.clock = context.clock
        self.clients = PerLoop(httpx.AsyncClient, lambda client: client.aclose())

    async def complete(self, _):
        """Ask for all words at once."""
        try:
            response = await self.post()
            return self.reply_of(self.read(response.content))
        except httpx.HTTPError as error:
            raise self.told(error) from error

    async def stream(self, _):
        """Ask for the words one by one."""
        began = False
        try:
            async with aclosing(self.events()) as events:
                async for event in events:
                    began = True
                    yield event
        except CallError as error:
            error.in_stream = began
            raise
        except httpx.HTTPError as error:
            ours = self.told(error)
            ours.in_stream = began
            raise ours from error

    async def events(self):
        """Read lines up to the one that ends it."""
        client = await self.clients.get()
        async with client.stream("POST", self.url, timeout=time_left()) as response:
            if response.status_code >= 400:
                await response.aread()
                self.check(response)
            async for line in response.aiter_lines():
                said = self.read(line)
                if said.get("end"):
                    yield Finished(finish_reason="stop", model="plain")
                    return
                yield TextDelta(said["word"])
        self.cut()

    async def post(self):
        """Return the answer, if it is one."""
        client = await self.clients.get()
        response = await client.post(self.url, timeout=time_left())
        self.check(response)
        return response

    def check(self, response):
        """Raise if the service refuses."""
        if response.status_code < 400:
            return
        msg = f"It answered {response.status_code}: {response.text}"
        raise error_class(response.status_code)(
            msg,
            status=response.status_code,
            retry_after=self.wait_of(response),
        )

    def wait_of(self, response):
        """Return how long the service wants to be left alone."""
        return retry_after(response.headers, now=self.clock())

    def read(self, text: Any):
        """Return the JSON object that *text* is."""
        try:
            said = json.loads(text)
        except ValueError as error:
            msg = "It is not JSON."
            raise InvalidReply(msg) from error
        if isinstance(said, dict) and (said.get("end") or "word" in said):
            return said
        msg = "It is no answer."
        raise InvalidReply(msg)

    def reply_of(self, said):
        """Return the reply that was said."""
        return Reply(
            parts=(Text(said["word"]),),
            finish_reason="stop",
            usage=Usage(estimated=True),
            model="plain",
        )

    def cut(self):
        """Say that the stream had no end."""
        msg = "The stream was cut off."
        raise ConnectionFailed(msg)

    def told(self, error):
        """Return what *error* is in pegboard's terms."""
        sent = "no" if isinstance(error, NOT_SENT) else "maybe"
        kind = (
            Timeout if isinstance(error, httpx.TimeoutException) else ConnectionFailed
        )
        return kind(str(error) or type(error).__name__, request_sent=sent)

    async def aclose(self):
        """Close the connections."""
        await self.clients.aclose()


class RetriesByItself(Sound):
    caught_by = "test_what_may_pass_is_sent_as_often_as_the_policy_says"

    async def post(self):
        try:
            return await super().post()
        except CallError:
            return await super().post()


class RetriesWhatIsHopeless(Sound):
    caught_by = "test_what_is_hopeless_is_sent_once"

    def check(self, response):
        if response.status_code >= 400:
            raise Unavailable(FAILED, status=response.status_code)


class GivesUpAtOnce(Sound):
    caught_by = "test_what_may_pass_is_sent_as_often_as_the_policy_says"

    def check(self, response):
        if response.status_code >= 400:
            raise InvalidReply(FAILED, status=response.status_code)


class IgnoresTheWait(Sound):
    caught_by = "test_wait_that_is_asked_for_is_known"

    def wait_of(self, _):
        return None


class ReadsOnlySeconds(Sound):
    caught_by = "test_wait_that_is_asked_for_is_known"

    def wait_of(self, response):
        value = response.headers.get("retry-after", "")
        return float(value) if value.replace(".", "").isdigit() else None


class BelievesAnyWait(Sound):
    caught_by = "test_senseless_wait_is_ignored"

    def check(self, response):
        if response.status_code == 429:
            wait = float(response.headers.get("retry-after") or 0)
            raise RateLimited(FAILED, status=429, retry_after=wait)
        super().check(response)


class SaysItWasSent(Sound):
    caught_by = "test_nobody_there_is_told"

    def told(self, _):
        return ConnectionFailed(FAILED, request_sent="maybe")


class SaysItWasNotSent(Sound):
    caught_by = "test_lost_connection_is_told"

    def told(self, _):
        return ConnectionFailed(FAILED, request_sent="no")


class LetsErrorsThrough(Sound):
    caught_by = "test_something_else_is_an_error"

    def read(self, text):
        return json.loads(text)


class TakesAnythingForAnAnswer(Sound):
    caught_by = "test_something_else_is_an_error"

    def read(self, text):
        try:
            return {"word": "", "end": True, **json.loads(text)}
        except (TypeError, ValueError):
            return {"word": "", "end": True}


class TakesHalfForWhole(Sound):
    caught_by = "test_half_an_answer_is_an_error"

    def read(self, text):
        try:
            return super().read(text)
        except InvalidReply:
            return {"word": "Hel"}


class TakesTheCutForTheEnd(Sound):
    caught_by = "test_stream_says_nothing_twice"

    async def events(self):
        try:
            async with aclosing(super().events()) as events:
                async for event in events:
                    yield event
        except (CallError, httpx.HTTPError):
            yield Finished(finish_reason="stop", model="plain")


class BeginsAnew(Sound):
    """Asks again by itself when a stream breaks."""

    caught_by = "test_stream_says_nothing_twice"

    async def events(self):
        try:
            async with aclosing(super().events()) as events:
                async for event in events:
                    yield event
        except (CallError, httpx.HTTPError):
            async with aclosing(super().events()) as events:
                async for event in events:
                    yield event


class ReadsChunksAsLines(Sound):
    caught_by = "test_drops_are_a_stream"

    async def events(self):
        client = await self.clients.get()
        async with client.stream("POST", self.url, timeout=time_left()) as response:
            self.check(response)
            async for chunk in response.aiter_text():
                said = self.read(chunk)
                if said.get("end"):
                    yield Finished(finish_reason="stop", model="plain")
                    return
                yield TextDelta(said["word"])


class ReadsToTheEnd(Sound):
    """Takes all off the wire before it says the first word."""

    caught_by = "test_left_stream_is_closed"

    async def events(self):
        async with aclosing(super().events()) as events:
            everything = [event async for event in events]
        for event in everything:
            yield event


class ForgetsToClose(Sound):
    caught_by = "test_left_stream_is_closed"
    kept: ClassVar[list] = []

    async def stream(self, _):
        events = self.events()
        self.kept.append(events)
        async for event in events:
            yield event


class WorksOn(Sound):
    """Leaves a call to itself, so that cancelling does not reach the service."""

    caught_by = "test_cancelled_call_is_closed"
    tasks: ClassVar[list] = []

    async def complete(self, request):
        import asyncio  # noqa: PLC0415

        self.tasks.append(asyncio.ensure_future(super().complete(request)))
        return await asyncio.shield(self.tasks[-1])


class ShowsTheKey(Sound):
    caught_by = "test_errors_show_no_secret"

    def check(self, response):
        if response.status_code >= 400:
            error = error_class(response.status_code)(
                "No.", status=response.status_code
            )
            error.code = response.text
            raise error


class Offer:
    """A plugin with one of the models above."""

    def __init__(self, model):
        self.model = model

    @hookimpl
    def pegboard_llm_providers(self):
        """Offer the model under a name of its own."""
        return [
            LLMProvider(
                name="sample",
                factory=self.model,
                options=PlainOptions,
                contracts={"ChatModel": 1, "StreamingChat": 1},
            )
        ]


class Kit(FaultyServiceContract):
    """The kit, for one of the models."""

    __test__ = False
    patience = 0.5
    model: ClassVar[type[Sound]]
    whole = Scripted.json({"word": "Hello."})
    stream = Scripted.lines(
        json_line({"word": "Hel"}), json_line({"word": "lo."}), json_line({"end": True})
    )

    @pytest.fixture
    def plugins(self):
        """Return what offers the model."""
        return [Offer(self.model)]

    @pytest.fixture
    def settings(self, server):
        """Return the settings of a model at the server."""
        return {"provider": "sample", "base_url": server.url, "api_key": "k"}


MODELS = [kind for kind in [*vars().values()] if isinstance(kind, type)]
globals().update(
    {
        f"Test{model.__name__}": type(
            f"Test{model.__name__}", (Kit,), {"model": model, "__test__": True}
        )
        for model in MODELS
        if issubclass(model, Sound)
    }
)
