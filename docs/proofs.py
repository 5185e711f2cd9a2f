"""
What each provider of language models was tested for, and how: told by its own tests.

A class of conformance tests says which instance it is of and what answers there; the
kits that it inherits say what it proves, and what it leaves out it does not.
"""

from __future__ import annotations

import re
import runpy
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any, get_args

from pegboard import Capability
from pegboard._plugins.registry import Offer, Registry
from pegboard.testing import abilities, chat, faults
from pegboard.testing._model_kit import Against, ModelKit

TESTS = sorted(Path(__file__).parents[1].glob("plugins/*/tests/test_*.py"))
KITS = {chat.__name__, abilities.__name__, faults.__name__}
SENT = "sent"
"""No server that runs here answers to it under the provider's name."""
ANY = {"model": "any"}
"""An instance whose model nobody knows, so that it claims all that the provider has."""
Table = tuple[str, Iterable[Iterable[str]]]
"""Its columns between bars, and its rows."""
BEST_FIRST = (*get_args(Against), SENT)


@dataclass(frozen=True)
class Kit:
    """A class of conformance tests."""

    tests: type[ModelKit]

    @cached_property
    def provider(self) -> str:
        """Which provider it is for."""
        return str(self.tests.instance.get("provider"))

    @cached_property
    def how(self) -> str:
        """What answers."""
        return str(self.tests.against)

    @cached_property
    def contracts(self) -> set[str]:
        """The contracts that it proves."""
        kits = (one for one in self.tests.__mro__ if one.__module__ in KITS)
        return {one.__name__.removesuffix("Contract") for one in kits}

    @cached_property
    def left_out(self) -> dict[str, str]:
        """The standard tests that it leaves out, with their reasons."""
        return {
            name: mark.kwargs["reason"]
            for name in dir(self.tests)
            for mark in getattr(getattr(self.tests, name), "pytestmark", ())
            if mark.name == "xfail"
        }

    @property
    def is_of_faults(self) -> bool:
        """Whether it is about what a service does wrong."""
        return issubclass(self.tests, faults.FaultyServiceContract)

    def test_of(self, capability: str) -> set[str]:
        """Return the test of *capability*, if it has one."""
        shape = re.compile(rf"test_{capability}_(is|are)_\w+_or_refused")
        return {name for name in dir(self.tests) if shape.fullmatch(name)}


@dataclass(frozen=True)
class Row:
    """A provider, and the kits that prove what it claims."""

    offer: Offer
    able: Mapping[str, str]
    """What it is able to do, with the contracts behind it."""
    kits: tuple[Kit, ...]

    @property
    def name(self) -> str:
        """The name of the provider."""
        return self.offer.provider.name

    @cached_property
    def cells(self) -> dict[str, str]:
        """How each thing that it claims was tested."""
        instances = [kit.tests.instance for kit in self.kits]
        claims = {name for one in [ANY, *instances] for name in self._claims(one)}
        cells = dict.fromkeys([*self.able, *claims], SENT)
        for kit in self.kits:
            for name in self._proven(kit):
                cells[name] = min(cells[name], kit.how, key=BEST_FIRST.index)
        return cells

    @cached_property
    def tested(self) -> set[str]:
        """What its kits are about, be it to leave it out with a reason."""
        return {name for kit in self.kits for name in self._tested(kit)}

    def _tested(self, kit: Kit) -> set[str]:
        able = {name for name, of in self.able.items() if of in kit.contracts}
        return able | {
            one for one in self._claims(kit.tests.instance) if kit.test_of(one)
        }

    def _proven(self, kit: Kit) -> set[str]:
        left_out = {*kit.left_out}
        return {one for one in self._tested(kit) if not kit.test_of(one) & left_out}

    def _claims(self, instance: Mapping[str, Any]) -> frozenset[str]:
        """Return what the provider claims of requests to *instance*."""
        provider = self.offer.provider
        claims: Any = getattr(provider, "capabilities", frozenset())
        if not callable(claims):
            return frozenset(claims)
        given = {**provider.defaults, **instance}
        return frozenset(claims(provider.load_options().model_construct(**given)))


