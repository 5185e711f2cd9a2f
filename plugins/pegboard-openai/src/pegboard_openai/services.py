"""The services that speak the OpenAI API: one row each."""

from __future__ import annotations

from dataclasses import dataclass

SAMPLING = frozenset({"temperature", "top_p", "stop"})
USUAL = SAMPLING | {"seed", "json_schema", "tools", "images"}
ALL = USUAL | {"reasoning_effort", "files"}


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
    max_tokens: str = "max_tokens"
    """What its chat API calls the most tokens of a reply."""
    telemetry_name: str | None = None
    """What the conventions of OpenTelemetry call it, if not by its name."""
    has_stream_options: bool = True
    """Whether a chat stream has to be asked for its usage, and can be."""


OPENAI = Service(
    name="openai",
    summary="OpenAI",
    base_url="https://api.openai.com/v1",
    key="OPENAI_API_KEY",
    api="responses",
    capabilities=ALL,
    max_tokens="max_completion_tokens",
)

SERVICES = (
    OPENAI,
    Service(
        name="openai-compatible",
        summary="any server that speaks the OpenAI API",
        capabilities=USUAL | {"reasoning_effort"},
    ),
    Service(
        name="cerebras",
        summary="Cerebras",
        base_url="https://api.cerebras.ai/v1",
        key="CEREBRAS_API_KEY",
        capabilities=USUAL - {"images"} | {"reasoning_effort"},
    ),
    Service(
        name="deepinfra",
        summary="DeepInfra",
        base_url="https://api.deepinfra.com/v1/openai",
        key="DEEPINFRA_API_KEY",
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
    ),
    Service(
        name="groq",
        summary="Groq",
        base_url="https://api.groq.com/openai/v1",
        key="GROQ_API_KEY",
        capabilities=USUAL | {"reasoning_effort"},
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
    ),
    Service(
        name="lm-studio",
        summary="LM Studio",
        base_url="http://127.0.0.1:1234/v1",
    ),
    Service(
        name="mistral",
        summary="Mistral AI",
        base_url="https://api.mistral.ai/v1",
        key="MISTRAL_API_KEY",
        telemetry_name="mistral_ai",
        capabilities=USUAL - {"seed"},
        has_stream_options=False,
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
    ),
    Service(
        name="sglang",
        summary="an SGLang server",
        base_url="http://127.0.0.1:30000/v1",
    ),
    Service(
        name="together",
        summary="Together AI",
        base_url="https://api.together.xyz/v1",
        key="TOGETHER_API_KEY",
        capabilities=USUAL | {"reasoning_effort"},
    ),
    Service(
        name="vllm",
        summary="a vLLM server",
        base_url="http://127.0.0.1:8000/v1",
        capabilities=USUAL | {"reasoning_effort"},
    ),
    Service(
        name="xai",
        summary="xAI",
        base_url="https://api.x.ai/v1",
        key="XAI_API_KEY",
        telemetry_name="x_ai",
        capabilities=USUAL | {"reasoning_effort"},
    ),
)
