"""The board: everything that is configured, made when it is first asked for."""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, Self, TypeVar

from typing_extensions import TypeForm

from ._checkup import problems
from ._explain import Explanation, explain
from ._factory import Instance
from ._instances import Instances
from ._keys import Keys
from ._models.abilities import Model
from ._models.llm import LLM
from ._observing import Observing
from ._operations import Operations
from ._plugins.registry import Registry
from ._policy.accounts import Accounts
from ._secrets import Secrets
from ._selection import selected
from ._settings.settings import Settings
from ._suggest import suggest
from .contracts.secret_store import SecretStore
from .errors import CloseError, Problem, SettingsError
from .health import Health, judged, measured
from .health import composed as composed_health

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer
    from pydantic import SecretStr

    from ._plan import Plan
    from ._plugins.loading import Plugin
    from .contracts.chat import Tool
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
        self._accounts = Accounts(clock)
        self._secrets = Secrets(settings.tree, self._secret_store)
        self._observing = Observing(
            settings,
            self._registry,
            clock=clock,
            accounts=self._accounts,
            integration=self.integration,
        )
        self._instances = Instances(
            settings,
            self._registry,
            clock=clock,
            accounts=self._accounts,
            fetched=self._secrets.fetched,
            observers=self._observing.observers,
        )
        self._keys = Keys(
            settings,
            self._registry,
            self._instances,
            clock=clock,
            fetched=self._secrets.fetched,
        )
        self._operations = Operations(self._instances)
        self._llms: dict[str, LLM] = {}
        self._lock = threading.RLock()

    async def __aenter__(self) -> Self:
        await self._secrets.fetch()
        every = self._settings.top.secrets.renew_every
        self._secrets.begin_renewing(every, self.renew_secrets)
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
                self._llms[address] = self._make_llm(self._instances.get(address))
            return self._llms[address]

    def select(self, *, needs: Iterable[str]) -> LLM:
        """
        Return the first configured language model that claims all of *needs*.

        Args:
            needs: Capabilities such as ``json_schema`` and ``images``, and abilities
                such as ``embeddings`` and ``batches``, in any order.

        Raises:
            SettingsError: None does. Says what each one lacks.

        """
        configured = [a for a in self.addresses() if a.startswith("llm.")]
        address = selected(needs, configured or ["llm.default"], self._instances.plan)
        return self.llm(address.partition(".")[2])

    def storage(self, name: str, contract: TypeForm[Contract]) -> Contract:
        """
        Return the storage that the settings call *name*, as *contract*.

        Raises:
            SettingsError: It is not configured, not rightly, or lacks the contract.
            PluginError: Its provider is missing, broken or ambiguous.

        """
        handle: Contract = self._instances.handle("storage", name, contract)
        return handle

    def integration(self, name: str, contract: TypeForm[Contract]) -> Contract:
        """
        Return the integration that the settings call *name*, as *contract*.

        Raises:
            SettingsError: It is not configured, not rightly, or lacks the contract.
            PluginError: Its provider is missing, broken or ambiguous.

        """
        handle: Contract = self._instances.handle("integrations", name, contract)
        return handle

    async def call(
        self, operation: str, arguments: Mapping[str, Any] | None = None
    ) -> Any:
        """
        Call *operation* with *arguments* of JSON, and return what JSON says of it.

        It is the same call as in Python, under the same policy.

        Args:
            operation: Instance and operation, such as ``alerts.post_message``; of
                storage with the family, such as ``storage.notes.get``.
            arguments: What it takes, by name.

        Raises:
            InvalidRequest: There is no such operation, or the arguments do not fit.
            SettingsError: The instance is not configured, or not rightly.
            PluginError: Its provider is missing, broken or ambiguous.

        """
        found = self._operations.find(operation)
        return await found(**found.read(arguments or {}))

    def tools(self, name: str, *names: str) -> tuple[Tool, ...]:
        """
        Return operations as tools that a model may be given.

        Args:
            name: An instance such as ``alerts``, for all of its operations that are
                for models, or one operation such as ``alerts.post_message``.
            names: More of them.

        Raises:
            InvalidRequest: There is no such operation, or it is not for models.
            SettingsError: The instance is not configured, or not rightly.
            PluginError: Its provider is missing, broken or ambiguous.

        """
        return self._operations.tools((name, *names))

    def provider(self, address: str) -> object:
        """
        Return what the plugin made for *address*: its own object, with no policy.

        For tests that look into a fake, and for abilities that no contract covers.

        Raises:
            SettingsError: It is not configured, or not rightly.
            PluginError: Its provider is missing, broken or ambiguous.

        """
        return self._instances.get(address).provider

    def tracer(self, component: str) -> Tracer:
        """
        Return a tracer of OpenTelemetry for the program's own spans, of *component*.

        They and those of the calls within are one tree, and go to the same place. Where
        the settings ask for no tracing, it makes none.
        """
        return self._observing.tracer(component)

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
        return problems(self._settings, self._registry, self._instances.plan)

    def explain(self, address: str) -> Explanation:
        """
        Return what the instance at *address* is, and where each value came from.

        Raises:
            SettingsError: It is not configured, or not rightly.
            PluginError: Its provider is missing, broken or ambiguous.

        """
        return explain(self._instances.plan(address))

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
        # All are made before the first is asked: importing an SDK would eat its time.
        made = {
            address: self._instances.get_or_reason(address)
            for address in self._instances.addresses()
        }
        results = await asyncio.gather(*map(self._health, made.values()))
        found = dict(zip(made, results, strict=True))
        plans = [one.plan for one in made.values() if isinstance(one, Instance)]
        return found | {plan.address: self._of_targets(plan, found) for plan in plans}

    async def renew_secrets(self) -> list[str]:
        """
        Fetch the secrets in secret stores again, and have all that is open use them.

        It happens every ``[secrets] renew_every`` seconds, too. What users hold goes on
        working; calls under way end with the old secrets. Storage that is called
        without a policy keeps its connections, and with them its secrets.

        Returns:
            The addresses of the instances whose secrets were others.

        """
        await self._secrets.fetch_again()
        return await self._instances.renew()

    async def check_secret(
        self, key: str, value: SecretStr | None = None
    ) -> dict[str, Health]:
        """
        Return for every instance that refers to the secret *key* whether it works.

        Args:
            key: Store and name, such as ``vault/api-key``.
            value: What to try in its place. Default: what is stored now.

        Raises:
            NotFound: It is not stored.
            SettingsError: There is no such store.

        """
        return await self._keys.check(key, value)

    async def rotate_secret(self, key: str, value: SecretStr) -> dict[str, Health]:
        """
        Store *value* as the secret *key*, once it works, and have all use it.

        Raises:
            InvalidRequest: An instance is down with it. Nothing was changed.
            SettingsError: There is no such store, or it takes no secrets.

        Returns:
            How those were with it that refer to it.

        """
        found = await self._keys.rotate(key, value)
        await self.renew_secrets()
        return found

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
        await self._secrets.end_renewing()
        await self._observing.post_waiting()
        for llm in self._llms.values():
            llm._closed = True  # noqa: SLF001 - the board's own facade
        failures = await self._instances.aclose()
        await self._observing.aclose()
        if failures:
            raise CloseError(failures)

    async def _health(self, instance: Instance | str) -> Health:
        if isinstance(instance, str):
            return Health(status="down", reason=instance)
        stats = self._accounts.of(instance.plan.address).stats()
        ping = getattr(instance.provider, "ping", None)
        if ping is None:
            return judged(stats, self._clock())
        timeout = self._settings.top.health.timeout
        return await measured(ping, timeout, stats, instance.plan.secrets)

    def _of_targets(self, plan: Plan, found: Mapping[str, Health]) -> Health:
        """Return the health of the instance of *plan*, by that of its targets."""
        if not plan.targets:
            return found[plan.address]
        targets = {one.address: self._of_targets(one, found) for one in plan.targets}
        stats = self._accounts.of(plan.address).stats()
        return composed_health(targets, plan.offer.provider.needs, stats)

    def _secret_store(self, name: str) -> SecretStore:
        return self.integration(name, SecretStore)

    def _make_llm(self, instance: Instance) -> LLM:
        plan = instance.plan
        model = Model(
            address=plan.address,
            provider=plan.offer.provider.name,
            handle=instance.handle,
            capabilities=plan.capabilities,
            abilities=plan.abilities,
            drops_unsupported=plan.drops_unsupported,
            texts_at_once=getattr(instance.provider, "texts_at_once", None),
            model=getattr(plan.options, "model", None),
            deadline=plan.policy.deadline if plan.external else math.inf,
            observers=self._observing.observers(),
            secrets=self._instances.secrets,
        )
        return LLM(model)
