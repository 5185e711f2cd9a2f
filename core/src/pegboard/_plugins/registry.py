"""The registry: who offers what."""

from __future__ import annotations

import sys
from dataclasses import replace
from functools import cached_property
from pkgutil import resolve_name
from typing import TYPE_CHECKING, NamedTuple

from pegboard._suggest import suggest
from pegboard.contracts.declare import ContractInfo, contract_info
from pegboard.errors import PluginError

from .discovery import EntryPoint, entry_points, normalized
from .first_party import PACKAGES
from .loading import Plugin, load

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pegboard.descriptors import Provider

CORE = "pegboard"
PROGRAM = "program"
"""Stands for the distribution of plugins that the program itself brings."""


class Offer(NamedTuple):
    """A provider, and the plugin that offers it."""

    provider: Provider
    plugin: Plugin

    @property
    def distribution(self) -> str:
        """The package that brings it."""
        return self.plugin.entry.distribution


class Registry:
    """
    What the installed plugins offer.

    Installed plugins are found once, by their metadata alone. One is imported when it
    is needed: asked for a provider, the entry points of that name come first, and the
    others only if none of those offers it.
    """

    def __init__(
        self,
        *,
        allow: Sequence[str] | None = None,
        deny: Sequence[str] = (),
        own: Iterable[object] = (),
    ) -> None:
        self._allow = None if allow is None else {*map(normalized, allow), CORE}
        self._deny = {*map(normalized, deny)}
        self._plugins: dict[tuple[str, str], Plugin] = {}
        self._own = [self._add(thing) for thing in own]

    @cached_property
    def entries(self) -> list[EntryPoint]:
        """The entry points that are installed and may be imported."""
        return [entry for entry in self._installed if self._is_allowed(entry)]

    @cached_property
    def refused(self) -> list[EntryPoint]:
        """The entry points that are installed but may not be imported."""
        return [entry for entry in self._installed if not self._is_allowed(entry)]

    def plugins(self) -> list[Plugin]:
        """Load everything and return it, broken plugins and misfits too."""
        loaded = {_key(e): self._load(e) for e in self._everything}.values()
        return [replace(one, broken=one.broken or self._misfit(one)) for one in loaded]

    def find(self, family: str, name: str, distribution: str | None = None) -> Offer:
        """
        Return the provider *name* of *family*, from *distribution* if that is given.

        Raises:
            PluginError: None offers it, several do, or the one that does is broken.

        """
        named = self._by_name(name)
        offers = self._offers(family, name, named)
        if not (offers or any(self._load(entry).broken for entry in named)):
            offers = self._offers(family, name, self._everything)
        if distribution is not None:
            wanted = normalized(distribution)
            offers = [offer for offer in offers if offer.distribution == wanted]
        if len(offers) == 1 and (distribution or _may_be_called(offers[0], name)):
            return offers[0]
        msg = (
            _choose(family, name, offers)
            if offers
            else self._missing(family, name, distribution)
        )
        raise PluginError(msg)

    def contracts(self, offer: Offer) -> dict[str, ContractInfo]:
        """
        Return the contracts that *offer* claims.

        Raises:
            PluginError: One is not declared, or it was written for another version.

        """
        found = {}
        for name, version in offer.provider.contracts.items():
            info = self._contract(name, offer.plugin)
            if not info.oldest <= version <= info.version:
                raise PluginError(_misfitting(offer, info, version))
            found[name] = info
        return found

    def used(self, names: Iterable[str]) -> list[Plugin]:
        """
        Return the plugins of the program itself and those that ``plugins.use`` names.

        Raises:
            PluginError: One is not installed, may not be imported, or is broken.

        """
        own = [self._load(entry) for entry in self._own]
        return [*own, *(self._one_used(name) for name in names)]

    def _misfit(self, plugin: Plugin) -> str | None:
        """Return why what *plugin* offers does not fit this pegboard, if so."""
        try:
            for provider in plugin.providers:
                self.contracts(Offer(provider, plugin))
        except PluginError as error:
            return str(error)
        return None

    def _contract(self, name: str, plugin: Plugin) -> ContractInfo:
        """Return the contract *name* that *plugin* claims."""
        if name in plugin.contracts:
            return _declared(plugin.contracts[name])
        core = [entry for entry in self.entries if entry.distribution == CORE]
        for entry in (*core, *self._everything):
            contracts = self._load(entry).contracts
            if name in contracts:
                return _declared(contracts[name])
        known = {n for p in self._plugins.values() for n in p.contracts}
        msg = f"No installed plugin declares the contract {name!r}. "
        raise PluginError(msg + suggest(name, known))

    @cached_property
    def _installed(self) -> list[EntryPoint]:
        return entry_points(sys.path)

    @property
    def _everything(self) -> list[EntryPoint]:
        return [*self._own, *self.entries]

    def _by_name(self, name: str) -> list[EntryPoint]:
        return [*self._own, *(entry for entry in self.entries if entry.name == name)]

    def _add(self, thing: object) -> EntryPoint:
        entry = _own_entry(thing)
        plugin = self._plugins[_key(entry)] = load(entry, thing)
        if plugin.broken:
            msg = f"The plugin {entry.name} of this program is broken: {plugin.broken}"
            raise PluginError(msg)
        return entry

    def _is_allowed(self, entry: EntryPoint) -> bool:
        allowed = self._allow is None or entry.distribution in self._allow
        return allowed and entry.distribution not in self._deny

    def _load(self, entry: EntryPoint) -> Plugin:
        if _key(entry) not in self._plugins:
            self._plugins[_key(entry)] = load(entry)
        return self._plugins[_key(entry)]

    def _offers(
        self, family: str, name: str, entries: Iterable[EntryPoint]
    ) -> list[Offer]:
        plugins = {_key(entry): self._load(entry) for entry in entries}
        return [
            Offer(provider, plugin)
            for plugin in plugins.values()
            for provider in plugin.providers
            if (provider.family, provider.name) == (family, name)
        ]

    def _one_used(self, name: str) -> Plugin:
        entries = [entry for entry in self.entries if entry.name == name]
        if not entries:
            known = suggest(name, {entry.name for entry in self.entries})
            msg = f"plugins.use names {name!r}, which is not installed. {known}"
            raise PluginError(msg)
        plugin = self._load(entries[0])
        if plugin.broken:
            msg = f"plugins.use names {name!r}, which is broken: {plugin.broken}"
            raise PluginError(msg)
        return plugin

    def _missing(self, family: str, name: str, distribution: str | None) -> str:
        source = f"{distribution} does not offer" if distribution else "Nothing offers"
        reasons = [*self._reasons(name), self._install_hint(name)]
        return (
            f"{source} the {family} provider {name!r}. "
            f"{suggest(name, self._names(family))}{''.join(reasons)}"
        )

    def _reasons(self, name: str) -> Iterable[str]:
        for entry in self.refused:
            if entry.name == name:
                yield f" {entry.distribution} is barred by plugins.allow or .deny."
        for plugin in self._plugins.values():
            if plugin.broken and plugin.entry.name == name:
                yield f" {plugin.entry.distribution} is broken: {plugin.broken}"

    def _install_hint(self, name: str) -> str:
        package = PACKAGES.get(name)
        installed = {entry.distribution for entry in self._installed}
        if package is None or package in installed:
            return ""
        return f" Install it: pip install {package}"

    def _names(self, family: str) -> set[str]:
        return {
            provider.name
            for plugin in self._plugins.values()
            for provider in plugin.providers
            if provider.family == family
        }


