"""
Loading one plugin: the only module that knows how hooks are called.

Each plugin gets a plugin manager of its own, so that what it offers is known to be
its, and what is wrong with it stays with it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any

import pluggy

from pegboard import hooks
from pegboard.contracts.declare import contract_info
from pegboard.descriptors import (
    IntegrationProvider,
    LLMProvider,
    Provider,
    StorageProvider,
)
from pegboard.errors import PluginError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .discovery import EntryPoint

PROVIDER_HOOKS: Mapping[str, type[Provider]] = {
    "pegboard_llm_providers": LLMProvider,
    "pegboard_storage_providers": StorageProvider,
    "pegboard_integrations": IntegrationProvider,
}


@dataclass(frozen=True, slots=True)
class Plugin:
    """A plugin that was loaded, or the reason why it was not."""

    entry: EntryPoint
    providers: tuple[Provider, ...] = ()
    contracts: Mapping[str, str | type] = field(default_factory=dict)
    """What it declares by name: the contract, or where it is."""
    broken: str | None = None
    hook: Any = None
    """pluggy's caller of this plugin's hooks."""


def load(entry: EntryPoint, thing: object = None) -> Plugin:
    """Return the plugin of *entry*, importing it unless *thing* is it."""
    try:
        return _loaded(entry, thing or resolve_name(entry.value))
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001 - a plugin may do anything, even exit
        reason = str(error) if isinstance(error, PluginError) else _told(error)
        return Plugin(entry, broken=reason)


def _loaded(entry: EntryPoint, thing: object) -> Plugin:
    manager = pluggy.PluginManager("pegboard")
    manager.add_hookspecs(hooks)
    manager.register(thing)
    manager.check_pending()
    if not manager.get_hookcallers(thing):
        msg = f"{entry.value} implements no hook. Mark its functions with @hookimpl."
        raise PluginError(msg)
    hook = manager.hook
    contracts = _all(hook.pegboard_contracts())
    return Plugin(
        entry,
        providers=tuple(_providers(hook)),
        contracts={_name(contract): contract for contract in contracts},
        hook=hook,
    )


def _providers(hook: Any) -> list[Provider]:
    found = []
    for name, kind in PROVIDER_HOOKS.items():
        for provider in _all(getattr(hook, name)()):
            if not isinstance(provider, kind):
                msg = f"{name} returned {provider!r}, which is no {kind.__name__}."
                raise PluginError(msg)
            found.append(provider)
    return found


def _name(contract: str | type) -> str:
    if isinstance(contract, str):
        return contract.rpartition(":")[2]
    return contract_info(contract).name


def _all(results: list[Any]) -> list[Any]:
    return [item for result in results for item in result]


def _told(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"
