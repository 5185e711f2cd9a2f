"""Images: painted and changed by the first model that the account may use."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pegboard import GeneratedImages, Image, ImageRequest, Usage
from pegboard.errors import InvalidReply, NotFound, PermissionDenied, Unsupported

from ._convert import kept, merged, without_none

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ._connection import Connection
    from .options import ModelOptions

UNAVAILABLE = (NotFound, PermissionDenied)
"""What asking for a model ends in that this account cannot use."""
MEDIA_TYPES: Mapping[str, str] = {"image/svg": "image/svg+xml"}
KEPT = ("size", "quality", "background", "output_format")
"""What the service chose, where the request did not."""


class ImageApi:
    """Paints through one service."""

    def __init__(
        self, name: str, options: ModelOptions, connection: Connection
    ) -> None:
        self._name = name
        self._models = options.image_models or (options.model,)
        self._connection = connection

    async def generate_images(self, request: ImageRequest) -> GeneratedImages:
        """Paint with the first model that can be used."""
        *others, last = (request.model,) if request.model else self._models
        for model in others:
            try:
                return await self._paint(request, model)
            except UNAVAILABLE:
                continue
        return await self._paint(request, last)

    async def _paint(self, request: ImageRequest, model: str) -> GeneratedImages:
        fields = self._fields(request, model)
        with self._connection.translation:
            if request.images:
                files = [*_files(request)]
                path = "/images/edits"
                answer = await self._connection.upload(path, fields, files)
            else:
                answer = await self._connection.post("/images/generations", fields)
            return _generated(answer, model, self._name)

    def _fields(self, request: ImageRequest, model: str) -> dict[str, Any]:
        fields = without_none(
            model=model,
            prompt=request.prompt,
            n=request.count if request.count > 1 else None,
            size=request.size,
            quality=request.quality,
            background=request.background,
        )
        return merged(fields, request.extra.get(self._name, {}))


def _files(request: ImageRequest) -> Iterator[tuple[str, tuple[str, bytes, str]]]:
    """
    Yield the fields of a form that hold pictures.

    Raises:
        Unsupported: One is an address, which no form can carry.

    """
    for image in request.images:
        yield "image[]", _file(image)
    if request.mask is not None:
        yield "mask", _file(request.mask)


def _file(image: Image) -> tuple[str, bytes, str]:
    if isinstance(image.source, bytes):
        kind = image.media_type.rpartition("/")[2]
        return (f"image.{kind}", image.source, image.media_type)
    msg = "Pictures to change are sent, not named. Pass the bytes of the picture."
    raise Unsupported(msg, request_sent="no")


def _generated(answer: Mapping[str, Any], model: str, name: str) -> GeneratedImages:
    media_type = f"image/{answer.get('output_format') or 'png'}"
    images = [
        Image(b64decode(one["b64_json"]), MEDIA_TYPES.get(media_type, media_type))
        for one in answer["data"]
    ]
    if not images:
        msg = f"{name} painted nothing."
        raise InvalidReply(msg, request_sent="yes")
    return GeneratedImages(
        images=tuple(images),
        model=model,
        usage=_usage(answer.get("usage")),
        provider_metadata={name: kept(KEPT, answer)},
    )


def _usage(usage: Mapping[str, Any] | None) -> Usage | None:
    if usage is None:
        return None
    return Usage(input=usage["input_tokens"], output=usage["output_tokens"])