def _key(entry: EntryPoint) -> tuple[str, str]:
    return entry.distribution, entry.value


def _own_entry(thing: object) -> EntryPoint:
    name = getattr(thing, "__name__", type(thing).__name__)
    return EntryPoint(name, f"{name} at {id(thing):#x}", PROGRAM, "")


def _may_be_called(offer: Offer, name: str) -> bool:
    """Return whether the name is not that of another package of this project."""
    return offer.distribution in {PACKAGES.get(name, offer.distribution), CORE, PROGRAM}


def _declared(contract: str | type) -> ContractInfo:
    if not isinstance(contract, str):
        return contract_info(contract)
    try:
        return contract_info(resolve_name(contract))
    except (ImportError, AttributeError, ValueError) as error:
        msg = f"The contract {contract!r} is declared, but not there: {error}."
        raise PluginError(msg) from error


def _misfitting(offer: Offer, contract: ContractInfo, version: int) -> str:
    newer = version > contract.version
    return (
        f"{offer.distribution} offers {contract.name} version {version}, but versions "
        f"{contract.oldest} to {contract.version} are supported here. "
        f"Upgrade {'pegboard' if newer else offer.distribution}."
    )


def _choose(family: str, name: str, offers: Sequence[Offer]) -> str:
    sources = sorted(offer.distribution for offer in offers)
    owner = PACKAGES.get(name)
    foreign = (
        f" {owner}, to which the name belongs, is not among them." if owner else ""
    )
    return (
        f"The {family} provider {name!r} is offered by: {', '.join(sources)}."
        f"{'' if owner in sources else foreign} Say which one you mean with "
        f'plugin = "{sources[0]}" beside provider, or uninstall the others.'
    )
