"""
Prove that a provider keeps the contracts of language models besides those of chat.

    from pegboard.testing.abilities import BatchChatContract, EmbedderContract


    class TestEmbeddings(EmbedderContract):
        @pytest.fixture
        def settings(self, server):
            return {"provider": "openai", "model": "small", "base_url": server.url}

The fixture ``settings`` returns what stands in the settings of an instance. The tests
look at the shape of what comes back, never at how good it is. What cannot be kept is
left out with a reason; see ``pegboard.testing.standard``.
"""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from pegboard import LLM, Embeddings, Image, Usage
from pegboard.errors import InvalidRequest, NotFound, PegboardError, Unsupported

from ._media import PICTURE
from ._model_kit import ONCE, THREADS, MakeBoard, ModelKit, nothing
from .cancellation import cancel_at_every_await
from .leaks import no_leaks

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pegboard import Batch, BatchResult

NEAR = 1e-3
"""What the numbers of one text may differ by, from call to call."""
IMAGE_STARTS: Mapping[str, bytes] = {
    "image/png": b"\x89PNG\r\n\x1a\n",
    "image/jpeg": b"\xff\xd8\xff",
    "image/webp": b"RIFF",
    "image/gif": b"GIF8",
}
"""What files of these types begin with."""


@pytest.mark.asyncio
class EmbedderContract(ModelKit):
    """What every Embedder must do. Inherit it and give the fixture ``settings``."""

    many: ClassVar[int] = 40
    """More texts than go into one request, where that is not much more."""

    async def test_a_text_has_a_vector(self, llm: LLM) -> None:
        """One text makes one vector of finite numbers, not all of them zero."""
        made = await llm.embed("A board with holes and pegs.")

        (vector,) = made.vectors
        assert made.model
        assert all(math.isfinite(number) for number in vector)
        assert any(vector)

    async def test_vectors_have_one_length(self, llm: LLM) -> None:
        """All vectors of a model have as many dimensions."""
        made = await llm.embed(["short", "a text that is somewhat longer", "été 你好"])

        assert len(made.vectors) == 3
        assert len({len(vector) for vector in made.vectors}) == 1

    async def test_order_is_kept(self, llm: LLM) -> None:
        """The vectors stand in the order of the texts."""
        texts = ["ice", "a fire in the night", "seventeen"]
        forth = await llm.embed(texts)
        back = await llm.embed(texts[::-1])

        for one, other in zip(forth.vectors, back.vectors[::-1], strict=True):
            assert _distance(one, other) < NEAR
        assert _distance(forth.vectors[0], forth.vectors[1]) > NEAR

    async def test_more_texts_than_fit_are_embedded(self, llm: LLM) -> None:
        """However many texts there are, each has its vector, in its place."""
        texts = [f"This is text number {number}." for number in range(self.many)]
        made = await llm.embed(texts)
        last = await llm.embed(texts[-1])

        assert len(made.vectors) == self.many
        assert _distance(made.vectors[-1], last.vectors[0]) < NEAR

    async def test_a_text_may_come_twice(self, llm: LLM) -> None:
        """Equal texts are embedded like any others."""
        made = await llm.embed(["twice", "once", "twice"])

        assert len(made.vectors) == 3
        assert _distance(made.vectors[0], made.vectors[2]) < NEAR

    async def test_purposes_are_taken(self, llm: LLM) -> None:
        """A query and a document have vectors that can be compared."""
        query = await llm.embed("Where is it warm?", purpose="query")
        document = await llm.embed("It is warm by the fire.", purpose="document")

        assert len(query.vectors[0]) == len(document.vectors[0])

    async def test_usage_is_counted(self, llm: LLM) -> None:
        """The service says what was read; nothing is written."""
        usage = (await llm.embed("A board with holes and pegs.")).usage

        assert usage.input > 0
        assert usage.output == usage.reasoning == 0

    @pytest.mark.parametrize("texts", [[], ["text", None], [b"bytes"]])
    async def test_what_is_no_text_is_refused(self, llm: LLM, texts: Any) -> None:
        """Nothing is sent that cannot be embedded."""
        with pytest.raises(InvalidRequest):
            await llm.embed(texts)

    async def test_calls_at_the_same_time_are_answered(self, llm: LLM) -> None:
        """Several calls of one loop do not disturb each other."""
        made = await asyncio.gather(*(llm.embed(f"{n} x {n}") for n in range(THREADS)))

        assert all(isinstance(one, Embeddings) for one in made)

    async def test_a_cancelled_call_leaves_nothing(self, make_board: MakeBoard) -> None:
        """Wherever a call is cancelled, it stops and leaves nothing behind."""
        async with no_leaks(patience=self.patience), make_board() as board:
            llm = board.llm("kit")
            await cancel_at_every_await(lambda: llm.embed("text"), nothing)

            assert (await llm.embed("text")).vectors

    async def test_event_loops_may_follow_each_other(
        self, make_board: MakeBoard
    ) -> None:
        """One board serves several ``asyncio.run``, and nothing is left of any."""
        board = make_board(policy=ONCE)

        def run_twice() -> list[Embeddings]:
            return [asyncio.run(_embed(board.llm("kit"))) for _ in range(2)]

        async with no_leaks(patience=self.patience):
            made = await asyncio.to_thread(run_twice)
            await board.aclose()

        assert all(one.vectors for one in made)

    async def test_use_after_closing_is_an_error(self, make_board: MakeBoard) -> None:
        """A model of a closed board says so, before anything is sent."""
        async with make_board() as board:
            llm = board.llm("kit")

        with pytest.raises(PegboardError, match="closed"):
            await llm.embed("text")


