"""
Models that each break one promise besides chat, and the kits run against them.

Not collected by itself: ``test_abilities_kit.py`` runs it and looks at what fails.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from itertools import count
from typing import ClassVar, get_args

import pytest
from pegboard import BatchResult, Image, LLMProvider, ModelEntry, PullProgress, hookimpl
from pegboard.builtin.fake import FakeModel, FakeOptions
from pegboard.builtin.plugin import OF_MODELS
from pegboard.contracts.chat import Capability
from pegboard.errors import Unavailable
from pegboard.testing import abilities

BATCHES: dict = {}
"""The service of all boards: batches outlive them."""


class Sound(FakeModel):
    """A model that keeps every promise."""

    caught_by: ClassVar[str] = ""
    """The test that has to fail."""

    def __init__(self, options, context):
        super().__init__(options, context)
        self.calls = count(1)
        shared = BATCHES.setdefault(type(self), ({}, {}, {}, count(1)))
        self._items, self._batches, self._results, self._numbers = shared


class ShufflesVectors(Sound):
    caught_by = "test_order_is_kept"

    async def embed(self, request):
        made = await super().embed(request)
        return replace(made, vectors=tuple(sorted(made.vectors)))


class GivesOneVectorForAll(Sound):
    caught_by = "test_order_is_kept"

    async def embed(self, request):
        made = await super().embed(request)
        return replace(made, vectors=(made.vectors[0],) * len(made.vectors))


class DropsWhatIsTooMany(Sound):
    """Takes fewer at once than it says."""

    caught_by = "test_more_texts_than_fit_are_embedded"

    async def embed(self, request):
        return await super().embed(replace(request, texts=request.texts[:10]))


class EmbedsEqualTextsOnce(Sound):
    caught_by = "test_a_text_may_come_twice"

    async def embed(self, request):
        texts = tuple(dict.fromkeys(request.texts))
        return await super().embed(replace(request, texts=texts))


class HasVectorsOfTwoLengths(Sound):
    caught_by = "test_vectors_have_one_length"

    async def embed(self, request):
        made = await super().embed(request)
        return replace(
            made, vectors=tuple(v[: 60 + n] for n, v in enumerate(made.vectors))
        )


class EmbedsAsNothing(Sound):
    caught_by = "test_a_text_has_a_vector"

    async def embed(self, request):
        made = await super().embed(request)
        return replace(made, vectors=tuple((0.0,) * 64 for _ in made.vectors))


class EmbedsAsNaN(Sound):
    caught_by = "test_a_text_has_a_vector"

    async def embed(self, request):
        made = await super().embed(request)
        return replace(made, vectors=tuple((float("nan"),) * 64 for _ in made.vectors))


class CountsNoInput(Sound):
    caught_by = "test_usage_is_counted"

    async def embed(self, request):
        made = await super().embed(request)
        return replace(made, usage=replace(made.usage, input=0))


class HasShorterQueries(Sound):
    caught_by = "test_purposes_are_taken"

    async def embed(self, request):
        made = await super().embed(request)
        if request.purpose != "query":
            return made
        return replace(made, vectors=tuple(v[:10] for v in made.vectors))


class BelongsToOneLoop(Sound):
    caught_by = "test_event_loops_may_follow_each_other"
    loop = None

    async def embed(self, request):
        self.loop = self.loop or asyncio.get_running_loop()
        if self.loop is not asyncio.get_running_loop():
            msg = "attached to a different loop"
            raise RuntimeError(msg)
        return await super().embed(request)


class KeepsAPermit(Sound):
    caught_by = "test_a_cancelled_call_leaves_nothing"

    async def embed(self, request):
        self.permit = getattr(self, "permit", None) or asyncio.Semaphore(1)
        await asyncio.wait_for(self.permit.acquire(), 0.2)
        await asyncio.sleep(0)
        made = await super().embed(request)
        self.permit.release()
        return made


class PaintsOnlyOne(Sound):
    caught_by = "test_several_pictures_are_painted"

    async def generate_images(self, request):
        return await super().generate_images(replace(request, count=1))


class GivesAnAddress(Sound):
    caught_by = "test_a_picture_is_painted"

    async def generate_images(self, request):
        made = await super().generate_images(request)
        return replace(made, images=(Image("https://example.com/a.png"),))


class MistakesTheType(Sound):
    caught_by = "test_a_picture_is_painted"

    async def generate_images(self, request):
        made = await super().generate_images(request)
        pictures = tuple(replace(p, media_type="image/jpeg") for p in made.images)
        return replace(made, images=pictures)


class IsSilent(Sound):
    caught_by = "test_words_become_sound"

    async def speak(self, request):
        return replace(await super().speak(request), audio=b"")


class HearsNothing(Sound):
    caught_by = "test_sound_becomes_words"

    async def transcribe(self, request):
        return replace(await super().transcribe(request), text="")


class LosesAResult(Sound):
    caught_by = "test_a_batch_is_answered"

    async def batch_results(self, batch_id):
        first = True
        async for result in super().batch_results(batch_id):
            if not first:
                yield result
            first = False


class MixesUpIds(Sound):
    """Matches results by their place, as if they came in order."""

    caught_by = "test_a_batch_is_answered"

    async def batch_results(self, batch_id):
        async for result in super().batch_results(batch_id):
            yield BatchResult("item-0", result.reply)


class NeverCounts(Sound):
    caught_by = "test_a_batch_is_answered"

    async def get_batch(self, batch_id):
        return replace(await super().get_batch(batch_id), succeeded=0)


class ForgetsBatches(Sound):
    caught_by = "test_a_batch_outlives_the_board"

    def __init__(self, options, context):
        super().__init__(options, context)
        self._items, self._batches, self._results = {}, {}, {}


class CallsAMissingBatchAnOutage(Sound):
    caught_by = "test_an_unknown_batch_is_not_found"

    async def get_batch(self, batch_id):
        if batch_id not in self._batches:
            msg = "Something went wrong."
            raise Unavailable(msg)
        return await super().get_batch(batch_id)


class GoesOn(Sound):
    caught_by = "test_a_batch_can_be_cancelled"

    async def cancel_batch(self, batch_id):
        return self._batches[batch_id]


class ListsTwice(Sound):
    caught_by = "test_models_are_listed"

    async def list_models(self):
        return (await super().list_models()) * 2


class HasNoZone(Sound):
    caught_by = "test_times_have_a_zone"

    async def list_models(self):
        from datetime import datetime  # noqa: PLC0415

        return (ModelEntry(id="m", retires_at=datetime(2026, 1, 1)),)  # noqa: DTZ001


class FetchesMoreThanThereIs(Sound):
    caught_by = "test_a_model_is_fetched"

    async def pull_model(self, model):
        yield PullProgress(f"fetching {model}", 20, 10)


class FetchesAnything(Sound):
    caught_by = "test_a_missing_model_is_not_found"

    async def pull_model(self, model):
        yield PullProgress(f"there is no {model}")


class CountsTheLastMessage(Sound):
    caught_by = "test_all_of_a_request_is_counted"

    async def count_tokens(self, request):
        return await super().count_tokens(
            replace(request, messages=request.messages[-1:])
        )


class CountsMessages(Sound):
    caught_by = "test_tokens_are_counted"

    async def count_tokens(self, request):
        return len(request.messages)


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
                options=FakeOptions,
                contracts=dict.fromkeys(OF_MODELS, 1),
                capabilities=frozenset(get_args(Capability)),
            )
        ]


class Kits(
    abilities.EmbedderContract,
    abilities.ImageGeneratorContract,
    abilities.SpeechModelContract,
    abilities.TranscriptionModelContract,
    abilities.BatchChatContract,
    abilities.ModelCatalogContract,
    abilities.ModelPullerContract,
    abilities.TokenCounterContract,
):
    """All kits, for one of the models."""

    __test__ = False
    patience = 0.2
    pulled = "anything"
    missing = "missing"
    model: ClassVar[type[Sound]]

    @pytest.fixture
    def plugins(self):
        """Return what offers the model."""
        return [Offer(self.model)]

    @pytest.fixture
    def settings(self):
        """Return settings that do not wait long for what hangs."""
        return {"provider": "sample", "policy": {"attempts": 1, "deadline": 1}}

    @pytest.fixture
    async def audio(self, llm):
        """Return what the same model says."""
        return (await llm.speak("Two pegs are on the board.")).audio


MODELS = [kind for kind in [*vars().values()] if isinstance(kind, type)]
globals().update(
    {
        f"Test{model.__name__}": type(
            f"Test{model.__name__}", (Kits,), {"model": model, "__test__": True}
        )
        for model in MODELS
        if issubclass(model, Sound)
    }
)
