"""Secrets that are in secret stores: fetched before anything needs them, and again."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from ._log import logger_of
from ._settings.references import (
    UnresolvedError,
    field_of,
    parts_of,
    secret_store_references,
)
from .errors import PegboardError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ._settings.references import Fetched
    from ._settings.tree import Tree
    from .contracts.secret_store import SecretStore


class Secrets:
    """What the settings refer to in secret stores."""

    def __init__(self, tree: Tree, store: Callable[[str], SecretStore]) -> None:
        self._references = secret_store_references(tree)
        self._store = store
        self._fetched: dict[str, str | UnresolvedError] = {}
        self._renewing: asyncio.Task[None] | None = None

    @property
    def fetched(self) -> Fetched:
        """What was found, by reference; it grows and changes."""
        return self._fetched

    async def fetch(self) -> None:
        """Fetch what was not fetched yet."""
        for reference in self._references - self._fetched.keys():
            self._fetched[reference] = await self._fetch(reference)

    async def fetch_again(self) -> None:
        """Fetch all anew. What cannot be fetched now stays as it was."""
        for reference in self._references:
            found = await self._fetch(reference)
            if isinstance(found, str) or reference not in self._fetched:
                self._fetched[reference] = found
            else:
                logger_of("secrets").warning("{}", found)

    def begin_renewing(
        self, every: float, renew: Callable[[], Awaitable[object]]
    ) -> None:
        """Call *renew* after each *every* seconds, if there is anything to renew."""
        if not every or not self._references or self._renewing is not None:
            return

        async def renew_for_ever() -> None:
            while True:
                await asyncio.sleep(every)
                try:
                    await renew()
                except Exception as error:  # noqa: BLE001 - stores are foreign code
                    told = "Not renewed, as a store failed with {}."
                    logger_of("secrets").warning(told, type(error).__name__)

        self._renewing = asyncio.create_task(renew_for_ever())

    async def end_renewing(self) -> None:
        """Renew nothing any more."""
        renewing, self._renewing = self._renewing, None
        if renewing is None or renewing.get_loop().is_closed():
            return
        renewing.get_loop().call_soon_threadsafe(renewing.cancel)
        if renewing.get_loop() is asyncio.get_running_loop():
            await asyncio.wait([renewing])

    async def _fetch(self, reference: str) -> str | UnresolvedError:
        """Return the secret, or why there is none: only who needs it must fail."""
        try:
            instance, name, field = parts_of(reference)
            secret = await self._store(instance).get_secret(name)
            return field_of(secret.get_secret_value(), field)
        except UnresolvedError as error:
            return error
        except PegboardError as error:
            return UnresolvedError(f"{reference!r} cannot be fetched: {error}")