def kits_in(path: Path) -> list[Kit]:
    """Return the classes of conformance tests in a file of tests."""
    if "Contract" not in path.read_text("utf-8"):
        return []
    found = runpy.run_path(str(path)).values()
    classes = [one for one in found if isinstance(one, type)]
    return [Kit(one) for one in classes if _is_tests(one)]


@cache
def rows() -> tuple[Row, ...]:
    """Return the language models that the plugins of this repository offer."""
    kits = [kit for path in TESTS for kit in kits_in(path)]
    registry, ours = Registry(), {path.parents[1].name for path in TESTS}
    found = [
        _row(Offer(provider, plugin), registry, kits)
        for plugin in registry.plugins()
        for provider in plugin.providers
        if provider.family == "llm" and plugin.entry.distribution in ours
    ]
    return tuple(sorted(found, key=lambda row: (row.offer.distribution, row.name)))


def untested(known: Iterable[Row]) -> set[tuple[str, str]]:
    """Return what is claimed, and tested with no provider of the same package."""
    packaged = [(row.offer.distribution, row) for row in known]
    claimed = {(package, name) for package, row in packaged for name in row.cells}
    return claimed - {
        (package, name) for package, row in packaged for name in row.tested
    }


def of_abilities() -> Table:
    """Return what each provider can do, by how that was tested."""
    return _matrix(sorted({name for row in rows() for name in row.able}))


def of_capabilities() -> Table:
    """Return what requests to each provider may ask for, by how that was tested."""
    return _matrix(get_args(Capability))


def of_services() -> Table:
    """Return what is claimed of the services that nothing here stands for."""
    lines = (
        (
            f"`{row.name}`",
            ", ".join(sorted(row.able)),
            ", ".join(sorted({*row.cells} - {*row.able})),
        )
        for row in rows()
        if not row.kits
    )
    return "service | can do | requests may ask for", lines


def of_faults() -> Table:
    """Return which faults of its service each provider was tested with."""
    kits = {row.name: [kit for kit in row.kits if kit.is_of_faults] for row in rows()}
    tested = {name: found for name, found in kits.items() if found}
    header = " | ".join(["", *(f"`{name}`" for name in tested)])
    tests = [name for name in vars(faults.FaultyServiceContract) if _is_test(name)]
    lines = (
        [_words(test), *(_how_often(test, found) for found in tested.values())]
        for test in tests
    )
    return header, lines


def _is_test(name: str) -> bool:
    return name.startswith("test_")


def _how_often(test: str, kits: Iterable[Kit]) -> str:
    """Return whether all of *kits* have the *test*."""
    return "-" if any(test in kit.left_out for kit in kits) else "tested"


def left_out() -> Table:
    """Return what the tests of each provider leave out, with the reasons."""
    found: dict[tuple[str, str, str], dict[str, None]] = {}
    for row in rows():
        for kit in row.kits:
            for name, reason in kit.left_out.items():
                found.setdefault((row.name, kit.how, reason), {})[_words(name)] = None
    lines = (
        (f"`{name}`", how, reason, "; ".join(tests))
        for (name, how, reason), tests in found.items()
    )
    return "provider | against | reason | what is left out", lines


def _matrix(names: Iterable[str]) -> Table:
    tested = [row for row in rows() if row.kits]
    header = " | ".join(["", *(f"`{row.name}`" for row in tested)])
    lines = ([f"`{n}`", *(row.cells.get(n, "-") for row in tested)] for n in names)
    return header, lines


def _words(test: str) -> str:
    return test.removeprefix("test_").replace("_", " ")


def _row(offer: Offer, registry: Registry, kits: Iterable[Kit]) -> Row:
    contracts = registry.contracts(offer)
    return Row(
        offer,
        able={str(info.ability): name for name, info in contracts.items()},
        kits=tuple(kit for kit in kits if kit.provider == offer.provider.name),
    )


def _is_tests(found: type) -> bool:
    is_proof = any(one.__module__ in KITS for one in found.__mro__)
    return is_proof and found.__name__.startswith("Test")
