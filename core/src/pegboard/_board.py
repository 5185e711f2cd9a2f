"""The board: everything that is configured, made when it is first asked for."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, Self, TypeVar

from typing_extensions import TypeForm

from ._accounts import Accounts
from ._alerts import Alerts
from ._composition import composed
from ._explain import Explanation, explain
from ._factory import Instance, Surroundings, load_factory, make
from ._llm import LLM, Model
from ._plan import Plan, plan
from ._plugins.registry import Registry
from ._policy.shared import News
from ._settings.references import (
    UnresolvedError,
    field_of,
    parts_of,
    secret_store_references,
)
from ._settings.settings import Settings
from ._settings.tree import FAMILIES
from ._slo import ServiceLevels
from ._stats_file import StatsFile
from ._suggest import suggest
from .contracts.chat import ChatModel
from .contracts.declare import ContractInfo, contract_info
from .contracts.key_value import KeyValue
from .contracts.messenger import Messenger
from .contracts.secret_store import SecretStore
from .errors import (
    CloseError,
    PegboardError,
    PluginError,
    Problem,
    SettingsError,
)
from .health import Health, judged, measured

if TYPE_CHECKING:
    from ._plugins.loading import Plugin
    from .observers import Observer
    from .stats import Stats

Contract = TypeVar("Contract")


class Pegboard:
    """
    Providers by name, as the settings say.

    Settings are read from, nearest first: *settings*, the environment, ``.env``,
    ``pegboard.<profile>.toml``, ``pegboard.toml`` or ``[tool.pegboard]`` in
    ``pyproject.toml``. Use it as an async context manager, or call ``aclose``.
    """

    def __init__(
        self,
        settings: Mapping[str, Any] | None = None,
        *,
        folder: str | Path | None = None,
        profile: str | None = None,
        plugins: Iterable[object] = (),
        clock: Callable[[], float] = time.time,
    ) -> None:
        """
        Read the settings; make nothing yet.

        Args:
            settings: What is said here wins over every other layer.
            folder: Where the settings files are. Default: ``PEGBOARD_FOLDER``, else
                the nearest folder from here upwards that has some.
            profile: The overlay to use. Default: ``PEGBOARD_PROFILE``.
            plugins: Modules or objects with hooks that this program brings itself.
            clock: The time of day in seconds since 1970, for tests.

        Raises:
            SettingsError: With all that is wrong at the top level.

        """
        given = None if folder is None else Path(folder)
        self._start(Settings.load(settings or {}, given, profile), plugins, clock)

    @classmethod
    def isolated(
        cls,
        settings: Mapping[str, Any],
        *,
        environ: Mapping[str, str] | None = None,
        plugins: Iterable[object] = (),
        clock: Callable[[], float] = time.time,
    ) -> Self:
        """Return a board that reads *settings* and nothing else, as tests want it."""
        board = cls.__new__(cls)
        board._start(Settings.isolated(settings, environ or {}), plugins, clock)  # noqa: SLF001 - its own
        return board

    def _start(
        self,
        settings: Settings,
        plugins: Iterable[object],
        clock: Callable[[], float],
    ) -> None:
        rules = settings.top.plugins
        self._settings = settings
        self._clock = clock
        self._registry = Registry(allow=rules.allow, deny=rules.deny, own=plugins)
        self._instances: dict[str, Instance] = {}
        self._llms: dict[str, LLM] = {}
        self._fetched: dict[str, str | UnresolvedError] = {}
        self._accounts = Accounts(clock)
        self._alerts = Alerts(settings.top.alerts, clock, self._messenger)
        self._stats_file = self._new_stats_file(settings.top.stats.write_every)
        self._observers: tuple[Observer, ...] | None = None
        self._lock = threading.RLock()
        self._is_closed = False

    async def __aenter__(self) -> Self:
        await self._fetch_secrets()
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        addresses = ", ".join(self._settings.addresses()) or "embedded defaults"
        return f"<Pegboard: {addresses}>"

    def __reduce__(self) -> NoReturn:
        msg = "A Pegboard holds connections and secrets and cannot be pickled."
        raise TypeError(msg)

    def llm(self, name: str = "default") -> LLM:
        """
        Return the language model that the settings call *name*.

        Raises:
            SettingsError: It is not configured, or not rightly.
            PluginError: Its provider is missing, broken or ambiguous.

        """
        address = f"llm.{name}"
        with self._lock:
            if address not in self._llms:
                self._llms[address] = self._make_llm(address)
            return self._llms[address]

    def storage(self, name: str, contract: TypeForm[Contract]) -> Contract:
        """
        Return the storage that the settings call *name*, as *contract*.

        Raises:
            SettingsError: It is not configured, not rightly, or lacks the contract.
            PluginError: Its provider is missing, broken or ambiguous.

        """
        handle: Contract = self._offered("storage", name, contract)
        return handle

    def integration(self, name: str, contract: TypeForm[Contract]) -> Contract:
        """
        Return the integration that the settings call *name*, as *contract*.

        Raises:
            SettingsError: It is not configured, not rightly, or lacks the contract.
            PluginError: Its provider is missing, broken or ambiguous.

        """
        handle: Contract = self._offered("integrations", name, contract)
        return handle

    def provider(self, address: str) -> object:
        """
        Return what the plugin made for *address*: its own object, with no policy.

        For tests that look into a fake, and for abilities that no contract covers.

        Raises:
            SettingsError: It is not configured, or not rightly.
            PluginError: Its provider is missing, broken or ambiguous.

        """
        return self._instance(address, None).provider

    def flag(self, name: str) -> bool:
        """
        Return whether the feature flag *name* is on.

        Raises:
            SettingsError: It is not in ``[flags]``.

        """
        flags = self._settings.top.flags
        if name in flags:
            return flags[name]
        message = f"is not in the settings. {suggest(name, flags)}"
        raise SettingsError(Problem(f"flags.{name}", message))

    def addresses(self) -> list[str]:
        """Return the addresses of all configured instances."""
        return self._settings.addresses()

    def check(self) -> list[Problem]:
        """Return all that is wrong with any configured instance. Makes none."""
        found = [*self._check_used(), *self._check_alerts(), *self._check_slo()]
        for address in self._settings.addresses():
            try:
                load_factory(self._plan(address, None).offer)
            except SettingsError as error:
                found += error.problems
            except PluginError as error:
                message = str(error).removeprefix(f"{address}: ")
                found.append(Problem(address, message))
        return list(dict.fromkeys(found))

    def explain(self, address: str) -> Explanation:
        """
        Return what the instance at *address* is, and where each value came from.

        Raises:
            SettingsError: It is not configured, or not rightly.
            PluginError: Its provider is missing, broken or ambiguous.

        """
        return explain(self._plan(address, None))

    def stats(self) -> dict[str, Stats]:
        """
        Return what happened to the calls of every address that was called.

        Counted are calls that go through the policy; storage is called directly,
        unless its settings say ``external = true``.
        """
        return self._accounts.stats()

    async def health(self) -> dict[str, Health]:
        """
        Return for every instance whether it can be reached now.

        All are asked at once, each for no longer than ``[health] timeout``. Nothing is
        kept: what is up again is up the next time. Instances are made for it.
        """
        addresses = dict.fromkeys([*self.addresses(), *self._instances])
        # All are made before the first is asked: importing an SDK would eat its time.
        made = {address: self._instance_or_reason(address) for address in addresses}
        found = await asyncio.gather(*map(self._health, made.values()))
        return dict(zip(made, found, strict=True))

    def plugins(self) -> list[Plugin]:
        """Load every installed plugin and return it, broken ones too."""
        return self._registry.plugins()

    async def aclose(self) -> None:
        """
        Close what was opened, the last first.

        One that fails or takes too long does not stop the others. Closing again does
        nothing.

        Raises:
            CloseError: With those that did not close cleanly.

        """
        with suppress(TimeoutError):
            async with asyncio.timeout(self._settings.top.close_timeout):
                await self._alerts.aclose()
        if self._is_closed:
            return
        self._is_closed = True
        for llm in self._llms.values():
            llm._closed = True  # noqa: SLF001 - the board's own facade
        failures = {
            address: error
            for address, instance in reversed(self._instances.items())
            if (error := await self._close(instance)) is not None
        }
        if self._stats_file:
            self._stats_file.close()
        if failures:
            raise CloseError(failures)

    async def _close(self, instance: Instance) -> Exception | None:
        close = getattr(instance.provider, "aclose", None)
        if close is None:
            return None
        try:
            async with asyncio.timeout(self._settings.top.close_timeout):
                await close()
        except Exception as error:  # noqa: BLE001 - the others must still be closed
            return error
        return None

    def _instance_or_reason(self, address: str) -> Instance | str:
        try:
            return self._instance(address, None)
        except (SettingsError, PluginError) as error:
            return str(error)

    async def _health(self, instance: Instance | str) -> Health:
        if isinstance(instance, str):
            return Health(status="down", reason=instance)
        stats = self._accounts.of(instance.plan.address).stats()
        ping = getattr(instance.provider, "ping", None)
        if ping is None:
            return judged(stats, self._clock())
        timeout = self._settings.top.health.timeout
        return await measured(ping, timeout, stats, instance.plan.secrets)

    def _make_llm(self, address: str) -> LLM:
        instance = self._instance(address, contract_info(ChatModel))
        model = Model(
            address=address,
            provider=instance.plan.offer.provider.name,
            chat=instance.handle,
            capabilities=instance.plan.capabilities,
            drops_unsupported=instance.plan.drops_unsupported,
            streams="StreamingChat" in instance.plan.contracts,
        )
        return LLM(model)

    def _offered(self, family: str, name: str, contract: object) -> Any:
        info = contract_info(contract)
        if info.family != family:
            msg = f"{info.name} is a contract of {info.family}, not of {family}."
            raise SettingsError(Problem(f"{family}.{name}", msg))
        return self._instance(f"{family}.{name}", info).handle

    def _instance(self, address: str, contract: ContractInfo | None) -> Instance:
        """Return the instance at *address*, made now if it was not yet."""
        with self._lock:
            if self._is_closed:
                msg = f"{address}: the board is closed."
                raise PegboardError(msg)
            if address not in self._instances:
                self._instances[address] = self._make(self._plan(address, contract))
            instance = self._instances[address]
        if contract and contract.name not in instance.plan.contracts:
            raise SettingsError(_lacks(instance.plan, contract))
        return instance

    def _make(self, plan: Plan) -> Instance:
        """Return the instance of *plan*; those it is made of are made before it."""
        targets = {
            target.address.partition(".")[2]: self._instance(target.address, None)
            for target in plan.targets
        }
        handles = {name: instance.handle for name, instance in targets.items()}
        around = Surroundings(
            data_folder=self._settings.data_folder,
            clock=self._clock,
            accounts=self._accounts,
            observers=self._active_observers(),
            targets=handles,
            news=self._news(plan),
        )
        return make(plan, around)

    def _news(self, plan: Plan) -> News | None:
        """Return how the instance of *plan* hears of outages, if it is to."""
        name = plan.policy.breaker.shared
        if not plan.external or name is None or plan.address == f"storage.{name}":
            return None
        return News(self.storage(name, KeyValue), plan.address, self._clock)

    def _plan(self, address: str, contract: ContractInfo | None) -> Plan:
        embedded = contract.embedded if contract else _embedded(address)

        def plan_of(address: str) -> Plan:
            section = self._settings.section(address, embedded=embedded)
            return plan(address, section, self._settings, self._registry, self._fetched)

        return composed(plan_of(address), plan_of, self._settings.addresses())

    def _active_observers(self) -> tuple[Observer, ...]:
        if self._observers is None:
            plugins = self._registry.used(self._settings.top.plugins.use)
            results = [r for p in plugins for r in p.hook.pegboard_observers()]
            theirs = (one for result in results for one in result)
            self._observers = (
                *self._tracing(),
                *([self._alerts] if self._settings.top.alerts.to else []),
                *self._service_levels(),
                *([self._stats_file] if self._stats_file else []),
                *theirs,
            )
        return self._observers

    def _service_levels(self) -> Iterable[Observer]:
        """Yield what holds calls against their targets, if there are any."""
        if self._settings.top.slo:
            levels = self._settings.top.slo.values()
            yield ServiceLevels(levels, self._active_observers)

    def _tracing(self) -> Iterable[Observer]:
        """Yield what traces calls, if they are to be traced."""
        settings = self._settings.top.tracing
        if settings.enabled:
            # Imports OpenTelemetry, which nobody else needs.
            from ._tracing.tracing import Tracing  # noqa: PLC0415

            yield Tracing(settings)

    def _new_stats_file(self, every: float | None) -> StatsFile | None:
        if every is None:
            return None
        folder = self._settings.data_folder / "stats"
        return StatsFile(folder, every, self._clock, self.stats)

    def _messenger(self) -> Messenger:
        """Return what posts alerts."""
        return self.integration(self._settings.top.alerts.to or "", Messenger)

    def _check_alerts(self) -> list[Problem]:
        """Return what is wrong with who is to post alerts."""
        name = self._settings.top.alerts.to
        known = self._settings.names("integrations")
        if name is None or name in known:
            return []
        return [Problem("alerts.to", f"is not in the settings. {suggest(name, known)}")]

    def _check_slo(self) -> list[Problem]:
        """Return what is wrong with the addresses that have targets."""
        known = self._settings.addresses()
        return [
            Problem(
                f"slo.{name}.address",
                f"is not in the settings. {suggest(one.address, known)}",
            )
            for name, one in self._settings.top.slo.items()
            if one.address not in known
        ]

    def _check_used(self) -> list[Problem]:
        try:
            self._registry.used(self._settings.top.plugins.use)
        except PluginError as error:
            message = str(error).removeprefix("plugins.use ")
            return [Problem("plugins.use", message)]
        return []

    async def _fetch_secrets(self) -> None:
        """Fetch what the settings refer to in secret stores, once."""
        for reference in secret_store_references(self._settings.tree):
            if reference not in self._fetched:
                self._fetched[reference] = await self._fetch(reference)

    async def _fetch(self, reference: str) -> str | UnresolvedError:
        """Return the secret, or why there is none: only who needs it must fail."""
        try:
            instance, name, field = parts_of(reference)
            store = self.integration(instance, SecretStore)
            secret = await store.get_secret(name)
            return field_of(secret.get_secret_value(), field)
        except UnresolvedError as error:
            return error
        except PegboardError as error:
            return UnresolvedError(f"{reference!r} cannot be fetched: {error}")


def _embedded(address: str) -> str | None:
    """Return who serves *address* where nothing is configured and nothing is known."""
    family = address.partition(".")[0]
    if family not in FAMILIES:
        message = f"is no address. {suggest(family, FAMILIES)}"
        raise SettingsError(Problem(address, message))
    main = {"llm": ChatModel, "storage": KeyValue}.get(family)
    return contract_info(main).embedded if main else None


def _lacks(plan: Plan, contract: ContractInfo) -> Problem:
    provider = plan.offer.provider
    message = (
        f"{provider.name} does not offer {contract.name}. "
        f"It offers: {', '.join(provider.contracts)}."
    )
    return Problem(plan.address, message)
