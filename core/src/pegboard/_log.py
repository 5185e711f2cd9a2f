"""Logging: through loguru, silent until the program asks for it."""

from __future__ import annotations

from threading import Event
from typing import TYPE_CHECKING

from loguru import logger

if TYPE_CHECKING:
    from loguru import Logger

logger.disable("pegboard")
_enabled = Event()
is_enabled = _enabled.is_set
"""Tells for next to nothing what asking the logger would take a microsecond for."""


def logger_of(component: str) -> Logger:
    """Return the logger that says it speaks for *component*."""
    return logger.bind(component=component)


def enable_logging() -> None:
    """
    Let pegboard speak through the program's loguru sinks.

    Every message has ``extra["component"]``: the part of pegboard, or the address of
    the instance, that it is about.
    """
    _enabled.set()
    logger.enable("pegboard")