@pytest.mark.asyncio
class ImageGeneratorContract(ModelKit):
    """What every ImageGenerator must do. Inherit it and give ``settings``."""

    size: ClassVar[str | None] = None
    """A size that the service knows; None leaves it to the service."""

    async def test_a_picture_is_painted(self, llm: LLM) -> None:
        """There is one picture, as bytes of the type that it is said to be."""
        painted = await llm.generate_images("a red circle", size=self.size)

        (picture,) = painted.images
        assert painted.model
        _assert_is_picture(picture)

    async def test_several_pictures_are_painted(self, llm: LLM) -> None:
        """As many come back as were asked for."""
        painted = await llm.generate_images("a red circle", count=2, size=self.size)

        assert len(painted.images) == 2

    async def test_image_editing_is_done_or_refused(self, llm: LLM) -> None:
        """Claimed, a picture is made of another; not claimed, nothing is sent."""
        work = llm.generate_images("the same in blue", images=[Image(PICTURE)])
        if "image_editing" not in llm.capabilities:
            with pytest.raises(Unsupported):
                await work
            return

        for picture in (await work).images:
            _assert_is_picture(picture)

    async def test_no_picture_is_not_painted(self, llm: LLM) -> None:
        """Who asks for none has made a mistake."""
        with pytest.raises(InvalidRequest):
            await llm.generate_images("a red circle", count=0)

    async def test_usage_is_sound(self, llm: LLM) -> None:
        """Where tokens are counted, no bucket is negative."""
        painted = await llm.generate_images("a red circle", size=self.size)

        assert painted.usage is None or _is_sound(painted.usage)


@pytest.mark.asyncio
class SpeechModelContract(ModelKit):
    """What every SpeechModel must do. Inherit it and give ``settings``."""

    async def test_words_become_sound(self, llm: LLM) -> None:
        """There are bytes, and what they are is said."""
        speech = await llm.speak("Two pegs are on the board.")

        assert speech.audio
        assert speech.media_type.startswith("audio/")
        assert speech.model

    async def test_speed_is_taken(self, llm: LLM) -> None:
        """Speech may be faster than people talk."""
        assert (await llm.speak("Two pegs are on the board.", speed=1.5)).audio


@pytest.mark.asyncio
class TranscriptionModelContract(ModelKit):
    """
    What every TranscriptionModel must do. Inherit it and give ``settings``.

    It takes another fixture, ``audio``: a WAV file in which something is said.
    """

    async def test_sound_becomes_words(self, llm: LLM, audio: bytes) -> None:
        """There are words, and the name of the model that heard them."""
        heard = await llm.transcribe(audio)

        assert heard.text.strip()
        assert heard.model

    async def test_hints_are_taken(self, llm: LLM, audio: bytes) -> None:
        """A language and words that will be said may be told before."""
        heard = await llm.transcribe(audio, language="en", prompt="pegboard")

        assert heard.text.strip()


