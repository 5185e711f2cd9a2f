"""What pegboard-local offers: language models inside the process."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pegboard import LLMProvider, hookimpl

if TYPE_CHECKING:
    from pegboard import Context

    from ._chat import LocalChat
    from .options import LocalOptions

CAPABILITIES = frozenset(
    {"temperature", "top_p", "seed", "stop", "json_schema", "tools"}
)
# A computation that failed would fail again, and one that is slow only needs time.
POLICY = {"attempts": 1, "deadline": 600}


@hookimpl
def pegboard_llm_providers() -> list[LLMProvider]:
    """Return the one provider."""
    return [
        LLMProvider(
            name="local",
            factory=make_model,
            options="pegboard_local.options:LocalOptions",
            contracts={"ChatModel": 1, "StreamingChat": 1, "Embedder": 1},
            capabilities=CAPABILITIES,
            install="pegboard-local",
            defaults={"policy": POLICY},
            summary="a model inside this process, offline, from a GGUF file",
        )
    ]


def make_model(options: LocalOptions, context: Context) -> LocalChat:  # noqa: ARG001 - every factory gets it
    """Make a model. Does no I/O: the file is read when the model is first used."""
    from ._chat import LocalChat  # noqa: PLC0415 - with its first user, not at start
    from ._shared import MODELS  # noqa: PLC0415

    return LocalChat(options, MODELS)
