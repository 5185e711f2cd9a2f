"""What differs between models, as data."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Literal, NamedTuple


class Profile(NamedTuple):
    """What a model takes."""

    sampling: bool = False
    """Whether it takes ``temperature`` and ``top_p``."""
    thinking: Literal["adaptive", "budget"] = "adaptive"
    """Whether it decides how much to think, or has to be given a number of tokens."""
    search: bool = True
    """Whether the service searches the web for it."""


NEWEST = Profile()
"""That of models of Anthropic which are not listed: later ones take no less."""
FOREIGN = Profile(sampling=True, search=False)
"""That of models of others, behind a server that speaks the same API."""
OLDEST = Profile(sampling=True, thinking="budget")

PROFILES: Mapping[str, Profile] = {
    "haiku-4-5": OLDEST,
    "opus-4-1": OLDEST,
    "opus-4-5": OLDEST,
    "opus-4-6": Profile(sampling=True),
    "sonnet-4-5": OLDEST,
    "sonnet-4-6": Profile(sampling=True),
}
"""By a part of the model's name; it has more of them on other platforms."""

RETIREMENTS: Mapping[str, date] = {
    "claude-mythos-preview": date(2026, 6, 30),
    "claude-opus-4-0": date(2026, 6, 15),
    "claude-opus-4-20250514": date(2026, 6, 15),
    "claude-sonnet-4-0": date(2026, 6, 15),
    "claude-sonnet-4-20250514": date(2026, 6, 15),
    "claude-sonnet-4-5": date(2026, 11, 30),
    "claude-sonnet-4-5-20250929": date(2026, 11, 30),
}
"""Models whose end is known, so that using one needs no question to the service."""


def profile_of(model: str) -> Profile:
    """Return what *model* takes."""
    if "claude" not in model:
        return FOREIGN
    known = (profile for name, profile in PROFILES.items() if name in model)
    return next(known, NEWEST)
