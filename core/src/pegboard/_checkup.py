"""What is wrong with settings, found without making anything."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._factory import load_factory
from ._suggest import suggest
from .errors import PluginError, Problem, SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ._plan import Plan
    from ._plugins.registry import Registry
    from ._settings.settings import Settings


def problems(
    settings: Settings, registry: Registry, plan_of: Callable[[str], Plan]
) -> list[Problem]:
    """Return all that is wrong with any configured instance, and what names one."""
    found = [
        *_used(settings, registry),
        *_named(settings, "alerts.to", settings.top.alerts.to),
        *_named(settings, "tracing.to", settings.top.tracing.to),
        *_targets(settings),
        *_instances(settings, plan_of),
    ]
    return list(dict.fromkeys(found))


def _used(settings: Settings, registry: Registry) -> Iterator[Problem]:
    try:
        registry.used(settings.top.plugins.use)
    except PluginError as error:
        message = str(error).removeprefix("plugins.use ")
        yield Problem("plugins.use", message)


def _named(settings: Settings, where: str, name: str | None) -> Iterator[Problem]:
    """Yield what is wrong with the integration that is named there."""
    known = settings.names("integrations")
    if name is not None and name not in known:
        yield _unknown(where, name, known)


def _targets(settings: Settings) -> Iterator[Problem]:
    """Yield what is wrong with the addresses that have targets."""
    known = settings.addresses()
    for name, one in settings.top.slo.items():
        if one.address not in known:
            yield _unknown(f"slo.{name}.address", one.address, known)


def _instances(settings: Settings, plan_of: Callable[[str], Plan]) -> Iterator[Problem]:
    for address in settings.addresses():
        try:
            load_factory(plan_of(address).offer)
        except SettingsError as error:
            yield from error.problems
        except PluginError as error:
            yield Problem(address, str(error).removeprefix(f"{address}: "))


def _unknown(where: str, name: str, known: list[str]) -> Problem:
    return Problem(where, f"is not in the settings. {suggest(name, known)}")
