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


class Log:
    """What a plugin says of one of its instances; silent like all of pegboard."""

    def __init__(self, component: str) -> None:
        self._component = component

    def debug(self, message: str, *values: object) -> None:
        """Say what helps to find a mistake; *values* replace ``{}`` in *message*."""
        self._say("DEBUG", message, values)

    def info(self, message: str, *values: object) -> None:
        """Say what is going on; *values* replace ``{}`` in *message*."""
        self._say("INFO", message, values)

    def warning(self, message: str, *values: object) -> None:
        """Say what somebody should look at; *values* replace ``{}`` in *message*."""
        self._say("WARNING", message, values)

    def _say(self, level: str, message: str, values: tuple[object, ...]) -> None:
        if is_enabled():
            logger_of(self._component).log(level, message, *values)


def enable_logging() -> None:
    """
    Let pegboard and its plugins speak through the program's loguru sinks.

    Every message has ``extra["component"]``: the part of pegboard, or the address of
    the instance, that it is about.
    """
    _enabled.set()
    logger.enable("pegboard")
