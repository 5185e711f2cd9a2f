"""How observers are told: none of them may disturb a call or the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pegboard._log import logger_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pegboard.observers import Event, Observer


def tell(observers: Iterable[Observer], event: Event, address: str) -> None:
    """Tell *observers* of *event*; what one of them raises is logged for *address*."""
    for observer in observers:
        try:
            observer.notify(event)
        except Exception as error:  # noqa: BLE001 - observers are foreign code
            logger_of(address).error(
                "Observer {} failed at {}: {!r}", observer, event, error
            )
