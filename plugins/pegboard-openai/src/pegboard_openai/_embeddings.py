"""Embeddings: texts in as many requests as it takes, vectors in their order."""

from __future__ import annotations

import sys
from array import array
from base64 import b64decode
from typing import TYPE_CHECKING, Any

from pegboard import EmbeddingRequest, Embeddings, Usage

from ._convert import merged, without_none

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pegboard.contracts.embeddings import Vector

    from ._connection import Connection
    from .options import ModelOptions
    from .services import Service

PATH = "/embeddings"


class EmbeddingApi:
    """Embeds texts through one service."""

    def __init__(
        self, service: Service, options: ModelOptions, connection: Connection
    ) -> None:
        self._service = service
        self._most = service.embedded_bytes or sys.maxsize
        self._model = options.embedding_model or options.model
        self._connection = connection

    async def embed(self, request: EmbeddingRequest) -> Embeddings:
        """Return the vectors of the texts."""
        fields = self._fields(request)
        with self._connection.translation:
            answers = [
                await self._connection.post(PATH, {**fields, "input": texts})
                for texts in portions(request.texts, self._most)
            ]
            return Embeddings(
                vectors=tuple(vector for one in answers for vector in _vectors(one)),
                model=answers[0]["model"] if answers else fields["model"],
                usage=sum(map(_usage, answers), Usage()),
            )

    def _fields(self, request: EmbeddingRequest) -> dict[str, Any]:
        fields = without_none(
            model=request.model or self._model,
            encoding_format="base64" if self._service.has_base64 else None,
            **{self._service.dimensions: request.dimensions},
        )
        return merged(fields, request.extra.get(self._service.name, {}))


def portions(texts: tuple[str, ...], most: int) -> Iterator[list[str]]:
    """Yield *texts* in portions of *most* bytes, one text at least."""
    portion: list[str] = []
    size = 0
    for text in texts:
        length = len(text.encode())
        if portion and size + length > most:
            yield portion
            portion, size = [], 0
        portion.append(text)
        size += length
    if portion:
        yield portion


def _vectors(answer: Mapping[str, Any]) -> list[Vector]:
    ordered = sorted(answer["data"], key=lambda one: one["index"])
    return [_vector(one["embedding"]) for one in ordered]


def _vector(given: str | list[float]) -> Vector:
    """Return the numbers that were *given*: some services send no base64 at all."""
    if not isinstance(given, str):
        return array("f", given)
    numbers = array("f", b64decode(given))
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers


def _usage(answer: Mapping[str, Any]) -> Usage:
    usage = answer.get("usage") or {}
    read = usage.get("prompt_tokens")
    return Usage(estimated=True) if read is None else Usage(input=read)
