"""The catalog: what models a service has, in the fields that services use."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pegboard import ModelEntry

from .profiles import ANY, profile_of

if TYPE_CHECKING:
    from ._connection import Connection
    from .services import Service

PATH = "/models"
NAMES = ("name", "display_name")
CONTEXTS = ("context_length", "context_window", "max_context_length", "max_model_len")
OUTPUTS = ("max_completion_tokens", "max_output_tokens")
RETIREMENTS = ("shutdown_date", "deprecation")


class CatalogApi:
    """Lists the models of one service."""

    def __init__(self, service: Service, api: str, connection: Connection) -> None:
        self._service = service
        self._claims = service.capabilities_in(api)
        self._connection = connection

    async def list_models(self) -> tuple[ModelEntry, ...]:
        """Return all models."""
        with self._connection.translation:
            answer = await self._connection.get(PATH)
            # Together sends the list itself.
            entries = answer["data"] if isinstance(answer, Mapping) else answer
            return tuple(self._entry(entry) for entry in entries)

    def _entry(self, entry: Mapping[str, Any]) -> ModelEntry:
        return ModelEntry(
            id=entry["id"],
            name=_first(entry, NAMES),
            context_window=_first(entry, CONTEXTS),
            max_output=_first(entry, OUTPUTS),
            capabilities=self._capabilities(entry["id"]),
            retires_at=_time(_first(entry, RETIREMENTS)),
            provider_metadata={self._service.name: entry},
        )

    def _capabilities(self, model: str) -> frozenset[str] | None:
        """Return what a model can do of which more than its name is known."""
        profile = profile_of(model, self._service.profiles)
        return None if profile is ANY else self._claims - profile.lacks


def _first(entry: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    return next((entry[name] for name in names if entry.get(name)), None)


def _time(text: str | None) -> datetime | None:
    if text is None:
        return None
    time = datetime.fromisoformat(text)
    return time if time.tzinfo else time.replace(tzinfo=UTC)
