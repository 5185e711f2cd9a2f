"""Where traces are sent to: the contract."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from .declare import contract, operation

if TYPE_CHECKING:
    from opentelemetry.trace import TracerProvider


@contract(family="integrations", version=1, direct=True)
class Tracing(Protocol):
    """
    Somewhere that spans of OpenTelemetry are sent to.

    Sending is its own business: nobody waits for it, and a failure changes nothing for
    whoever made a span. What has ended when the board closes is sent then.
    """

    @property
    def tracer_provider(self) -> TracerProvider | None:
        """What makes tracers, never a global one; None while this is off."""
        ...

    @operation(repeatable=True, tool=False)
    async def flush(self) -> None:
        """
        Send the spans that have ended.

        Raises:
            Unavailable: Not all could be sent in time.

        """
        ...
