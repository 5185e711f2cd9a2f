"""Tells in time that a model is going to be no more."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from .profiles import RETIREMENTS

if TYPE_CHECKING:
    from pegboard import Context, ModelEntry


class Lifecycle:
    """Says once for each model that its end is near."""

    def __init__(self, context: Context) -> None:
        """Speak for the instance of *context*."""
        self._log = context.log
        self._clock = context.clock
        self._seen: set[str] = set()
        self._warned: set[str] = set()

    def used(self, model: str) -> None:
        """Warn at the first use of *model* if its end is known, without asking."""
        if model in self._seen:
            return
        self._seen.add(model)
        if model in RETIREMENTS:
            self._warn(model, self._sentence(model, RETIREMENTS[model]))

    def learned(self, model: str, entry: ModelEntry) -> str | None:
        """Return what the service's *entry* says of the end of *model*, and warn."""
        if entry.retires_at is None and entry.deprecated_at is None:
            return None
        ends = entry.retires_at and entry.retires_at.astimezone(UTC).date()
        sentence = self._sentence(model, ends)
        self._warn(model, sentence)
        return sentence

    def _sentence(self, model: str, ends: date | None) -> str:
        if ends is None:
            return f"{model} is deprecated"
        days = (ends - datetime.fromtimestamp(self._clock(), UTC).date()).days
        if days < 0:
            return f"{model} was to retire on {ends}"
        return f"{model} is deprecated and retires on {ends}, in {days} days"

    def _warn(self, model: str, sentence: str) -> None:
        if model not in self._warned:
            self._warned.add(model)
            self._log.warning("{}. Choose another model.", sentence)
