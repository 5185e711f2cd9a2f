"""The embedding API: our values to and from its JSON. Nothing here does I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pegboard import Embeddings, Usage
from pegboard.errors import InvalidReply

from ._chat import checked, merged, metadata_of, usage_of, without_none

if TYPE_CHECKING:
    from pegboard import EmbeddingRequest

    from .options import OllamaOptions


def embed_body_of(request: EmbeddingRequest, options: OllamaOptions) -> dict[str, Any]:
    """Return *request* as the API wants it; a text too long is not cut in silence."""
    body = without_none(
        model=request.model or options.model,
        input=list(request.texts),
        truncate=False,
        dimensions=request.dimensions,
        options={"num_ctx": options.num_ctx} if options.num_ctx else None,
        keep_alive=options.keep_alive,
    )
    return merged(body, request.extra)


def embeddings_of(answer: Any, count: int) -> Embeddings:
    """
    Return the API's *answer* to *count* texts.

    Raises:
        InvalidReply: There are more or fewer vectors than texts.

    """
    vectors = checked(answer)["embeddings"]
    if len(vectors) != count:
        msg = f"Ollama answered {count} texts with {len(vectors)} vectors."
        raise InvalidReply(msg)
    return Embeddings(
        vectors=tuple(map(tuple, vectors)),
        model=answer["model"],
        usage=usage_of(answer) or Usage(estimated=True),
        provider_metadata=metadata_of(answer),
    )
