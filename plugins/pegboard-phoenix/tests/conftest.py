from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
)
from pegboard.testing import FaultServer, Scripted
from pegboard.testing.tracing import SentSpan


class Collector:
    """What takes spans as Phoenix does, and reads what was really sent."""

    def __init__(self, server: FaultServer) -> None:
        self._server = server

    @property
    def url(self) -> str:
        """Where it is."""
        return self._server.url

    @property
    def requests(self) -> list:
        """The requests that arrived."""
        return [one for one in self._server.requests if one.path == "/v1/traces"]

    @property
    def resources(self) -> list[dict[str, object]]:
        """What all spans of a request have in common, one request after the other."""
        return [
            _plain(one.resource.attributes)
            for request in self.requests
            for one in _decoded(request).resource_spans
        ]

    def spans(self) -> list[SentSpan]:
        """Return all spans that arrived."""
        return [span for request in self.requests for span in _spans(request)]

    def respond(self, *answers: Scripted) -> None:
        """Answer with these first."""
        self._server.respond(*answers)


def _decoded(request) -> ExportTraceServiceRequest:
    return ExportTraceServiceRequest.FromString(request.body)


def _spans(request) -> Iterator[SentSpan]:
    for resource in _decoded(request).resource_spans:
        for scope in resource.scope_spans:
            for span in scope.spans:
                yield SentSpan(
                    name=span.name,
                    trace=span.trace_id.hex(),
                    id=span.span_id.hex(),
                    parent=span.parent_span_id.hex() or None,
                    attributes=_plain(span.attributes),
                )


def _plain(attributes) -> dict[str, object]:
    return {one.key: _value(MessageToDict(one.value)) for one in attributes}


def _value(told: dict) -> object:
    ((kind, value),) = told.items()
    if kind == "arrayValue":
        return [_value(one) for one in value["values"]]
    return int(value) if kind == "intValue" else value


TAKEN = Scripted(headers={"content-type": "application/x-protobuf"})


@pytest.fixture(autouse=True)
def nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the variables of this machine out."""
    for name in ("COLLECTOR_ENDPOINT", "API_KEY", "PROJECT_NAME"):
        monkeypatch.delenv(f"PHOENIX_{name}", raising=False)


@pytest.fixture
async def collector() -> AsyncIterator[Collector]:
    """Run a collector."""
    async with FaultServer(otherwise=lambda _: TAKEN) as server:
        yield Collector(server)
