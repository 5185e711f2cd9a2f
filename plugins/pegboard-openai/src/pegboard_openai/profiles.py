"""What models are known to differ in from what their service can do: data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

SAMPLING = frozenset({"temperature", "top_p"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What a model lacks or restricts."""

    lacks: frozenset[str] = frozenset()
    """Capabilities of the service that it does not have."""
    efforts: tuple[str, ...] | None = None
    """The values of reasoning_effort that it knows; None where nobody wrote it down."""
    samples_without_reasoning: bool = False
    """Whether it takes temperature and top_p only while it does not reason."""
    usual_effort: str = "medium"
    """How much it reasons when the request does not say."""


Profiles = Mapping[str, Profile]
"""By the beginning of the name; the longest one that fits counts."""

ANY = Profile()
"""Of a model that nobody described: it does what its service claims."""


def profile_of(model: str, profiles: Profiles) -> Profile:
    """Return what is known of *model*, whatever its date or its fine-tuning."""
    name = model.removeprefix("ft:")
    fitting = [
        known
        for known in profiles
        if name == known or name.startswith((f"{known}-", f"{known}:"))
    ]
    return profiles[max(fitting, key=len)] if fitting else ANY


_TALKS = frozenset({"reasoning_effort"})
_REASONS = SAMPLING | {"stop"}


def _reasoner(*efforts: str, lacks: frozenset[str] = _REASONS) -> Profile:
    return Profile(lacks=lacks, efforts=efforts)


def _either(*efforts: str, usual: str = "none") -> Profile:
    """Return the profile of a model that reasons only if it is told to."""
    return Profile(
        lacks=frozenset({"stop"}),
        efforts=("none", *efforts),
        samples_without_reasoning=True,
        usual_effort=usual,
    )


_KNOWS = frozenset({"web_search"})
_PLAIN = Profile(lacks=_TALKS)
_ALONE = Profile(lacks=_TALKS | _KNOWS)
_OLD = Profile(lacks=_TALKS | _KNOWS | {"json_schema", "images", "files"})
_SEES = Profile(lacks=_TALKS | _KNOWS | {"json_schema", "files"})
_LOW_TO_HIGH = _reasoner("low", "medium", "high")
_LOW_TO_HIGHEST = _reasoner("low", "medium", "high", "xhigh")

OPENAI_MODELS: Profiles = {
    "gpt-3.5": _OLD,
    "gpt-3.5-turbo": _OLD,
    "gpt-4": _OLD,
    "gpt-4-turbo": _SEES,
    "gpt-4.1": _PLAIN,
    "gpt-4.1-nano": _ALONE,
    "gpt-4o": _PLAIN,
    "gpt-5": _reasoner("minimal", "low", "medium", "high"),
    "gpt-5-chat": _ALONE,
    "gpt-5-codex": _LOW_TO_HIGH,
    "gpt-5-pro": _reasoner("high"),
    "gpt-5-search-api": _PLAIN,
    "gpt-5.1": _either("low", "medium", "high"),
    "gpt-5.1-chat": _reasoner("medium"),
    "gpt-5.1-codex": _LOW_TO_HIGH,
    "gpt-5.1-codex-max": _LOW_TO_HIGHEST,
    "gpt-5.2": _either("low", "medium", "high", "xhigh"),
    "gpt-5.2-chat": _reasoner("medium"),
    "gpt-5.2-codex": _LOW_TO_HIGHEST,
    "gpt-5.2-pro": _reasoner("medium", "high", "xhigh"),
    "gpt-5.3-codex": _LOW_TO_HIGHEST,
    "gpt-5.4": _either("low", "medium", "high", "xhigh"),
    "gpt-5.4-pro": _reasoner("medium", "high", "xhigh"),
    "gpt-5.5": _either("low", "medium", "high", "xhigh", usual="medium"),
    "gpt-5.5-pro": Profile(lacks=frozenset({"stop"})),
    "o1": _reasoner("low", "medium", "high", lacks=_REASONS | _KNOWS),
    "o3": _LOW_TO_HIGH,
    "o3-mini": _reasoner("low", "medium", "high", lacks=_REASONS | _KNOWS | {"images"}),
    "o4-mini": _LOW_TO_HIGH,
}
"""Models of OpenAI, wherever they run. Later ones are not described: they change."""
