"""Keys: secrets in stores, with who uses them and whether that works."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from ._instances import Instances
from ._policy.accounts import Accounts
from ._settings.references import (
    UnresolvedError,
    field_of,
    parts_of,
    secret_store_references,
)
from .contracts.secret_store import SecretStore, SecretVault
from .errors import InvalidRequest, PegboardError, Problem, SettingsError
from .health import Health, measured
from .stats import Stats

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic import SecretStr

    from ._factory import Instance
    from ._plugins.registry import Registry
    from ._settings.references import Fetched
    from ._settings.settings import Settings


class Keys:
    """The secrets of a board, each by store and name, such as ``vault/api-key``."""

    def __init__(
        self,
        settings: Settings,
        registry: Registry,
        instances: Instances,
        *,
        clock: Callable[[], float],
        fetched: Fetched,
    ) -> None:
        self._settings = settings
        self._registry = registry
        self._instances = instances
        self._clock = clock
        self._fetched = fetched

    def vaults(self) -> list[str]:
        """Return the names of the stores that take secrets, of those that work."""
        names = self._settings.names("integrations")
        return [name for name in names if self._is_vault(name)]

    def users(self, key: str) -> list[str]:
        """Return the addresses of the instances that refer to *key*."""
        parted(key)
        return [
            address
            for address in self._settings.addresses()
            if self._refs(address, key)
        ]

    async def check(
        self, key: str, value: SecretStr | None = None
    ) -> dict[str, Health]:
        """Return how the users of *key* are, with *value* or with what is stored."""
        store, name = parted(key)
        if value is None:
            keeper = self._instances.handle("integrations", store, SecretStore)
            value = await keeper.get_secret(name)
        tried = {
            r: _field(value, r) for a in self.users(key) for r in self._refs(a, key)
        }
        trial = self._trial({**self._fetched, **tried})
        try:
            made = {one: trial.get_or_reason(one) for one in self.users(key)}
            found = await asyncio.gather(*map(self._health, made.values()))
        finally:
            await trial.aclose()
        return dict(zip(made, found, strict=True))

    async def rotate(self, key: str, value: SecretStr) -> dict[str, Health]:
        """Store *value* as *key*, unless a user of it would be down with it."""
        store, name = parted(key)
        vault = self._instances.handle("integrations", store, SecretVault)
        found = await self.check(key, value)
        if reasons := [
            f"{a}: {one.reason}" for a, one in found.items() if one.status == "down"
        ]:
            msg = f"{key} stays as it is. With the new one, {'; '.join(reasons)}."
            error = InvalidRequest(msg, request_sent="no")
            error.address = f"integrations.{store}"
            raise error
        await vault.set_secret(name, value)
        return found

    def _is_vault(self, name: str) -> bool:
        try:
            plan = self._instances.plan(f"integrations.{name}")
        except PegboardError:
            return False  # such as one whose own secret is not stored yet
        return "SecretVault" in plan.contracts

    def _refs(self, address: str, key: str) -> list[str]:
        """Return the references to *key* in the section of *address*."""
        section = self._settings.section(address, embedded=None)
        return [
            one
            for one in secret_store_references(section)
            if one.partition("#")[0] == f"secret:{key}"
        ]

    def _trial(self, fetched: Fetched) -> Instances:
        """Return instances of which nobody is told, and which nobody else has."""
        return Instances(
            self._settings,
            self._registry,
            clock=self._clock,
            accounts=Accounts(self._clock),
            fetched=fetched,
            observers=lambda: (),
        )

    async def _health(self, instance: Instance | str) -> Health:
        if isinstance(instance, str):
            return Health(status="down", reason=instance)
        ping = getattr(instance.provider, "ping", None)
        if ping is None:
            return Health(status="unknown", reason="it has no check")
        timeout = self._settings.top.health.timeout
        return await measured(ping, timeout, Stats(), instance.plan.secrets)


def parted(key: str) -> tuple[str, str]:
    """
    Return store and name of *key*.

    Raises:
        SettingsError: It is spelled in another way.

    """
    store, slash, name = key.partition("/")
    if not (store and slash and name) or "#" in name:
        told = "is not spelled STORE/NAME, such as vault/api-key."
        raise SettingsError(Problem(key, told))
    return store, name


def _field(value: SecretStr, reference: str) -> str | UnresolvedError:
    try:
        return field_of(value.get_secret_value(), parts_of(reference)[2])
    except UnresolvedError as error:
        return error
