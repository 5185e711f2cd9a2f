"""What pegboard-openai offers: language models of OpenAI and services like it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from pegboard import LLMProvider, hookimpl
from pegboard.contracts.chat import model_of

from .services import OPENAI, SERVICES, Service

if TYPE_CHECKING:
    from pegboard import Context

    from ._model import OpenAIModel
    from .options import OpenAIOptions

NOT_IN_RESPONSES = frozenset({"seed", "stop"})


@hookimpl
def pegboard_llm_providers() -> list[LLMProvider]:
    """Return one provider for each service."""
    return [_provider(service) for service in SERVICES]


def _provider(service: Service) -> LLMProvider:
    env = {"api_key": (service.key,)} if service.key else {}
    if service is OPENAI:
        env |= {
            "base_url": ("OPENAI_BASE_URL",),
            "organization": ("OPENAI_ORG_ID",),
            "project": ("OPENAI_PROJECT_ID",),
        }
    options = "KeyedOpenAIOptions" if service.key else "OpenAIOptions"
    return LLMProvider(
        name=service.name,
        factory=partial(_make_model, service),
        options=f"pegboard_openai.options:{options}",
        contracts={"ChatModel": 1, "StreamingChat": 1},
        capabilities=partial(_capabilities, service),
        install="pegboard-openai",
        defaults=_defaults(service),
        env=env,
        apart=model_of,
        telemetry_name=service.telemetry_name,
        summary=service.summary,
    )


def _defaults(service: Service) -> dict[str, Any]:
    place = {"base_url": service.base_url} if service.base_url else {}
    return {"api": service.api, **place}


def _capabilities(service: Service, options: OpenAIOptions) -> frozenset[str]:
    missing = NOT_IN_RESPONSES if options.api == "responses" else frozenset()
    return service.capabilities - missing


def _make_model(
    service: Service, options: OpenAIOptions, context: Context
) -> OpenAIModel:
    """
    Make a model. Does no I/O.

    The SDK is slow to import and every plugin is loaded when a name is looked up, so
    the SDK is imported here, when someone asks for the model.
    """
    from ._model import OpenAIModel  # noqa: PLC0415

    return OpenAIModel(service, options, context)
