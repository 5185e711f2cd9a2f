"""The factory: from a plan to the instance. Does no I/O."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ._adapted import Adapted, filtering
from ._log import logger_of
from ._policy.stack import Governed
from ._policy.target import Target
from .descriptors import Context
from .errors import PluginError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from ._accounts import Accounts
    from ._plan import Plan
    from ._plugins.registry import Offer
    from ._policy.shared import News
    from .contracts.declare import Operation
    from .observers import Observer


@dataclass(frozen=True, slots=True)
class Instance:
    """A configured provider."""

    plan: Plan
    provider: Any
    """What the plugin's factory made."""
    handle: Any
    """What users call: the provider itself, or its governed operations."""


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
    factory = load_factory(plan.offer)
    context = Context(
        address=plan.address,
        data_folder=around.data_folder,
        clock=around.clock,
        connect_timeout=plan.policy.connect_timeout,
        connections=plan.policy.connections,
        keep_alive=plan.policy.keep_alive,
        targets=around.targets,
    )
    provider = factory(plan.options, context)
    operations = [o for c in plan.contracts.values() for o in c.operations.values()]
    missing = [o.name for o in operations if not hasattr(provider, o.name)]
    if missing:
        msg = (
            f"{plan.offer.distribution}: the provider {plan.offer.provider.name!r} "
            f"claims {', '.join(plan.contracts)} but has no {', '.join(missing)}."
        )
        raise PluginError(msg)
    logger_of(plan.address).debug("Made by {}.", plan.offer.distribution)
    if not plan.external:
        return Instance(plan, provider, _adapted(provider, plan.functions, operations))
    functions = dict(plan.functions)
    filter_request = functions.pop("filter_request", None)
    target = Target(
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
        telemetry_name=plan.offer.provider.telemetry_name or plan.offer.provider.name,
        is_composite=plan.offer.provider.targets is not None,
    )
    called = _adapted(provider, functions, operations)
    return Instance(plan, provider, Governed(called, operations, target))


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
