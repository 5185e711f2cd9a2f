"""
What the service tells of its models: whether it can be reached, and for how long.

The fields of a model are those of the SDK's types; servers of others have few of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from loguru import logger
from pegboard import Pegboard, enable_logging
from pegboard import _log as log
from pegboard.testing import anthropic_wire as wire
from pegboard.testing.fault_server import Fault, FaultServer, Scripted

if TYPE_CHECKING:
    from pegboard.health import Health
    from pegboard_anthropic._model import AnthropicModel

OpenModel = Callable[..., "AnthropicModel"]
OpenBoard = Callable[..., Pegboard]
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC).timestamp()
ENDING = "claude-sonnet-4-5"
"""A model whose end the plugin knows."""
GONE = Scripted.json(wire.error("api_error"), status=503)
YES, NO = {"supported": True}, {"supported": False}


def a_model(name: str = "claude-opus-5-5", **more: object) -> dict[str, Any]:
    """Return what the service tells of a model."""
    return {
        "type": "model",
        "id": name,
        "display_name": "A model",
        "created_at": "2026-01-01T00:00:00Z",
        "lifecycle": "active",
        "deprecated_at": None,
        "retires_at": None,
        "max_input_tokens": 1_000_000,
        "max_tokens": 128_000,
        "capabilities": {
            "image_input": YES,
            "pdf_input": NO,
            "structured_outputs": YES,
            "thinking": {**YES, "types": {}},
            "batch": YES,
            "server_tools": {**YES, "web_search": YES, "code_execution": NO},
        },
        **more,
    }


OLD = a_model(
    lifecycle="deprecated",
    deprecated_at="2026-10-01T00:00:00Z",
    retires_at="2026-12-01T09:00:00Z",
)


def page(*models: dict[str, Any], has_more: bool = False) -> Scripted:
    """Return some of the models."""
    last = models[-1]["id"] if models else None
    return Scripted.json({"data": models, "has_more": has_more, "last_id": last})


async def health(board: Pegboard) -> Health:
    """Return what *board* says of its default model."""
    return (await board.health())["llm.default"]


@pytest.fixture
def warnings() -> Iterator[list[str]]:
    """Return what is logged, as a program that asked for it would see it."""
    heard: list[str] = []
    enable_logging()
    sink = logger.add(lambda message: heard.append(str(message)), format="{message}")
    yield heard
    logger.remove(sink)
    log._enabled.clear()
    logger.disable("pegboard")


# --- health ---


async def test_check_asks_for_the_model(
    server: FaultServer, open_board: OpenBoard
) -> None:
    """With the key, and without a token."""
    server.respond(Scripted.json(a_model()))

    found = await health(open_board())

    assert (found.status, found.reason) == ("up", "answered")
    (request,) = server.requests
    assert (request.method, request.path) == ("GET", "/v1/models/claude-opus-5-5")
    assert request.headers["authorization"] == "Bearer sk-sentinel"


async def test_health_follows_the_service(
    server: FaultServer, open_board: OpenBoard
) -> None:
    """Down and up again, twenty times, with nothing remembered."""
    server.respond(*[Scripted.json(a_model()), GONE] * 10)
    board = open_board()

    seen = [(await health(board)).status for _ in range(20)]

    assert seen == ["up", "down"] * 10
    assert len(server.requests) == 20


async def test_broken_connection_is_down(
    server: FaultServer, open_board: OpenBoard
) -> None:
    """The reason is what a call would fail with."""
    server.respond(Scripted(body=[Fault.RESET]))

    found = await health(open_board())

    assert found.status == "down"
    assert found.reason.startswith("ConnectionFailed: ")


async def test_wrong_key_is_down_and_not_shown(
    server: FaultServer, open_board: OpenBoard
) -> None:
    """A service may repeat the key; the reason does not."""
    answer = wire.error("authentication_error", "invalid key: sk-sentinel")
    server.respond(Scripted.json(answer, status=401))

    found = await health(open_board())

    assert (found.status, "sk-sentinel" in found.reason) == ("down", False)
    assert found.reason.startswith("Authentication: ")


async def test_service_that_does_not_know_the_model_is_up(
    server: FaultServer, open_board: OpenBoard
) -> None:
    """It answered, after all, and servers of others tell of none."""
    server.respond(Scripted.json(wire.error("not_found_error"), status=404))

    found = await health(open_board(model="a/b"))

    assert (found.status, found.reason) == ("up", "answered, but does not tell of a/b")
    assert server.requests[0].path == "/v1/models/a%2Fb"


async def test_health_tells_of_the_end(
    server: FaultServer, open_board: OpenBoard
) -> None:
    """As the service has it now."""
    server.respond(Scripted.json(OLD))

    found = await health(open_board(clock=lambda: NOW))

    assert found.status == "up"
    assert found.reason == (
        "claude-opus-5-5 is deprecated and retires on 2026-12-01, in 10 days"
    )


# --- warnings ---


async def test_first_use_of_a_model_that_ends_is_warned_of(
    server: FaultServer, open_board: OpenBoard, warnings: list[str]
) -> None:
    """Once, with the days that are left, and without another request."""
    server.respond(*[Scripted.json(wire.message())] * 3)
    llm = open_board(model=ENDING, clock=lambda: NOW).llm()

    for model in (ENDING, ENDING, "claude-opus-5-5"):
        await llm.complete("Hi", model=model)

    told = [one for one in warnings if "retires" in one]
    assert told == [
        (
            "claude-sonnet-4-5 is deprecated and retires on 2026-11-30, in 9 days. "
            "Choose another model.\n"
        )
    ]
    assert len(server.requests) == 3


async def test_check_warns_once(
    server: FaultServer, open_board: OpenBoard, warnings: list[str]
) -> None:
    """However often it is made."""
    server.respond(*[Scripted.json(OLD)] * 3)
    board = open_board(clock=lambda: NOW)

    for _ in range(3):
        await health(board)

    assert len([one for one in warnings if "retires" in one]) == 1


async def test_silence_is_kept_until_asked(
    server: FaultServer, open_board: OpenBoard
) -> None:
    """A library does not speak unasked."""
    server.respond(Scripted.json(wire.message()))
    heard: list[str] = []
    sink = logger.add(lambda message: heard.append(str(message)))

    await open_board(model=ENDING).llm().complete("Hi")

    logger.remove(sink)
    assert heard == []


@pytest.mark.parametrize(
    ("told", "sentence"),
    [
        ({"retires_at": None}, "claude-opus-5-5 is deprecated"),
        (
            {"retires_at": "2026-11-20T00:00:00Z"},
            "claude-opus-5-5 was to retire on 2026-11-20",
        ),
    ],
)
async def test_end_may_be_unknown_or_over(
    server: FaultServer,
    open_model: OpenModel,
    told: dict[str, object],
    sentence: str,
) -> None:
    """A date in the past is no proof that it has happened."""
    server.respond(Scripted.json({**OLD, **told}))

    assert await open_model(clock=lambda: NOW).ping() == sentence


# --- the list ---


async def test_models_are_listed(server: FaultServer, open_model: OpenModel) -> None:
    """In pegboard's words."""
    server.respond(page(OLD))
    (found,) = await open_model().list_models()

    assert (found.id, found.name) == ("claude-opus-5-5", "A model")
    assert (found.context_window, found.max_output) == (1_000_000, 128_000)
    assert found.capabilities == {
        "images",
        "json_schema",
        "reasoning_effort",
        "stop",
        "tool_media",
        "tools",
        "web_search",
    }
    assert found.retires_at == datetime(2026, 12, 1, 9, tzinfo=UTC)
    assert found.deprecated_at == datetime(2026, 10, 1, tzinfo=UTC)
    assert found.provider_metadata == {"anthropic": {"lifecycle": "deprecated"}}


async def test_all_pages_are_read(server: FaultServer, open_model: OpenModel) -> None:
    """Each begins where the one before ended."""
    server.respond(page(a_model("a"), a_model("b"), has_more=True), page(a_model("c")))
    found = await open_model().list_models()

    assert [one.id for one in found] == ["a", "b", "c"]
    assert [one.path for one in server.requests] == [
        "/v1/models?limit=1000",
        "/v1/models?limit=1000&after_id=b",
    ]


async def test_sparse_models_are_listed(
    server: FaultServer, open_model: OpenModel
) -> None:
    """Servers of others tell little more than a name."""
    server.respond(page({"id": "qwen3"}))
    (found,) = await open_model().list_models()

    assert (found.id, found.capabilities, found.retires_at) == ("qwen3", None, None)
