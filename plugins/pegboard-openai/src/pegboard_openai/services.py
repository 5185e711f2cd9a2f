"""The services that speak the OpenAI API: one row each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .profiles import OPENAI_MODELS, Profiles

SAMPLING = frozenset({"temperature", "top_p", "stop"})
USUAL = SAMPLING | {"seed", "json_schema", "tools", "images"}
NOT_IN_RESPONSES = frozenset({"seed", "stop"})
ALL = USUAL | {"reasoning_effort", "files"}
CHAT = frozenset({"ChatModel", "StreamingChat"})
LISTED = CHAT | {"ModelCatalog"}
EMBEDDING = LISTED | {"Embedder"}
WHOLE = frozenset(
    {"Embedder", "ImageGenerator", "SpeechModel", "TranscriptionModel", "BatchChat"}
)
"""What OpenAI's own models do besides chat."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """Where a service is and in what it differs from the others."""

    name: str
    summary: str
    base_url: str | None = None
    """None: there is no usual place, so settings have to say it."""
    key: str | None = None
    """The variable that usually holds the key; None where no key is needed."""
    api: str = "chat"
    """The API to use where settings do not choose one."""
    capabilities: frozenset[str] = USUAL
    """What it can do through the chat API."""
    contracts: frozenset[str] = LISTED
    """What it offers."""
    profiles: Profiles = field(default_factory=dict)
    """In what its models differ."""
    max_tokens: str = "max_tokens"
    """What its chat API calls the most tokens of a reply."""
    telemetry_name: str | None = None
    """What the conventions of OpenTelemetry call it, if not by its name."""
    has_stream_options: bool = True
    """Whether a chat stream has to be asked for its usage, and can be."""
    texts_at_once: int = 256
    """Most texts that it embeds in one request."""
    embedded_bytes: int | None = None
    """
    Most UTF-8 bytes of those texts together, if it bounds their tokens.

    A token has at least one byte, so this many tokens are never passed.
    """
    dimensions: str = "dimensions"
    """What it calls the length of a vector."""
    has_base64: bool = False
    """Whether it sends vectors as base64 when it is asked to."""
    sees_results: bool = False
    """Whether tools may answer with pictures and documents in the Responses API."""
    searches: Mapping[str, str] = field(default_factory=dict)
    """By API, the type of its tool that searches the web."""
    cost: str | None = None
    """What in its usage says what a call cost in US dollars, if anything does."""
    batch_prefix: str = "/v1"
    """What stands before the path of the API in a batch."""

    def capabilities_in(self, api: str) -> frozenset[str]:
        """Return what it can do through *api*, of the two that there are."""
        searches = {"web_search"} if api in self.searches else frozenset()
        if api == "chat":
            return self.capabilities | searches
        shown = {"tool_media"} if self.sees_results else frozenset()
        return (self.capabilities | searches | shown) - NOT_IN_RESPONSES


OPENAI = Service(
    name="openai",
    summary="OpenAI",
    base_url="https://api.openai.com/v1",
    key="OPENAI_API_KEY",
    api="responses",
    capabilities=ALL | {"image_editing"},
    contracts=EMBEDDING | WHOLE,
    profiles=OPENAI_MODELS,
    max_tokens="max_completion_tokens",
    texts_at_once=2048,
    embedded_bytes=300_000,
    has_base64=True,
    searches={"responses": "web_search"},
    sees_results=True,
)
AZURE = Service(
    name="azure",
    summary="Azure OpenAI",
    key="AZURE_OPENAI_API_KEY",
    telemetry_name="azure.ai.openai",
    api="responses",
    capabilities=ALL | {"image_editing"},
    # The list of models is that of the region, not of what can be asked for here.
    contracts=CHAT | WHOLE,
    profiles=OPENAI_MODELS,
    max_tokens="max_completion_tokens",
    texts_at_once=2048,
    embedded_bytes=300_000,
    has_base64=True,
    searches={"responses": "web_search"},
    sees_results=True,
    batch_prefix="",
)

