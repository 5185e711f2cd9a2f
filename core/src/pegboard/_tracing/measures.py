"""The metrics of calls to models: how long, how many tokens, how soon."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .conventions import (
    Attributes,
    Conventions,
    kind_of,
    metric_attributes,
    read,
    written,
)

if TYPE_CHECKING:
    from opentelemetry.metrics import Meter

    from pegboard.contracts.chat import Usage
    from pegboard.observers import Call

SECONDS = tuple(0.01 * 2**power for power in range(14))
TOKENS = tuple(4**power for power in range(14))
"""The bounds of buckets that the conventions ask for."""


class Measures:
    """The instruments that the conventions name."""

    def __init__(self, meter: Meter, conventions: Conventions) -> None:
        self._conventions = conventions
        self._duration = meter.create_histogram(
            "gen_ai.client.operation.duration",
            unit="s",
            description="How long calls took, with all their attempts.",
            explicit_bucket_boundaries_advisory=SECONDS,
        )
        self._tokens = meter.create_histogram(
            "gen_ai.client.token.usage",
            unit="{token}",
            description="How many tokens calls read and wrote.",
            explicit_bucket_boundaries_advisory=TOKENS,
        )
        self._first_chunk = meter.create_histogram(
            "gen_ai.client.operation.time_to_first_chunk",
            unit="s",
            description="How long streams took to their first event.",
            explicit_bucket_boundaries_advisory=SECONDS,
        )

    def take(
        self, call: Call, elapsed: float, answer: Attributes, usage: Usage | None
    ) -> None:
        """Measure *call*, which took *elapsed* seconds, if it was one to a model."""
        kind = kind_of(call)
        if kind is None:
            return
        known = metric_attributes(call, kind, answer, self._conventions)
        self._duration.record(elapsed, known)
        if self._conventions.is_new and call.first_item is not None:
            self._first_chunk.record(call.first_item, known)
        if usage is not None:
            self._tokens.record(read(usage), known | {"gen_ai.token.type": "input"})
            self._tokens.record(written(usage), known | {"gen_ai.token.type": "output"})
