"""The list of models, as services tell it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from pegboard.errors import InvalidReply, Unavailable
from pegboard.testing import openai_wire as wire
from pegboard.testing.fault_server import FaultServer, Scripted

if TYPE_CHECKING:
    from pegboard import ModelEntry
    from pegboard_openai._model import OpenAIModel

OpenModel = Callable[..., "OpenAIModel"]


async def listed(
    server: FaultServer, model: OpenAIModel, answer: object
) -> tuple[ModelEntry, ...]:
    """Return what the model makes of an *answer*."""
    server.respond(Scripted.json(answer))
    return await model.list_models()


async def test_models_are_listed(server: FaultServer, open_model: OpenModel) -> None:
    """With the day on which one retires."""
    entries = (
        {"id": "new", "shutdown_date": None},
        {
            "id": "old",
            "shutdown_date": "2027-01-14",
        },
    )
    new, old = await listed(server, open_model(), wire.models(*entries))

    assert (await server.next_request()).path == "/v1/models"
    assert (new.id, new.retires_at) == ("new", None)
    assert (old.id, old.retires_at) == ("old", datetime(2027, 1, 14, tzinfo=UTC))
    assert old.provider_metadata["openai"]["owned_by"] == "openai"


@pytest.mark.parametrize(
    ("entry", "field", "value"),
    [
        ({"context_length": 8}, "context_window", 8),
        ({"context_window": 8, "max_completion_tokens": 4}, "max_output", 4),
        ({"max_model_len": 8}, "context_window", 8),
        ({"max_context_length": 8}, "context_window", 8),
        ({"display_name": "Big"}, "name", "Big"),
        ({"name": "Big"}, "name", "Big"),
    ],
)
async def test_fields_of_services_are_known(
    server: FaultServer,
    open_model: OpenModel,
    entry: dict[str, Any],
    field: str,
    value: object,
) -> None:
    """Each has its own names for the same."""
    (model,) = await listed(server, open_model(), wire.models({"id": "m", **entry}))

    assert getattr(model, field) == value


async def test_bare_list_is_read(server: FaultServer, open_model: OpenModel) -> None:
    """One service sends it without anything around it."""
    entries = await listed(server, open_model(service="together"), [{"id": "m"}])

    assert [entry.id for entry in entries] == ["m"]


async def test_time_keeps_its_zone(server: FaultServer, open_model: OpenModel) -> None:
    """Where it has one."""
    answer = wire.models({"id": "m", "deprecation": "2027-01-14T12:00:00+02:00"})
    (entry,) = await listed(server, open_model(service="mistral"), answer)

    assert entry.retires_at == datetime(2027, 1, 14, 10, tzinfo=UTC)


@pytest.mark.parametrize("answer", [{}, [{}], {"data": 1}])
async def test_unreadable_list_is_an_error(
    server: FaultServer, open_model: OpenModel, answer: object
) -> None:
    """It is not as the API describes it."""
    with pytest.raises(InvalidReply):
        await listed(server, open_model(), answer)


async def test_failure_is_an_error(server: FaultServer, open_model: OpenModel) -> None:
    """From the same table as that of all calls."""
    server.respond(Scripted.json(wire.error(), status=503))

    with pytest.raises(Unavailable):
        await open_model().list_models()


@pytest.mark.parametrize("api", ["chat", "responses"])
async def test_known_models_are_told_with_what_they_can_do(
    server: FaultServer, open_model: OpenModel, api: str
) -> None:
    """Through the API of the settings; of others nobody knows."""
    answer = wire.models({"id": "gpt-4.1-nano"}, {"id": "gpt-9"})
    known, unknown = await listed(server, open_model(api), answer)

    assert known.capabilities is not None
    assert ("seed" in known.capabilities) == (api == "chat")
    assert {"tools", "images"} <= known.capabilities
    assert {"web_search", "reasoning_effort"}.isdisjoint(known.capabilities)
    assert unknown.capabilities is None
