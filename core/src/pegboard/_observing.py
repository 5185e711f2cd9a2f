"""Who is told of the calls of a board, as its settings say."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ._observers.alerts import Alerts
from ._observers.slo import ServiceLevels
from ._observers.stats_file import StatsFile
from .contracts.messenger import Messenger
from .contracts.tracing import Tracing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from opentelemetry.trace import Tracer, TracerProvider

    from ._observers.call_log import CallLog
    from ._plugins.registry import Registry
    from ._policy.accounts import Accounts
    from ._settings.settings import Settings
    from .observers import Observer


class Observing:
    """The observers of a board, put together when its first instance is made."""

    def __init__(
        self,
        settings: Settings,
        registry: Registry,
        *,
        clock: Callable[[], float],
        accounts: Accounts,
        integration: Callable[[str, Any], Any],
    ) -> None:
        self._integration = integration
        self._settings = settings
        self._registry = registry
        self._clock = clock
        self._accounts = accounts
        self._alerts = _alerts(settings, clock, integration)
        self._stats_file = self._new_stats_file()
        self._call_log = self._new_call_log()
        self._observers: tuple[Observer, ...] | None = None

    def observers(self) -> tuple[Observer, ...]:
        """Return all observers; those of plugins come last."""
        if self._observers is None:
            self._observers = self._made()
        return self._observers

    def tracer(self, component: str) -> Tracer:
        """Return a tracer for spans that are not of calls."""
        from opentelemetry import trace  # noqa: PLC0415 - few programs need it

        wanted = self._settings.top.tracing
        if not (wanted.enabled or wanted.to):
            return trace.NoOpTracer()
        provider = self._provider()
        if wanted.to and provider is None:
            return trace.NoOpTracer()
        return trace.get_tracer(component, tracer_provider=provider)

    async def post_waiting(self) -> None:
        """Wait until alerts are posted, but not for ever."""
        if self._alerts:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._settings.top.close_timeout):
                    await self._alerts.aclose()

    async def aclose(self) -> None:
        """Write what is to be written last."""
        if self._stats_file:
            self._stats_file.close()
        if self._call_log:
            await self._call_log.aclose()

    def _made(self) -> tuple[Observer, ...]:
        self._observers = ()  # of what is made to be an observer
        try:
            return (*self._own(), *self._theirs())
        except BaseException:
            self._observers = None  # so that who asks again is not told of nothing
            raise

    def _own(self) -> Iterator[Observer]:
        yield from self._tracing()
        if self._alerts:
            yield self._alerts
        if self._settings.top.slo:
            yield ServiceLevels(self._settings.top.slo, self.observers)
        if self._stats_file:
            yield self._stats_file
        if self._call_log:
            yield self._call_log

    def _theirs(self) -> Iterator[Observer]:
        for plugin in self._registry.used(self._settings.top.plugins.use):
            for observers in plugin.hook.pegboard_observers():
                yield from observers

    def _tracing(self) -> Iterator[Observer]:
        """Yield what traces calls, if they are to be traced."""
        wanted = self._settings.top.tracing
        provider = self._provider()
        if provider or (wanted.enabled and not wanted.to):
            # Imports OpenTelemetry, which nobody else needs.
            from ._tracing.tracing import Tracing as TracingObserver  # noqa: PLC0415

            yield TracingObserver(wanted, provider)

    def _provider(self) -> TracerProvider | None:
        """Return what makes the tracers, if the settings say where traces go."""
        name = self._settings.top.tracing.to
        if name is None:
            return None
        destination: Tracing = self._integration(name, Tracing)
        return destination.tracer_provider

    def _new_stats_file(self) -> StatsFile | None:
        every = self._settings.top.stats.write_every
        if every is None:
            return None
        folder = self._settings.data_folder / "stats"
        return StatsFile(folder, every, self._clock, self._accounts.stats)

    def _new_call_log(self) -> CallLog | None:
        if not self._settings.top.calls.record:
            return None
        # Imports SQLite, which a program may do without.
        from ._observers.call_log import CallLog  # noqa: PLC0415

        path = self._settings.data_folder / "calls" / "calls.sqlite"
        return CallLog(path, self._settings.top.calls, self._clock)


def _alerts(
    settings: Settings,
    clock: Callable[[], float],
    integration: Callable[[str, Any], Any],
) -> Alerts | None:
    name = settings.top.alerts.to
    if name is None:
        return None
    return Alerts(settings.top.alerts, clock, lambda: integration(name, Messenger))
