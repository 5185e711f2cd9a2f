"""
Images: what is sent, which model paints, and what is made of the answers.

The shapes are those of the SDK's types: no server that paints could be had.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from pegboard import Image, ImageRequest, Usage
from pegboard.errors import (
    ContentFiltered,
    InvalidReply,
    NotFound,
    PermissionDenied,
    Unsupported,
)
from pegboard.testing import openai_wire as wire
from pegboard.testing.fault_server import FaultServer, Scripted

if TYPE_CHECKING:
    from pegboard_openai._model import OpenAIModel

OpenModel = Callable[..., "OpenAIModel"]
PICTURE = Scripted.json(wire.images(b"png", size="1024x1024"))
GONE = Scripted.json(wire.error(code="model_not_found"), status=404)
FORBIDDEN = Scripted.json(wire.error("Verify the organization."), status=403)


def ask(prompt: str = "a peg", **more: Any) -> ImageRequest:
    """Return a request to paint."""
    return ImageRequest(prompt=prompt, **more)


async def test_picture_is_painted(server: FaultServer, open_model: OpenModel) -> None:
    """With what the request says, and no more."""
    server.respond(PICTURE)
    request = ask(count=2, size="16x16", quality="low", background="transparent")
    painted = await open_model().generate_images(request)

    sent = await server.next_request()
    assert sent.path == "/v1/images/generations"
    assert sent.json == {
        "model": "m",
        "prompt": "a peg",
        "n": 2,
        "size": "16x16",
        "quality": "low",
        "background": "transparent",
    }
    assert painted.images == (Image(b"png", "image/png"),)
    assert (painted.model, painted.usage) == ("m", Usage(input=9, output=272))
    assert painted.provider_metadata == {"openai": {"size": "1024x1024"}}


@pytest.mark.parametrize(
    ("said", "media_type"),
    [("webp", "image/webp"), ("jpeg", "image/jpeg"), ("svg", "image/svg+xml")],
)
async def test_type_is_what_the_service_says(
    server: FaultServer, open_model: OpenModel, said: str, media_type: str
) -> None:
    """It may have been chosen through extra."""
    server.respond(Scripted.json(wire.images(b"x", output_format=said)))
    extra = {"openai": {"output_format": said}}
    painted = await open_model().generate_images(ask(extra=extra))

    assert (await server.next_request()).json["output_format"] == said
    assert painted.images[0].media_type == media_type


async def test_pictures_to_change_are_sent_as_a_form(
    server: FaultServer, open_model: OpenModel
) -> None:
    """Each with a name that tells its type; the mask beside them."""
    server.respond(PICTURE)
    request = ask(images=(Image(b"one"), Image(b"two", "image/webp")), mask=Image(b"m"))
    await open_model().generate_images(request)

    sent = await server.next_request()
    assert sent.path == "/v1/images/edits"
    assert sent.headers["content-type"].startswith("multipart/form-data; boundary=")
    assert sent.body.count(b'name="image[]"') == 2
    assert b'name="mask"; filename="image.png"' in sent.body
    assert b'filename="image.webp"\r\nContent-Type: image/webp\r\n\r\ntwo' in sent.body
    assert b'name="prompt"\r\n\r\na peg\r\n' in sent.body


async def test_picture_by_address_is_refused(
    server: FaultServer, open_model: OpenModel
) -> None:
    """A form carries bytes; nothing is sent."""
    with pytest.raises(Unsupported, match="Pass the bytes"):
        await open_model().generate_images(ask(images=(Image("https://a/b.png"),)))

    assert server.requests == []


@pytest.mark.parametrize("refusal", [GONE, FORBIDDEN])
async def test_next_model_paints_where_one_cannot_be_used(
    server: FaultServer, open_model: OpenModel, refusal: Scripted
) -> None:
    """Accounts differ in the models that they may use."""
    server.respond(refusal, PICTURE)
    model = open_model(image_models=["new", "old", "oldest"])
    painted = await model.generate_images(ask())

    assert [request.json["model"] for request in server.requests] == ["new", "old"]
    assert painted.model == "old"


async def test_last_model_says_why(server: FaultServer, open_model: OpenModel) -> None:
    """When none can be used, there is one error."""
    server.respond(GONE, FORBIDDEN)

    with pytest.raises(PermissionDenied, match="Verify"):
        await open_model(image_models=["new", "old"]).generate_images(ask())


async def test_other_failures_are_not_for_the_next_model(
    server: FaultServer, open_model: OpenModel
) -> None:
    """What one refuses to paint, the next must not be asked for."""
    error = wire.error("No.", code="moderation_blocked")
    server.respond(Scripted.json(error, status=400))

    with pytest.raises(ContentFiltered):
        await open_model(image_models=["new", "old"]).generate_images(ask())
    assert len(server.requests) == 1


async def test_model_of_the_request_has_no_others(
    server: FaultServer, open_model: OpenModel
) -> None:
    """Who names one wants that one."""
    server.respond(GONE)

    with pytest.raises(NotFound):
        await open_model(image_models=["old"]).generate_images(ask(model="mine"))
    assert len(server.requests) == 1


@pytest.mark.parametrize("answer", [wire.images(), {"data": [{"url": "u"}]}, {}])
async def test_answer_without_a_picture_is_an_error(
    server: FaultServer, open_model: OpenModel, answer: object
) -> None:
    """Nothing was painted, or it is not here."""
    server.respond(Scripted.json(answer))

    with pytest.raises(InvalidReply):
        await open_model().generate_images(ask())