@pytest.mark.asyncio
class BatchChatContract(ModelKit):
    """What every BatchChat must do. Inherit it and give ``settings``."""

    every: ClassVar[float] = 0.05
    """Seconds between two looks at a batch."""
    prompts: ClassVar[Mapping[str, str]] = {
        "warm": "Is fire warm? Answer in one word.",
        "cold": "Is ice cold? Answer in one word.",
    }

    async def finish(self, llm: LLM, **parameters: Any) -> Batch:
        """Return a batch that has ended."""
        parameters.setdefault("max_tokens", 100)
        batch = await llm.batches.submit(self.prompts, **parameters)
        async for seen in llm.batches.watch(batch.id, every=self.every):
            batch = seen
        return batch

    async def test_a_batch_is_answered(self, llm: LLM) -> None:
        """Each request has its reply, by the id that the program gave it."""
        batch = await self.finish(llm)
        results = await _results(llm, batch)

        assert batch.state == "done"
        assert (batch.total, batch.succeeded, batch.failed) == (2, 2, 0)
        assert results.keys() == self.prompts.keys()
        for result in results.values():
            assert result.reply is not None
            assert result.reply.text.strip()
            assert result.error is None

    async def test_a_batch_outlives_the_board(self, make_board: MakeBoard) -> None:
        """The id is all that is needed to go on after a new start."""
        async with make_board() as board:
            batch = await self.finish(board.llm("kit"))
        async with make_board() as board:
            llm = board.llm("kit")
            assert (await llm.batches.get(batch.id)).state == "done"
            assert (await _results(llm, batch)).keys() == self.prompts.keys()

    async def test_an_unknown_batch_is_not_found(self, llm: LLM) -> None:
        """An id that the service does not know is told from an outage."""
        with pytest.raises(NotFound):
            await llm.batches.get("batch-that-is-not-there")

    async def test_an_empty_batch_is_refused(self, llm: LLM) -> None:
        """Nothing to ask is a mistake."""
        with pytest.raises(InvalidRequest):
            await llm.batches.submit({})

    async def test_a_batch_can_be_cancelled(self, llm: LLM) -> None:
        """It is going to end, or has ended already."""
        batch = await llm.batches.submit(self.prompts, max_tokens=100)
        cancelled = await llm.batches.cancel(batch.id)

        assert cancelled.id == batch.id
        assert cancelled.state != "running"


@pytest.mark.asyncio
class ModelCatalogContract(ModelKit):
    """What every ModelCatalog must do. Inherit it and give ``settings``."""

    async def test_models_are_listed(self, llm: LLM) -> None:
        """There is at least one, and each has an id of its own."""
        models = await llm.list_models()

        assert models
        assert all(model.id for model in models)
        assert len({model.id for model in models}) == len(models)

    async def test_times_have_a_zone(self, llm: LLM) -> None:
        """When a model retires is a point in time, wherever it is read."""
        for model in await llm.list_models():
            for time in (model.deprecated_at, model.retires_at):
                assert time is None or time.tzinfo is not None


@pytest.mark.asyncio
class ModelPullerContract(ModelKit):
    """What every ModelPuller must do. Inherit it and give ``settings``."""

    pulled: ClassVar[str]
    """A model that the server can fetch."""
    missing: ClassVar[str] = "no-such-model-anywhere"
    """One that it cannot."""

    async def test_a_model_is_fetched(self, llm: LLM) -> None:
        """How far it is can be watched; what is there is never more than there is."""
        steps = [step async for step in llm.pull_model(self.pulled)]

        assert steps
        assert all(step.status for step in steps)
        assert all(step.completed <= step.total for step in steps if step.total)

    async def test_a_missing_model_is_not_found(self, llm: LLM) -> None:
        """A slip in the name is told from an outage."""
        with pytest.raises(NotFound):
            _ = [step async for step in llm.pull_model(self.missing)]


@pytest.mark.asyncio
class TokenCounterContract(ModelKit):
    """What every TokenCounter must do. Inherit it and give ``settings``."""

    async def test_tokens_are_counted(self, llm: LLM) -> None:
        """A longer request has more of them."""
        short = await llm.count_tokens("Ice.")
        long = await llm.count_tokens("Ice is what water becomes when it is cold. " * 9)

        assert 0 < short < long

    async def test_all_of_a_request_is_counted(self, llm: LLM) -> None:
        """Instructions count too."""
        without = await llm.count_tokens("Ice.")
        with_system = await llm.count_tokens("Ice.", system="Answer in one word. " * 9)

        assert without < with_system


async def _embed(llm: LLM) -> Embeddings:
    return await llm.embed("text")


async def _results(llm: LLM, batch: Batch) -> dict[str, BatchResult]:
    results = [result async for result in llm.batches.results(batch.id)]
    by_id = {result.id: result for result in results}
    assert len(by_id) == len(results), "A request has more than one result."
    return by_id


def _distance(one: Sequence[float], other: Sequence[float]) -> float:
    """Return how far apart two directions are, from 0 to 2."""
    product = sum(a * b for a, b in zip(one, other, strict=True))
    return 1 - product / (math.hypot(*one) * math.hypot(*other))


def _assert_is_picture(picture: Image) -> None:
    assert isinstance(picture.source, bytes)
    assert picture.source.startswith(IMAGE_STARTS[picture.media_type])


def _is_sound(usage: Usage) -> bool:
    buckets = ("input", "cache_read", "cache_write", "output", "reasoning")
    return all(getattr(usage, name) >= 0 for name in buckets)
