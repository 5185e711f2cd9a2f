"""The factory: from a plan to the instance. Does no I/O."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ._adapted import Adapted, filtering
from ._log import logger_of
from ._policy.stack import Governed
from ._policy.target import Target
from ._replaceable import Replaceable
from ._settings.references import secret_store_references
from .descriptors import Context
from .errors import PluginError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from ._plan import Plan
    from ._plugins.registry import Offer
    from ._policy.accounts import Accounts
    from ._policy.shared import News
    from .contracts.declare import ContractInfo, Operation
    from .observers import Observer


@dataclass(frozen=True, slots=True)
class Instance:
    """A configured provider."""

    plan: Plan
    provider: Any
    """What the plugin's factory made."""
    handle: Any
    """What users call: the provider itself, or its governed operations."""
    parts: Mapping[str, Any] = field(default_factory=dict)
    """What they call instead for the contracts that parts of it keep, by name."""
    replace: Callable[[Any, tuple[str, ...]], None] | None = None
    """
    Puts another provider behind what users call, and says which secrets to hide.

    None where users hold the provider itself, or where no secret of it can change.
    """


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a board gives an instance besides its plan."""

    data_folder: Path
    clock: Callable[[], float]
    accounts: Accounts
    observers: tuple[Observer, ...]
    targets: Mapping[str, Any]
    """What the instances that it is made of are called through, by name."""
    news: News | None
    """What other processes know of it, where they share that."""


def make(plan: Plan, around: Surroundings) -> Instance:
    """
    Return the instance that *plan* describes.

    Raises:
        PluginError: The provider's SDK is missing, or the provider lacks operations.

    """
    provider = make_provider(plan, around)
    parts = {n: p for n, p in _parts(provider).items() if n in plan.contracts}
    own = _operations(c for n, c in plan.contracts.items() if n not in parts)
    keepers = {n: (p, _operations([plan.contracts[n]])) for n, p in parts.items()}
    _check_complete(plan, [(provider, own), *keepers.values()])
    logger_of(plan.address).debug("Made by {}.", plan.offer.distribution)
    target = _target(plan, around) if plan.external else None
    stands: dict[str | None, Replaceable] = {}

    def wrapped(name: str | None, keeper: Any, own: Sequence[Operation]) -> Any:
        if target is not None and secret_store_references(plan.section):
            keeper = stands[name] = Replaceable(keeper, own)
        return _wrapped(keeper, own, dict(plan.functions), target)

    handles = {
        name: keeper[0] if plan.contracts[name].direct else wrapped(name, *keeper)
        for name, keeper in keepers.items()
    }
    handle = wrapped(None, provider, own)
    replace = _replacing(stands, target) if target is not None and stands else None
    return Instance(plan, provider, handle, handles, replace)


def make_provider(plan: Plan, around: Surroundings) -> Any:
    """Return what the factory of *plan* makes."""
    context = Context(
        address=plan.address,
        data_folder=around.data_folder,
        clock=around.clock,
        connect_timeout=plan.policy.connect_timeout,
        connections=plan.policy.connections,
        keep_alive=plan.policy.keep_alive,
        targets=around.targets,
    )
    return load_factory(plan.offer)(plan.options, context)


def _replacing(
    stands: Mapping[str | None, Replaceable], target: Target
) -> Callable[[Any, tuple[str, ...]], None]:
    """Return what puts another provider behind *stands*, each for a part or for all."""

    def replace(provider: Any, secrets: tuple[str, ...]) -> None:
        parts = _parts(provider)
        target.secrets = secrets
        for name, stand in stands.items():
            stand.original = provider if name is None else parts[name]

    return replace


def _parts(provider: object) -> Mapping[str, object]:
    """Return the parts of *provider* that keep a contract of their own, by its name."""
    return getattr(provider, "parts", {})


def _operations(contracts: Iterable[ContractInfo]) -> list[Operation]:
    return [one for contract in contracts for one in contract.operations.values()]


def _check_complete(
    plan: Plan, keepers: Sequence[tuple[object, Sequence[Operation]]]
) -> None:
    missing = [o.name for one, own in keepers for o in own if not hasattr(one, o.name)]
    if missing:
        msg = (
            f"{plan.offer.distribution}: the provider {plan.offer.provider.name!r} "
            f"claims {', '.join(plan.contracts)} but has no {', '.join(missing)}."
        )
        raise PluginError(msg)


def _wrapped(
    provider: object,
    own: Sequence[Operation],
    functions: dict[str, Callable[..., Any]],
    target: Target | None,
) -> Any:
    """Return what users call of *provider*, under the policy of *target* if any."""
    if target is None:
        return _adapted(provider, functions, own)
    functions.pop("filter_request", None)  # the policy's, so that observers see less
    return Governed(_adapted(provider, functions, own), own, target)


def _target(plan: Plan, around: Surroundings) -> Target:
    """Return what all that the instance of *plan* does is governed by."""
    filter_request = plan.functions.get("filter_request")
    return Target(
        address=plan.address,
        policy=plan.policy,
        provider=plan.offer.provider.name,
        distribution=plan.offer.distribution,
        secrets=plan.secrets,
        observers=around.observers,
        account=around.accounts.of(plan.address),
        news=around.news,
        apart=plan.offer.provider.apart,
        model=_model(plan.options),
        filter=filter_request and filtering(filter_request),
        telemetry_name=plan.telemetry_name,
        is_composite=plan.offer.provider.targets is not None,
    )


def _adapted(
    provider: Any,
    functions: Mapping[str, Callable[..., Any]],
    operations: Sequence[Operation],
) -> Any:
    return Adapted(provider, functions, operations) if functions else provider


def _model(options: object) -> str | None:
    model = getattr(options, "model", None)
    return model if isinstance(model, str) else None


def load_factory(offer: Offer) -> Callable[[Any, Context], object]:
    """
    Import the factory of *offer*.

    Raises:
        PluginError: What it needs is not installed, or it does not import.

    """
    provider = offer.provider
    try:
        return provider.load_factory()
    except Exception as error:
        hint = (
            f" Install it: pip install {provider.install}" if provider.install else ""
        )
        msg = (
            f"The provider {provider.name!r} of {offer.distribution} cannot be "
            f"imported: {type(error).__name__}: {error}.{hint}"
        )
        raise PluginError(msg) from error
