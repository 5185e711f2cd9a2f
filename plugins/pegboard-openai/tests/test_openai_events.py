"""Server-sent events, however their bytes arrive."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pegboard import ChatRequest, Finished
from pegboard.errors import InvalidRequest
from pegboard.testing import openai_wire as wire
from pegboard.testing.fault_server import Fault, FaultServer, Scripted
from pegboard_openai._connection import encoded
from pegboard_openai._events import EventCutter

if TYPE_CHECKING:
    from pegboard_openai._model import OpenAIModel

OpenModel = Callable[..., "OpenAIModel"]
ASK = ChatRequest(messages=())
EVENTS = (
    b'event: x\r\ndata: {"a": 1}\r\n\r\n: still here\n\ndata:[1,\ndata: 2]\nid: 7\n\n'
)


def cut(*pieces: bytes) -> list[bytes]:
    """Return the data of the events in *pieces*."""
    cutter = EventCutter()
    return [data for piece in pieces for data in cutter.cut(piece)]


def test_data_is_cut_out_of_events() -> None:
    """Lines may end in two ways; a comment is no event; data may have lines."""
    assert cut(EVENTS) == [b'{"a": 1}', b"[1,\n2]"]


@given(st.lists(st.integers(0, len(EVENTS)), max_size=6))
def test_pieces_make_no_difference(places: list[int]) -> None:
    """A network cuts anywhere."""
    ends = [0, *sorted(places), len(EVENTS)]
    pieces = [EVENTS[a:b] for a, b in pairwise(ends)]

    assert cut(*pieces) == cut(EVENTS)


def test_event_without_its_end_is_none() -> None:
    """Who sent it may have broken off."""
    assert cut(b'data: {"a": 1}\n') == []


async def test_connection_is_used_again_after_a_stream(
    server: FaultServer, open_model: OpenModel
) -> None:
    """What comes after the last event is read too."""
    steps = wire.chat_stream("a")
    server.respond(*[Scripted.events(*steps)] * 3)
    model = open_model()
    for _ in range(3):
        assert [event async for event in model.stream(ASK)]

    assert len(server._connections) == 1


async def test_stream_ends_with_its_last_event(
    server: FaultServer, open_model: OpenModel
) -> None:
    """A service that then keeps the connection open is not waited for."""
    server.respond(Scripted.events(*wire.chat_stream("a"), Fault.HANG))
    *_, last = [event async for event in open_model().stream(ASK)]

    assert isinstance(last, Finished)
    await server.all_left()


def test_what_has_no_json_is_refused() -> None:
    """It was put into extra, so the request is wrong and not the answer."""
    with pytest.raises(InvalidRequest, match="cannot be sent as JSON") as caught:
        encoded({"x": object()})

    assert caught.value.request_sent == "no"
