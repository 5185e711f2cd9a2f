"""What is on offer, and what settings may say."""

from __future__ import annotations

import asyncio
import math
from pathlib import Path

import httpx2
import pytest
from pegboard import Context
from pegboard.deadline import ends_at
from pegboard.errors import InvalidReply
from pegboard_google import plugin
from pegboard_google._calls import Call
from pegboard_google._client import Connection, Http
from pegboard_google._model import GeminiModel
from pegboard_google.options import GeminiOptions
from pydantic import ValidationError

(PROVIDER,) = plugin.pegboard_llm_providers()
CONTEXT = Context(address="llm.default", data_folder=Path())


def options(**more: object) -> GeminiOptions:
    """Return options with a key."""
    given = {"model": "gemini-3-flash", "api_key": "k", **more}
    return GeminiOptions.model_validate(given)


def test_provider_makes_a_model() -> None:
    """Without any I/O, and outside of any event loop."""
    assert PROVIDER.load_options() is GeminiOptions
    assert isinstance(PROVIDER.load_factory()(options(), CONTEXT), GeminiModel)


@pytest.mark.parametrize(
    ("model", "claimed"),
    [
        ("gemini-3-flash", {"reasoning_effort"}),
        ("gemini-2.0-flash", set()),
        ("gemini-3-pro-image", {"reasoning_effort", "image_editing"}),
        ("gemini-2.5-flash-image", {"image_editing"}),
    ],
)
def test_claims_are_those_of_the_model(model: str, claimed: set[str]) -> None:
    """As far as its name tells."""
    some = {"reasoning_effort", "image_editing"}

    assert PROVIDER.capabilities(options(model=model)) & some == claimed


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ({"api_key": None}, "GEMINI_API_KEY"),
        ({"api_key": None, "vertex": True}, "GOOGLE_CLOUD_PROJECT"),
        ({"model": ""}, "model"),
        ({"model": "x?key=1"}, "model"),
        ({"base_url": "ftp://host"}, "base_url"),
    ],
)
def test_options_that_cannot_work_are_refused(
    more: dict[str, object], problem: str
) -> None:
    """The message says what is missing."""
    with pytest.raises(ValidationError, match=problem):
        options(**more)


@pytest.mark.parametrize(
    ("vertex", "model", "count"),
    [
        (False, "gemini-embedding-001", 100),
        (True, "gemini-embedding-001", 1),
        (True, "text-embedding-005", 250),
        (True, "gemini-embedding-2", 100),
    ],
)
def test_texts_at_once(vertex: bool, model: str, count: int) -> None:  # noqa: FBT001
    """As many as the service takes of the model."""
    made = GeminiModel(options(model=model, vertex=vertex), CONTEXT)

    assert made.texts_at_once == count


async def test_call_that_sends_nothing_has_no_answer() -> None:
    """If the SDK ever answered by itself, that would be told."""
    connection = Connection(options(), CONTEXT)

    async def nothing(_sdk: object) -> None:
        """Send nothing."""

    with pytest.raises(InvalidReply, match="by itself"):
        await connection.answer(Call(nothing))
    await connection.aclose()


async def test_policy_says_how_many_connections_there_are() -> None:
    """And how long an idle one is kept."""
    few = Context(
        address="llm.default", data_folder=Path(), connections=3, keep_alive=7.0
    )
    async with Http(few) as http:
        pool = http._transport._pool

        assert (pool._max_connections, pool._keepalive_expiry) == (3, 7.0)


@pytest.mark.parametrize(
    ("left", "connect", "limits"),
    [
        (math.inf, math.inf, (None, None)),
        (math.inf, 2.0, (None, 2.0)),
        (9.0, 2.0, (9.0, 2.0)),
        (1.0, 2.0, (1.0, 1.0)),
    ],
)
async def test_time_that_is_left_bounds_a_request(
    left: float, connect: float, limits: tuple[float | None, float | None]
) -> None:
    """Making the connection may have a limit of its own."""
    context = Context(
        address="llm.default", data_folder=Path(), connect_timeout=connect
    )
    token = ends_at.set(asyncio.get_running_loop().time() + left)
    async with Http(context) as http:
        request = http.build_request("GET", "http://127.0.0.1:1/")
        with pytest.raises(httpx2.ConnectError):
            await http.send(request)
    ends_at.reset(token)

    timeout = request.extensions["timeout"]
    assert (timeout["read"], timeout["connect"]) == pytest.approx(limits, abs=0.5)


@pytest.mark.parametrize(
    ("vertex", "known"), [(False, "gcp.gemini"), (True, "gcp.vertex_ai")]
)
def test_traces_tell_which_service_it_is(vertex: bool, known: str) -> None:  # noqa: FBT001
    """By the names that the conventions have for both."""
    assert PROVIDER.telemetry_name(options(vertex=vertex)) == known
