"""Instances that are made of others: who is made of whom, without circles."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ._settings.tree import origin_at
from ._suggest import suggest
from .errors import Problem, SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ._plan import Plan


def composed(
    plan: Plan,
    plan_of: Callable[[str], Plan],
    addresses: Sequence[str],
    above: tuple[str, ...] = (),
) -> Plan:
    """
    Return *plan* with the plans of its targets, and of theirs.

    Args:
        plan: How to make an instance, by itself.
        plan_of: Returns the same for another address.
        addresses: All that are configured.
        above: Whose target it is, the outermost first.

    Raises:
        SettingsError: A target is not configured or not rightly, or they go in circles.

    """
    if plan.offer.provider.targets is None:
        return plan
    way = (*above, plan.address)
    targets = tuple(
        composed(plan_of(address), plan_of, addresses, way)
        for address in _targets(plan, addresses, way)
    )
    contracts = {
        name: info
        for name, info in plan.contracts.items()
        if all(name in target.contracts for target in targets)
    }
    return replace(plan, targets=targets, contracts=contracts)


def _targets(
    plan: Plan, addresses: Sequence[str], way: tuple[str, ...]
) -> Sequence[str]:
    """Return the addresses of the targets of *plan*, if they are what they should."""
    family = plan.address.partition(".")[0]
    names = list(getattr(plan.options, plan.offer.provider.targets or ""))
    known = [a.partition(".")[2] for a in addresses if a.startswith(f"{family}.")]
    problems = [
        _problem(plan, f"{name!r} is not in the settings. {suggest(name, known)}")
        for name in names
        if name not in known
    ]
    targets = [f"{family}.{name}" for name in dict.fromkeys(names)]
    problems += [
        _problem(plan, f"makes a circle: {_circle(way, target)}. Take one of them out.")
        for target in targets
        if target in way
    ]
    if problems:
        raise SettingsError(*problems)
    return targets


def _circle(way: tuple[str, ...], target: str) -> str:
    return " -> ".join((*way[way.index(target) :], target))


def _problem(plan: Plan, message: str) -> Problem:
    option = plan.offer.provider.targets or ""
    origin = origin_at(plan.section, [option])
    return Problem(f"{plan.address}.{option}", message, origin)
