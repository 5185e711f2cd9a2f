"""Embeddings and the list of models, over the wire."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pegboard import EmbeddingRequest, Usage, errors
from pegboard.testing import ollama_wire as wire
from pegboard.testing.fault_server import FaultServer, Scripted
from pegboard_ollama._model import OllamaModel

OpenModel = Callable[..., OllamaModel]


def made(*vectors: list[float], **more: Any) -> Scripted:
    """Return the answer that has *vectors*."""
    return Scripted.json({"model": "e-1", "embeddings": vectors, **more})


async def test_texts_are_embedded_in_one_request(
    server: FaultServer, open_model: OpenModel
) -> None:
    """In their order."""
    server.respond(made([0.5, 1.0], [1.5, 2.0], prompt_eval_count=9, load_duration=3))
    request = EmbeddingRequest(texts=("a", "b"), dimensions=2)
    found = await open_model(keep_alive="5m", num_ctx=64).embed(request)

    assert found.vectors == ((0.5, 1.0), (1.5, 2.0))
    assert (found.model, found.usage) == ("e-1", Usage(input=9))
    assert found.provider_metadata == {"ollama": {"load_duration": 3}}
    assert server.requests[0].path == "/api/embed"
    assert server.requests[0].json == {
        "model": "stub-1",
        "input": ["a", "b"],
        "truncate": False,
        "dimensions": 2,
        "options": {"num_ctx": 64},
        "keep_alive": "5m",
    }


async def test_text_is_cut_only_on_demand(
    server: FaultServer, open_model: OpenModel
) -> None:
    """Ollama would do so in silence."""
    server.respond(made([1.0]))
    extra = {"ollama": {"truncate": True}}
    await open_model().embed(EmbeddingRequest(texts=("a",), model="e", extra=extra))
    body = server.requests[0].json

    assert (body["model"], body["truncate"]) == ("e", True)


@pytest.mark.parametrize("vectors", [[], [[1.0]], [[1.0]] * 3])
async def test_vectors_without_their_text_are_unusable(
    server: FaultServer, open_model: OpenModel, vectors: list[list[float]]
) -> None:
    """One for each, or nobody knows whose they are."""
    server.respond(made(*vectors))

    with pytest.raises(errors.InvalidReply, match=f"2 texts with {len(vectors)}"):
        await open_model().embed(EmbeddingRequest(texts=("a", "b")))


async def test_embedding_without_counts_is_estimated(
    server: FaultServer, open_model: OpenModel
) -> None:
    """None is made up here."""
    server.respond(made([1.0]))

    found = await open_model().embed(EmbeddingRequest(texts=("a",)))
    assert found.usage == Usage(estimated=True)


async def test_model_that_embeds_nothing_is_a_wrong_request(
    server: FaultServer, open_model: OpenModel
) -> None:
    """It would be as wrong the next time."""
    server.respond(Scripted.json(wire.error("no embeddings"), status=400))

    with pytest.raises(errors.InvalidRequest, match="no embeddings"):
        await open_model().embed(EmbeddingRequest(texts=("a",)))


async def test_models_are_listed(server: FaultServer, open_model: OpenModel) -> None:
    """With what the server knows of them."""
    server.respond(Scripted.json(wire.tags("a:1b", "b:latest")))

    found = await open_model().list_models()

    assert [one.id for one in found] == ["a:1b", "b:latest"]
    assert found[0].provider_metadata["ollama"]["details"]["parameter_size"] == "135M"


async def test_list_that_cannot_be_had_is_an_error(
    server: FaultServer, open_model: OpenModel
) -> None:
    """As any other."""
    server.respond(Scripted.json(wire.error("busy"), status=503))

    with pytest.raises(errors.Overloaded):
        await open_model().list_models()
