"""What models are known to lack is refused before anything is sent."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from pegboard import ChatRequest, File, Image, Message, Pegboard, Text
from pegboard.errors import Unsupported
from pegboard_openai._refusal import refuse_unsupported
from pegboard_openai.profiles import ANY, OPENAI_MODELS, profile_of

if TYPE_CHECKING:
    from pegboard.testing.fault_server import FaultServer

OpenBoard = Callable[..., Pegboard]
QUESTION = (Message.of("user", "Hello?"),)


def check(model: str, **asked: Any) -> None:
    """Check a request to *model*."""
    request = ChatRequest(**{"messages": QUESTION, **asked})
    refuse_unsupported(request, model, profile_of(model, OPENAI_MODELS))


def capabilities(model: str, **more: object) -> frozenset[str]:
    """Return what a board claims of *model*."""
    section = {"provider": "openai", "api_key": "k", "api": "chat", **more}
    board = Pegboard.isolated({"llm": {"default": {**section, "model": model}}})
    return board.llm().capabilities


@pytest.mark.parametrize(
    ("model", "same"),
    [
        ("gpt-5-2025-08-07", "gpt-5"),
        ("gpt-5-mini", "gpt-5"),
        ("gpt-5-pro-2025-10-06", "gpt-5-pro"),
        ("gpt-5.1-codex-max", "gpt-5.1-codex-max"),
        ("gpt-5.1-codex-mini", "gpt-5.1-codex"),
        ("gpt-5.5-2026-04-23", "gpt-5.5"),
        ("gpt-5.5-pro", "gpt-5.5-pro"),
        ("ft:gpt-4o-mini:acme::x", "gpt-4o"),
        ("o3-mini-2025-01-31", "o3-mini"),
    ],
)
def test_longest_beginning_counts(model: str, same: str) -> None:
    """Dates, sizes and fine-tunings are of the same kind."""
    assert profile_of(model, OPENAI_MODELS) is OPENAI_MODELS[same]


@pytest.mark.parametrize("model", ["gpt-5.9", "gpt-50", "my-deployment", "o35"])
def test_unknown_model_may_do_all(model: str) -> None:
    """A name that only looks alike is another model."""
    assert profile_of(model, OPENAI_MODELS) is ANY


def test_capabilities_are_of_service_and_model() -> None:
    """What a model lacks is not claimed."""
    assert {"temperature", "top_p", "stop"}.isdisjoint(capabilities("gpt-5-nano"))
    assert "reasoning_effort" not in capabilities("gpt-4.1")
    assert "images" not in capabilities("o3-mini")
    assert {"temperature", "stop", "images"} <= capabilities("gpt-9")


def test_models_of_others_are_not_described() -> None:
    """A gateway decides by itself what to do with what a model lacks."""
    assert "temperature" in capabilities("gpt-5-nano", provider="openrouter")


def test_deployment_is_known_by_the_model_behind_it() -> None:
    """On Azure, what is asked for has a name of its own."""
    azure = {"provider": "azure", "endpoint": "https://x.openai.azure.com"}

    assert "temperature" in capabilities("mine", **azure)
    described = capabilities("mine", deployed_model="gpt-5-nano", **azure)
    assert "temperature" not in described


@pytest.mark.parametrize(
    ("model", "asked"),
    [
        ("gpt-5", {"temperature": 0.0}),
        ("gpt-5", {"stop": ("x",)}),
        ("gpt-4", {"schema": {"type": "object"}}),
        ("gpt-4.1", {"reasoning_effort": "low"}),
        ("o3-mini", {"messages": (Message("user", (Text("?"), Image(b"x"))),)}),
        ("gpt-4", {"messages": (Message("user", (File(b"x"),)),)}),
    ],
)
def test_model_of_one_request_is_known_too(model: str, asked: dict[str, Any]) -> None:
    """Another model than the settings say may lack something else."""
    with pytest.raises(Unsupported, match=f"'{model}' does not support") as caught:
        check(model, **asked)

    assert caught.value.request_sent == "no"


@pytest.mark.parametrize(
    ("model", "effort", "known"),
    [
        ("gpt-5", "none", "minimal, low, medium, high"),
        ("gpt-5.1", "minimal", "none, low, medium, high"),
        ("gpt-5-pro", "low", "high"),
        ("o3", "xhigh", "low, medium, high"),
    ],
)
def test_unknown_effort_names_the_known_ones(
    model: str, effort: str, known: str
) -> None:
    """Levels differ from model to model."""
    with pytest.raises(Unsupported, match=f"It knows {known}\\."):
        check(model, reasoning_effort=effort)


def test_temperature_and_reasoning_exclude_each_other() -> None:
    """Of a model that does both, one at a time."""
    check("gpt-5.1", temperature=0.5)
    check("gpt-5.1", temperature=0.5, reasoning_effort="none")
    check("gpt-5.1", reasoning_effort="high")

    with pytest.raises(Unsupported, match="only with reasoning_effort = 'none'"):
        check("gpt-5.1", temperature=0.5, reasoning_effort="high")


def test_model_that_reasons_unless_told_not_to() -> None:
    """Without a word on effort it thinks, and takes no temperature."""
    check("gpt-5.5", temperature=0.5, reasoning_effort="none")

    with pytest.raises(Unsupported, match="only with reasoning_effort = 'none'"):
        check("gpt-5.5", temperature=0.5)


def test_what_is_supported_is_not_refused() -> None:
    """Values that the model knows pass."""
    check("gpt-5", reasoning_effort="minimal", seed=1)
    check("gpt-4.1", temperature=0.0, stop=("x",))
    check("gpt-9", temperature=0.0, reasoning_effort="whatever")


async def test_nothing_is_sent(server: FaultServer, open_board: OpenBoard) -> None:
    """Neither of what the settings' model lacks, nor of what a request's does."""
    llm = open_board(model="gpt-5-nano").llm()

    with pytest.raises(Unsupported):
        await llm.complete("Hello?", temperature=0)
    with pytest.raises(Unsupported):
        await llm.complete("Hello?", reasoning_effort="none")
    with pytest.raises(Unsupported):
        await llm.complete("Hello?", model="gpt-4.1", reasoning_effort="low")
    assert server.requests == []
