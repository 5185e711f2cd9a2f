"""What pegboard-ollama offers: models of an Ollama server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pegboard import LLMProvider, hookimpl
from pegboard.contracts.chat import model_of

if TYPE_CHECKING:
    from pegboard import Context

    from ._model import OllamaModel
    from .options import OllamaOptions

CAPABILITIES = frozenset(
    {
        "temperature",
        "top_p",
        "seed",
        "stop",
        "reasoning_effort",
        "json_schema",
        "tools",
        "images",
    }
)
CONTRACTS = {
    "ChatModel": 1,
    "StreamingChat": 1,
    "Embedder": 1,
    "ModelCatalog": 1,
    "ModelPuller": 1,
}
# A model on a machine of one's own is loaded first and then takes its time.
POLICY = {"deadline": 600}


@hookimpl
def pegboard_llm_providers() -> list[LLMProvider]:
    """Return the one provider."""
    return [
        LLMProvider(
            name="ollama",
            factory=make_model,
            options="pegboard_ollama.options:OllamaOptions",
            contracts=CONTRACTS,
            capabilities=CAPABILITIES,
            install="pegboard-ollama",
            defaults={"policy": POLICY},
            env={
                "host": ("OLLAMA_HOST",),
                "api_key": ("OLLAMA_API_KEY",),
                "models_folder": ("OLLAMA_MODELS",),
            },
            apart=model_of,
            summary="models of an Ollama server, fetched when they are missing",
        )
    ]


def make_model(options: OllamaOptions, context: Context) -> OllamaModel:
    """
    Make a model. Does no I/O.

    The SDK is slow to import and every plugin is loaded when a name is looked up, so
    the SDK is imported here, when someone asks for the model.
    """
    from ._model import OllamaModel  # noqa: PLC0415

    return OllamaModel(options, context)
