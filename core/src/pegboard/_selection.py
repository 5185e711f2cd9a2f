"""Which of the configured language models can do what is needed."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

from ._suggest import suggest
from .contracts.chat import Capability
from .errors import PluginError, Problem, SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ._plan import Plan


def selected(
    needs: Iterable[str], addresses: Iterable[str], plan_of: Callable[[str], Plan]
) -> str:
    """
    Return the first of *addresses* whose model claims all of *needs*.

    Raises:
        SettingsError: None does. Says what each one lacks, or is wrong with it.

    """
    wanted = frozenset(needs)
    known, reasons = set(get_args(Capability)), []
    for address in addresses:
        try:
            claims = _claims(plan_of(address))
        except (SettingsError, PluginError) as error:
            reasons.append(str(error))
            continue
        if wanted <= claims:
            return address
        known |= claims
        reasons.append(f"{address} lacks {', '.join(sorted(wanted - claims))}.")
    strange = [f"{n!r} is claimed by none. {suggest(n, known)}" for n in wanted - known]
    raise SettingsError(_none(wanted, [*reasons, *sorted(strange)]))


def _claims(plan: Plan) -> frozenset[str]:
    return plan.capabilities | plan.abilities


def _none(wanted: frozenset[str], reasons: Iterable[str]) -> Problem:
    needs = ", ".join(sorted(wanted))
    return Problem("llm", f"has no instance with {needs}. {' '.join(reasons)}")
