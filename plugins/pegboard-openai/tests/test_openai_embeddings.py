"""Embeddings: what is sent, in how many requests, and what is made of the answers."""

from __future__ import annotations

from array import array
from base64 import b64encode
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pegboard import EmbeddingRequest, Usage
from pegboard.errors import InvalidReply, RateLimited
from pegboard.testing import openai_wire as wire
from pegboard.testing.fault_server import FaultServer, Scripted
from pegboard_openai._embeddings import portions

if TYPE_CHECKING:
    from pegboard_openai._model import OpenAIModel

OpenModel = Callable[..., "OpenAIModel"]
PACKED = b64encode(array("f", [0.5, -2.0]).tobytes()).decode()


def texts(*given: str, **more: Any) -> EmbeddingRequest:
    """Return a request to embed texts."""
    return EmbeddingRequest(texts=given, **more)


async def test_packed_vectors_are_asked_for(
    server: FaultServer, open_model: OpenModel
) -> None:
    """Base64 is a third of the length of numbers, and needs no parsing."""
    server.respond(Scripted.json(wire.embeddings(PACKED)))
    made = await open_model().embed(texts("one", dimensions=2))

    assert (await server.next_request()).json == {
        "model": "m",
        "input": ["one"],
        "dimensions": 2,
        "encoding_format": "base64",
    }
    assert [list(vector) for vector in made.vectors] == [[0.5, -2.0]]
    assert (made.model, made.usage) == ("stub-1", Usage(input=5))


async def test_service_without_base64_is_not_asked_for_it(
    server: FaultServer, open_model: OpenModel
) -> None:
    """It would refuse the request; numbers are read as well."""
    server.respond(Scripted.json(wire.embeddings([0.5, -2.0])))
    model = open_model(service="mistral")
    made = await model.embed(texts("one", dimensions=2))

    sent = (await server.next_request()).json
    assert sent == {"model": "m", "input": ["one"], "output_dimension": 2}
    assert [list(vector) for vector in made.vectors] == [[0.5, -2.0]]


async def test_vectors_are_put_in_order(
    server: FaultServer, open_model: OpenModel
) -> None:
    """A service may answer in another."""
    answer = wire.embeddings([1.0], [2.0], [3.0])
    answer["data"].reverse()
    server.respond(Scripted.json(answer))
    made = await open_model().embed(texts("a", "b", "c"))

    assert [list(vector) for vector in made.vectors] == [[1.0], [2.0], [3.0]]


@pytest.mark.parametrize(
    ("asked", "option", "sent"),
    [(None, None, "m"), (None, "e", "e"), ("x", "e", "x")],
)
async def test_model_is_the_one_that_embeds(
    server: FaultServer,
    open_model: OpenModel,
    asked: str | None,
    option: str | None,
    sent: str,
) -> None:
    """Said in the request, in the option for it, or as the model."""
    server.respond(Scripted.json(wire.embeddings([1.0])))
    await open_model(embedding_model=option).embed(texts("a", model=asked))

    assert (await server.next_request()).json["model"] == sent


async def test_extra_of_the_own_name_is_sent(
    server: FaultServer, open_model: OpenModel
) -> None:
    """What is under other names belongs to others."""
    server.respond(Scripted.json(wire.embeddings([1.0])))
    extra = {"openai": {"user": "u"}, "groq": {"x": 1}}
    await open_model().embed(texts("a", extra=extra))
    sent = (await server.next_request()).json

    assert sent["user"] == "u"
    assert "x" not in sent


async def test_long_texts_go_out_in_several_requests(
    server: FaultServer, open_model: OpenModel
) -> None:
    """The service bounds the tokens of a request; usage is that of all of them."""
    server.respond(*[Scripted.json(wire.embeddings([1.0]))] * 2)
    made = await open_model().embed(texts("a" * 200_000, "b" * 200_000))

    assert [request.json["input"][0][0] for request in server.requests] == ["a", "b"]
    assert len(made.vectors) == 2
    assert made.usage == Usage(input=10)


@given(st.lists(st.text(max_size=9)), st.integers(1, 20))
def test_portions_hold_all_texts_and_no_more_bytes(
    given_texts: list[str], most: int
) -> None:
    """One text alone may be too long; whether it is, the service says."""
    made = list(portions(tuple(given_texts), most))

    assert [text for portion in made for text in portion] == given_texts
    for portion in made:
        assert portion
        assert len(portion) == 1 or len("".join(portion).encode()) <= most


async def test_refusal_is_an_error(server: FaultServer, open_model: OpenModel) -> None:
    """From the same table as that of all calls."""
    error = wire.error(kind="requests", code="rate_limit_exceeded")
    server.respond(Scripted.json(error, status=429, headers={"retry-after": "7"}))

    with pytest.raises(RateLimited) as caught:
        await open_model().embed(texts("a"))
    assert caught.value.retry_after == 7


@pytest.mark.parametrize("answer", [{}, {"data": [{"index": 0}]}, []])
async def test_unreadable_answer_is_an_error(
    server: FaultServer, open_model: OpenModel, answer: object
) -> None:
    """It is not as the API describes it."""
    server.respond(Scripted.json(answer))

    with pytest.raises(InvalidReply):
        await open_model().embed(texts("a"))
