"""The instances of a board: what is configured, made when it is first asked for."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from threading import RLock
from typing import TYPE_CHECKING, Any, get_args, get_origin

from ._composition import composed
from ._factory import Instance, Surroundings, make, make_provider
from ._log import logger_of
from ._plan import Plan, plan
from ._policy.shared import News
from ._settings.tree import FAMILIES
from ._suggest import suggest
from .contracts.chat import ChatModel
from .contracts.declare import contract_info
from .contracts.key_value import KeyValue
from .errors import (
    InvalidRequest,
    PegboardError,
    PluginError,
    Problem,
    SettingsError,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._plugins.registry import Registry
    from ._policy.accounts import Accounts
    from ._settings.references import Fetched
    from ._settings.settings import Settings
    from .contracts.declare import ContractInfo
    from .observers import Observer


class Instances:
    """Instances by address. Threads may share them."""

    def __init__(  # noqa: PLR0913 - what a board consists of, each once
        self,
        settings: Settings,
        registry: Registry,
        *,
        clock: Callable[[], float],
        accounts: Accounts,
        fetched: Fetched,
        observers: Callable[[], tuple[Observer, ...]],
    ) -> None:
        self._settings = settings
        self._registry = registry
        self._clock = clock
        self._accounts = accounts
        self._fetched = fetched
        self._observers = observers
        self._made: dict[str, Instance] = {}
        self._built: dict[tuple[str, object], Any] = {}
        self._replaced: dict[str, Any] = {}
        self._lock = RLock()
        self._is_closed = False

    def addresses(self) -> list[str]:
        """Return all that are configured, and those that were made without that."""
        return list(dict.fromkeys([*self._settings.addresses(), *self._made]))

    def plan(self, address: str, contract: ContractInfo | None = None) -> Plan:
        """Return how to make the instance at *address*, asked for as *contract*."""
        embedded = contract.embedded if contract else _embedded(address)

        def plan_of(address: str) -> Plan:
            section = self._settings.section(address, embedded=embedded)
            return plan(address, section, self._settings, self._registry, self._fetched)

        return composed(plan_of(address), plan_of, self._settings.addresses())

    def get(self, address: str, contract: ContractInfo | None = None) -> Instance:
        """Return the instance at *address*, made now if it was not yet."""
        with self._lock:
            if self._is_closed:
                msg = f"{address}: the board is closed."
                raise PegboardError(msg)
            if address not in self._made:
                self._observers()  # which may make it: the one that traces go to
            if address not in self._made:
                self._made[address] = self._make(self.plan(address, contract))
            instance = self._made[address]
        if contract and contract.name not in instance.plan.contracts:
            raise SettingsError(_lacks(instance.plan, contract))
        return instance

    def get_or_reason(self, address: str) -> Instance | str:
        """Return the instance at *address*, or why there is none."""
        try:
            return self.get(address)
        except (SettingsError, PluginError) as error:
            return str(error)

    def handle(self, family: str, name: str, contract: object) -> Any:
        """Return what users call of the instance *name*, which offers *contract*."""
        made: Any = get_origin(contract) or contract
        ground = getattr(made, "__built_on__", None)
        if ground is not None:
            _check_brackets(made, contract)
            handle = self.handle(family, name, ground)
            return self._built_on(handle, f"{family}.{name}", made, contract)
        info = contract_info(contract)
        if info.family != family:
            msg = f"{info.name} is a contract of {info.family}, not of {family}."
            raise SettingsError(Problem(f"{family}.{name}", msg))
        instance = self.get(f"{family}.{name}", info)
        return instance.parts.get(info.name, instance.handle)

    def _built_on(self, handle: Any, address: str, made: Any, contract: object) -> Any:
        """Return what is made of *handle*: the same for all who ask for the same."""
        with self._lock:
            if (address, contract) not in self._built:
                self._built[address, contract] = made(handle, *get_args(contract))
            return self._built[address, contract]

    async def renew(self) -> list[str]:
        """
        Have those whose secrets are others now use them; return their addresses.

        Calls under way end as they began. What made them is closed when the next one
        takes its place, or with the board, which gives streams their time.
        """
        with self._lock:
            found = [self._renewed(instance) for instance in self._made.values()]
        changed = [one for one in found if one is not None]
        for _, before in changed:
            await self._close(before)
        return [instance.plan.address for instance, _ in changed]

    def _renewed(self, instance: Instance) -> tuple[Instance, Any] | None:
        """Put a new provider behind *instance*, if its secrets have changed."""
        if instance.replace is None:
            return None
        address = instance.plan.address
        try:
            plan = self.plan(address)
            if plan.options == instance.plan.options:
                return None
            provider = make_provider(plan, self._around(plan))
        except PegboardError as error:
            logger_of(address).warning("It keeps its old secrets: {}", error)
            return None
        hidden = tuple(dict.fromkeys([*plan.secrets, *instance.plan.secrets]))
        instance.replace(provider, hidden)
        renewed = replace(
            instance, plan=replace(plan, secrets=hidden), provider=provider
        )
        self._made[address] = renewed
        before = self._replaced.get(address)
        self._replaced[address] = instance.provider
        logger_of(address).info("It uses the new secrets.")
        return renewed, before

    def secrets(self) -> list[str]:
        """Return the secrets of all that was made."""
        made = list(self._made.values())
        return [secret for instance in made for secret in instance.plan.secrets]

    async def aclose(self) -> dict[str, Exception]:
        """Close all, the last first; return what went wrong. A second time is no-op."""
        if self._is_closed:
            return {}
        self._is_closed = True
        opened = [*self._made.items()]
        providers = [(address, instance.provider) for address, instance in opened]
        return {
            address: error
            for address, provider in reversed([*self._replaced.items(), *providers])
            if (error := await self._close(provider)) is not None
        }

    async def _close(self, provider: Any) -> Exception | None:
        close = getattr(provider, "aclose", None)
        if close is None:
            return None
        try:
            async with asyncio.timeout(self._settings.top.close_timeout):
                await close()
        except Exception as error:  # noqa: BLE001 - the others must still be closed
            return error
        return None

    def _make(self, plan: Plan) -> Instance:
        """Return the instance of *plan*; those it is made of are made before it."""
        return make(plan, self._around(plan))

    def _around(self, plan: Plan) -> Surroundings:
        targets = {
            target.address.partition(".")[2]: self.get(target.address).handle
            for target in plan.targets
        }
        return Surroundings(
            data_folder=self._settings.data_folder,
            clock=self._clock,
            accounts=self._accounts,
            observers=self._observers(),
            targets=targets,
            news=self._news(plan),
        )

    def _news(self, plan: Plan) -> News | None:
        """Return how the instance of *plan* hears of outages, if it is to."""
        name = plan.policy.breaker.shared
        if not plan.external or name is None or plan.address == f"storage.{name}":
            return None
        storage: KeyValue = self.handle("storage", name, KeyValue)
        return News(storage, plan.address, self._clock)


def _embedded(address: str) -> str | None:
    """Return who serves *address* where nothing is configured and nothing is known."""
    family = address.partition(".")[0]
    if family not in FAMILIES:
        message = f"is no address. {suggest(family, FAMILIES)}"
        raise SettingsError(Problem(address, message))
    main = {"llm": ChatModel, "storage": KeyValue}.get(family)
    return contract_info(main).embedded if main else None


def _check_brackets(made: Any, contract: object) -> None:
    """Refuse a generic class of which nobody says what it is to hold."""
    if getattr(made, "__parameters__", ()) and not get_args(contract):
        name = made.__name__
        msg = f"{name} of what? Write {name}[YourModel], with brackets."
        raise InvalidRequest(msg, request_sent="no")


def _lacks(plan: Plan, contract: ContractInfo) -> Problem:
    provider = plan.offer.provider
    message = (
        f"{provider.name} does not offer {contract.name}. "
        f"It offers: {', '.join(plan.contracts)}."
    )
    return Problem(plan.address, message)
