"""Pictures: painted by models that answer with them. Nothing here does I/O."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from pegboard import GeneratedImages, Image, ImageRequest, Reply, Usage
from pegboard.errors import ContentFiltered, InvalidReply, Unsupported

from ._requests import OWN, media, merged, without_none

RATIO, RESOLUTION = re.compile(r"\d+:\d+"), re.compile(r"\d+K|512")
NOT_KNOWN = ("mask", "quality", "background")
"""What the API has no field for; words in the prompt do as well."""

Json = dict[str, Any]


def image_body(request: ImageRequest) -> Json:
    """
    Return *request* as the API wants it.

    Raises:
        Unsupported: It asks for what the API does not know.

    """
    for name in NOT_KNOWN:
        if getattr(request, name) is not None:
            msg = f"gemini knows no {name} of pictures. Say it in the prompt."
            raise Unsupported(msg)
    parts = [{"text": request.prompt}, *map(media, request.images)]
    config = without_none(
        responseModalities=["TEXT", "IMAGE"], imageConfig=_image_config(request.size)
    )
    body = {"contents": [{"role": "user", "parts": parts}], "generationConfig": config}
    return merged(body, request.extra.get(OWN, {}))


def painted(replies: Iterable[Reply]) -> GeneratedImages:
    """Return the pictures of *replies*, of which each has at least one."""
    kept = list(replies)
    return GeneratedImages(
        images=tuple(image for reply in kept for image in _images(reply)),
        model=kept[0].model,
        usage=sum((reply.usage for reply in kept), Usage()),
        provider_metadata=kept[0].provider_metadata,
    )


def _image_config(size: str | None) -> Json | None:
    if size is None:
        return None
    return dict(map(_measure, size.split()))


def _measure(text: str) -> tuple[str, str]:
    if RATIO.fullmatch(text):
        return "aspectRatio", text
    if RESOLUTION.fullmatch(text):
        return "imageSize", text
    msg = (
        f"gemini knows no size {text!r}. Say a ratio, a resolution or both: '16:9 2K'."
    )
    raise Unsupported(msg)


def _images(reply: Reply) -> list[Image]:
    found = [part for part in reply.parts if isinstance(part, Image)]
    if found:
        return found
    own: Mapping[str, Any] = reply.provider_metadata[OWN]
    reason = own.get("finishReason")
    told = f"{reason}. {own.get('finishMessage') or reply.text}".strip()
    kind = ContentFiltered if reply.finish_reason == "content_filter" else InvalidReply
    msg = f"gemini painted nothing: {told}"
    raise kind(msg, request_sent="yes", code=reason)
