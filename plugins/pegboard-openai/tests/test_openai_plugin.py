from __future__ import annotations

import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest
from pegboard import Context, LLMProvider, Pegboard
from pegboard.errors import Unsupported
from pegboard.testing import openai_wire as wire
from pegboard.testing.fault_server import FaultServer, Scripted
from pegboard_openai import plugin
from pegboard_openai._model import OpenAIModel
from pegboard_openai.options import ModelOptions, OpenAIOptions
from pegboard_openai.services import SAMPLING, SERVICES, Service

BESIDES_CHAT = (
    "Embedder",
    "ModelCatalog",
    "ImageGenerator",
    "SpeechModel",
    "TranscriptionModel",
    "BatchChat",
)
EVERYWHERE = SAMPLING | {"tools"}
PROVIDERS = {provider.name: provider for provider in plugin.pegboard_llm_providers()}


def given(provider: LLMProvider) -> dict[str, Any]:
    """Return what settings of *provider* have to say."""
    where = "endpoint" if provider.name == "azure" else "base_url"
    return {"model": "m", where: "http://host/v1", "api_key": "k"}


def options(api: str, model: str = "m") -> OpenAIOptions:
    """Return options that choose *api*."""
    return OpenAIOptions.model_validate(
        {"model": model, "base_url": "http://host/v1", "api_key": "k", "api": api}
    )


def capabilities(provider: LLMProvider, api: str) -> frozenset[str]:
    """Return what *provider* claims with *api*."""
    assert callable(provider.capabilities)
    return provider.capabilities(options(api))


def test_each_service_is_an_entry_point() -> None:
    """So that a lookup by name finds it without loading other plugins."""
    ours = {
        point.name
        for point in entry_points(group="pegboard")
        if point.value == "pegboard_openai.plugin"
    }

    assert ours == {service.name for service in SERVICES}


def test_loading_the_plugin_does_not_import_the_sdk() -> None:
    """It is imported when a model is made."""
    code = (
        "import sys, pegboard_openai.plugin as p; p.pegboard_llm_providers();"
        "sys.exit(bool({'openai', 'httpx2', 'pydantic'} & set(sys.modules)))"
    )

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("provider", PROVIDERS.values(), ids=PROVIDERS)
def test_provider_makes_a_model(provider: LLMProvider) -> None:
    """Without any I/O."""
    assert issubclass(provider.load_options(), ModelOptions)
    chosen = provider.load_options().model_validate(given(provider))
    context = Context(address="llm.default", data_folder=Path())

    assert isinstance(provider.load_factory()(chosen, context), OpenAIModel)


@pytest.mark.parametrize("provider", PROVIDERS.values(), ids=PROVIDERS)
def test_defaults_are_options(provider: LLMProvider) -> None:
    """With a model, and an address where there is no usual one, they are enough."""
    whole = {**given(provider), **provider.defaults}

    assert provider.load_options().model_validate(whole)


def test_responses_know_neither_seed_nor_stop() -> None:
    """What is claimed depends on the API."""
    openai = PROVIDERS["openai"]

    assert capabilities(openai, "chat") - capabilities(openai, "responses") == {
        "seed",
        "stop",
    }


def test_what_a_service_cannot_do_is_not_claimed() -> None:
    """So that it is refused before anything is sent."""
    assert "json_schema" not in capabilities(PROVIDERS["deepseek"], "chat")
    assert "files" not in capabilities(PROVIDERS["groq"], "chat")


async def test_a_row_is_all_of_a_service(
    server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A service that nobody here knows answers, without a line of code for it."""
    acme = Service(
        name="acme",
        summary="Acme",
        base_url=server.url,
        key="ACME_API_KEY",
        capabilities=SAMPLING,
        max_tokens="max_completion_tokens",
    )
    monkeypatch.setattr(plugin, "SERVICES", (acme,))
    server.respond(Scripted.json(wire.chat_completion()))
    settings = {"llm": {"default": {"provider": "acme", "model": "m", "api_key": "k"}}}
    async with Pegboard.isolated(settings, plugins=[plugin]) as board:
        reply = await board.llm().complete("Hello?", max_tokens=5, temperature=0)
        with pytest.raises(Unsupported, match="acme does not support seed"):
            await board.llm().complete("Hello?", seed=1)

    assert reply.text == "Hello."
    assert server.requests[0].json["max_completion_tokens"] == 5


def test_key_of_each_service_has_its_own_variable() -> None:
    """One service never gets the key of another."""
    names = [service.key for service in SERVICES if service.key]

    assert len(names) == len(set(names))
    assert PROVIDERS["groq"].env == {"api_key": ("GROQ_API_KEY",)}


@pytest.mark.parametrize(
    ("name", "known"), [("mistral", "mistral_ai"), ("xai", "x_ai"), ("openai", None)]
)
def test_tools_know_a_service_by_its_well_known_name(
    name: str, known: str | None
) -> None:
    """Where the conventions of OpenTelemetry have another than we do."""
    assert PROVIDERS[name].telemetry_name == known


def test_readme_lists_every_service() -> None:
    """What is offered is documented, with what it does besides chat."""
    readme = (Path(__file__).parents[1] / "README.md").read_text("utf-8")

    assert [name for name, one in PROVIDERS.items() if row(one) not in readme] == []


def test_readme_says_what_each_service_takes() -> None:
    """The capabilities that not all of them have, in one column."""
    readme = (Path(__file__).parents[1] / "README.md").read_text("utf-8")
    lines = [line for line in readme.splitlines() if line.startswith("| `")]
    rows = {
        f"| `{one.name}` | {one.summary} |": ", ".join(
            sorted(one.capabilities - EVERYWHERE)
        )
        for one in SERVICES
    }

    for begin, end in rows.items():
        (line,) = (line for line in lines if line.startswith(begin))
        assert line.endswith(f"| {end} |")


def row(provider: LLMProvider) -> str:
    """Return how the table of the README says what *provider* does besides chat."""
    marks = ("x" if name in provider.contracts else "" for name in BESIDES_CHAT)
    return f"| `{provider.name}` | {' | '.join(marks)} |"
