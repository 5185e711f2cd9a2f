"""What pegboard-openai offers: language models of OpenAI and services like it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from pegboard import LLMProvider, hookimpl
from pegboard.contracts.chat import model_of

from .kinds import offers
from .profiles import profile_of
from .services import AZURE, OPENAI, SERVICES, Service

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pegboard import Context

    from ._model import OpenAIModel
    from .options import ModelOptions

VARIABLES: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    OPENAI.name: {
        "base_url": ("OPENAI_BASE_URL",),
        "organization": ("OPENAI_ORG_ID",),
        "project": ("OPENAI_PROJECT_ID",),
    },
    AZURE.name: {
        "endpoint": ("AZURE_OPENAI_ENDPOINT",),
    },
}
"""Options that users may have in variables, besides the key."""


@hookimpl
def pegboard_llm_providers() -> list[LLMProvider]:
    """Return one provider for each service."""
    return [_provider(service) for service in SERVICES]


def _provider(service: Service) -> LLMProvider:
    key = {"api_key": (service.key,)} if service.key else {}
    return LLMProvider(
        name=service.name,
        factory=partial(_make_model, service),
        options=f"pegboard_openai.options:{_options(service)}",
        contracts=dict.fromkeys(service.contracts, 1),
        capabilities=partial(_capabilities, service),
        offers=partial(offers, service),
        install="pegboard-openai",
        defaults=_defaults(service),
        env={**key, **VARIABLES.get(service.name, {})},
        apart=model_of,
        telemetry_name=service.telemetry_name,
        summary=service.summary,
    )


def _options(service: Service) -> str:
    if service is AZURE:
        return "AzureOptions"
    return "KeyedOpenAIOptions" if service.key else "OpenAIOptions"


def _defaults(service: Service) -> dict[str, Any]:
    place = {"base_url": service.base_url} if service.base_url else {}
    return {"api": service.api, **place}


def _capabilities(service: Service, options: ModelOptions) -> frozenset[str]:
    profile = profile_of(options.known_model, service.profiles)
    return service.capabilities_in(options.api) - profile.lacks


def _make_model(
    service: Service, options: ModelOptions, context: Context
) -> OpenAIModel:
    """
    Make a model. Does no I/O.

    The SDK is slow to import and every plugin is loaded when a name is looked up, so
    the SDK is imported here, when someone asks for the model.
    """
    from ._model import OpenAIModel  # noqa: PLC0415

    return OpenAIModel(service, options, context)
