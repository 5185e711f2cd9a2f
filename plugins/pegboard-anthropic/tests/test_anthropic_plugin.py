from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from anthropic.resources.messages import DEPRECATED_MODELS
from pegboard import Context, LLMProvider, Pegboard
from pegboard_anthropic import plugin
from pegboard_anthropic._model import AnthropicModel
from pegboard_anthropic.options import AnthropicOptions
from pegboard_anthropic.profiles import RETIREMENTS
from pydantic import ValidationError

(PROVIDER,) = plugin.pegboard_llm_providers()
SAMPLING = {"temperature", "top_p"}
LONG_AGO = datetime(2026, 3, 1, tzinfo=UTC).date()


def options(model: str = "m", **more: object) -> AnthropicOptions:
    """Return options."""
    return AnthropicOptions.model_validate({"model": model, "api_key": "k", **more})


def capabilities(provider: LLMProvider, model: str) -> frozenset[str]:
    """Return what *provider* claims for *model*."""
    assert callable(provider.capabilities)
    return provider.capabilities(options(model))


def test_provider_makes_a_model() -> None:
    """Without any I/O."""
    assert PROVIDER.load_options() is AnthropicOptions
    context = Context(address="llm.default", data_folder=Path())

    assert isinstance(PROVIDER.load_factory()(options(), context), AnthropicModel)


@pytest.mark.parametrize(
    "model",
    [
        "claude-haiku-4-5",
        "claude-haiku-4-5-20251001",
        "anthropic.claude-opus-4-6-v1:0",
        "qwen3",
    ],
)
def test_sampling_is_claimed_for_models_that_take_it(model: str) -> None:
    """Whatever other platforms add to their names."""
    assert capabilities(PROVIDER, model) >= SAMPLING


@pytest.mark.parametrize(
    "model",
    ["claude-opus-4-7", "claude-sonnet-5", "claude-fable-5-2", "claude-some-day-9"],
)
def test_sampling_is_not_claimed_for_newer_models(model: str) -> None:
    """Nor for those that nobody knows yet."""
    assert not capabilities(PROVIDER, model) & SAMPLING


@pytest.mark.parametrize("model", ["claude-haiku-4-5", "claude-opus-5-5", "qwen3"])
def test_seed_is_never_claimed(model: str) -> None:
    """The API has none; the rest is for all."""
    found = capabilities(PROVIDER, model)

    assert "seed" not in found
    assert found >= {"files", "images", "json_schema", "stop", "tools"}


@pytest.mark.parametrize(
    "wrong",
    [
        {"base_url": "host/v1"},
        {"model": ""},
        {"cache": "2h"},
        {"max_tokens": 0},
        {"thinking_display": "all"},
        {"x": 1},
    ],
)
def test_wrong_options_are_refused(wrong: dict[str, object]) -> None:
    """Before a model is made of them."""
    with pytest.raises(ValidationError):
        options(**{"model": "m", **wrong})  # type: ignore[arg-type]


def test_options_show_no_secret() -> None:
    """Neither the key nor headers are written out."""
    found = options(api_key="sk-sentinel", headers={"x-key": "sk-sentinel"})

    assert "sk-sentinel" not in repr(found)
    assert "sk-sentinel" not in found.model_dump_json()


def test_missing_key_names_the_variable() -> None:
    """Before a model is made: checking the settings is enough."""
    settings = {"llm": {"cheap": {"provider": "anthropic", "model": "m"}}}

    (problem,) = Pegboard.isolated(settings).check()

    assert problem.where == "llm.cheap.api_key"
    assert "ANTHROPIC_API_KEY" in problem.message


def test_retirements_are_those_of_the_sdk() -> None:
    """All that are not long over; a new version of it may know more."""
    known = {model: _date(text) for model, text in DEPRECATED_MODELS.items()}
    near = {model: day for model, day in known.items() if day > LONG_AGO}

    assert near
    assert near.items() <= RETIREMENTS.items()


def _date(text: str) -> date:
    """Return the day that *text* such as ``June 15th, 2026`` names."""
    month, day, year = text.replace(",", "").split()
    plain = f"{month} {day.rstrip('stndrh')} {year}"
    return datetime.strptime(plain, "%B %d %Y").replace(tzinfo=UTC).date()