SERVICES = (
    OPENAI,
    AZURE,
    Service(
        name="openai-compatible",
        summary="any server that speaks the OpenAI API",
        capabilities=USUAL | {"reasoning_effort"},
        contracts=EMBEDDING,
    ),
    Service(
        name="cerebras",
        summary="Cerebras",
        base_url="https://api.cerebras.ai/v1",
        key="CEREBRAS_API_KEY",
        capabilities=USUAL - {"images"} | {"reasoning_effort"},
        max_tokens="max_completion_tokens",
    ),
    Service(
        name="deepinfra",
        summary="DeepInfra",
        base_url="https://api.deepinfra.com/v1/openai",
        key="DEEPINFRA_API_KEY",
        contracts=EMBEDDING,
    ),
    Service(
        name="deepseek",
        summary="DeepSeek",
        base_url="https://api.deepseek.com/v1",
        key="DEEPSEEK_API_KEY",
        capabilities=SAMPLING | {"tools"},
    ),
    Service(
        name="fireworks",
        summary="Fireworks AI",
        base_url="https://api.fireworks.ai/inference/v1",
        key="FIREWORKS_API_KEY",
        capabilities=USUAL | {"reasoning_effort"},
        contracts=EMBEDDING,
    ),
    Service(
        name="groq",
        summary="Groq",
        base_url="https://api.groq.com/openai/v1",
        key="GROQ_API_KEY",
        capabilities=USUAL | {"reasoning_effort"},
        contracts=LISTED | {"TranscriptionModel", "BatchChat"},
        max_tokens="max_completion_tokens",
    ),
    Service(
        name="huggingface",
        summary="Hugging Face Inference Providers",
        base_url="https://router.huggingface.co/v1",
        key="HF_TOKEN",
    ),
    Service(
        name="llama-cpp",
        summary="a llama.cpp server",
        base_url="http://127.0.0.1:8080/v1",
        contracts=EMBEDDING,
        has_base64=True,
    ),
    Service(
        name="lm-studio",
        summary="LM Studio",
        base_url="http://127.0.0.1:1234/v1",
        contracts=EMBEDDING,
    ),
    Service(
        name="mistral",
        summary="Mistral AI",
        base_url="https://api.mistral.ai/v1",
        key="MISTRAL_API_KEY",
        telemetry_name="mistral_ai",
        capabilities=USUAL - {"seed"},
        contracts=EMBEDDING,
        has_stream_options=False,
        embedded_bytes=16_384,
        dimensions="output_dimension",
    ),
    Service(
        name="moonshot",
        summary="Moonshot AI",
        base_url="https://api.moonshot.ai/v1",
        key="MOONSHOT_API_KEY",
        capabilities=SAMPLING | {"tools", "images"},
    ),
    Service(
        name="openrouter",
        summary="OpenRouter",
        base_url="https://openrouter.ai/api/v1",
        key="OPENROUTER_API_KEY",
        capabilities=ALL,
        contracts=EMBEDDING,
        searches=dict.fromkeys(("chat", "responses"), "openrouter:web_search"),
        cost="cost",
    ),
    Service(
        name="sglang",
        summary="an SGLang server",
        base_url="http://127.0.0.1:30000/v1",
        contracts=EMBEDDING,
    ),
    Service(
        name="together",
        summary="Together AI",
        base_url="https://api.together.xyz/v1",
        key="TOGETHER_API_KEY",
        capabilities=USUAL | {"reasoning_effort"},
        contracts=EMBEDDING,
    ),
    Service(
        name="vllm",
        summary="a vLLM server",
        base_url="http://127.0.0.1:8000/v1",
        capabilities=USUAL | {"reasoning_effort"},
        contracts=EMBEDDING,
        has_base64=True,
    ),
    Service(
        name="xai",
        summary="xAI",
        base_url="https://api.x.ai/v1",
        key="XAI_API_KEY",
        telemetry_name="x_ai",
        capabilities=USUAL | {"reasoning_effort"},
        searches={"responses": "web_search"},
    ),
)
COSTS = {service.name: service.cost for service in SERVICES if service.cost}
"""What in the usage of each service says what a call cost."""
