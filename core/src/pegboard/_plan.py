"""The plan of an instance: its settings, put together and checked."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict

from ._settings.problems import Background, validated
from ._settings.references import UnresolvedError, resolve
from ._settings.tree import DEFAULT, Setting, Tree, grow, leaves, overlaid
from .descriptors import LLMProvider
from .errors import PluginError, Problem, SettingsError
from .options import Function, Options, secret_fields
from .policy import Policy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from ._plugins.registry import Offer, Registry
    from ._settings.references import Fetched
    from ._settings.settings import Settings
    from .contracts.declare import ContractInfo


class Head(BaseModel):
    """The keys of an instance's section that are not the provider's options."""

    model_config = ConfigDict(hide_input_in_errors=True, use_attribute_docstrings=True)

    provider: str
    """Name the provider, such as provider = "openai"."""
    plugin: str | None = None
    """The installed package to take it from, if several offer it."""
    external: bool | None = None
    """Whether calls go through the policy. Default: as the provider says."""
    on_unsupported: Literal["refuse", "drop"] = "refuse"
    """What happens to llm parameters that the provider does not claim."""
    filter_request: Function | None = None
    """Function from any llm request to the one that is sent; raises to send nothing."""
    validate_reply: Function | None = None
    """Function that is given every llm reply and raises if it is no good."""
    transform_reply: Function | None = None
    """Function from an llm reply to the one that is returned. Excludes streams."""
    policy: dict[str, Any] = {}
    """The policy, as far as it differs from ``[policy]``."""


RESERVED = tuple(Head.model_fields)
FUNCTIONS = ("filter_request", "validate_reply", "transform_reply")


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that is needed to make an instance, checked."""

    address: str
    head: Head = field(repr=False)
    offer: Offer
    section: Tree = field(repr=False)
    """What was set, by key, with origins: options and what is said beside them."""
    options: Options = field(repr=False)
    policy: Policy
    policy_tree: Tree
    contracts: Mapping[str, ContractInfo]
    external: bool
    drops_unsupported: bool
    secrets: tuple[str, ...] = field(repr=False)
    targets: tuple[Plan, ...] = ()
    """The plans of the instances that this one is made of."""

    @property
    def functions(self) -> Mapping[str, Callable[..., Any]]:
        """The user's own functions around its calls."""
        given = {name: getattr(self.head, name) for name in FUNCTIONS}
        return {name: function for name, function in given.items() if function}

    @property
    def capabilities(self) -> frozenset[str]:
        """What the provider claims with these options, and all its targets too."""
        provider = self.offer.provider
        if not isinstance(provider, LLMProvider):
            return frozenset()
        claims = provider.capabilities
        own = claims(self.options) if callable(claims) else claims
        return own.intersection(*(target.capabilities for target in self.targets))

    @property
    def telemetry_name(self) -> str:
        """What traces and metrics call the provider with these options."""
        provider = self.offer.provider
        known = provider.telemetry_name
        return (known(self.options) if callable(known) else known) or provider.name

    @property
    def abilities(self) -> frozenset[str]:
        """What its contracts stand for."""
        named = (contract.ability for contract in self.contracts.values())
        return frozenset(ability for ability in named if ability)


def plan(
    address: str,
    section: Tree,
    settings: Settings,
    registry: Registry,
    fetched: Fetched,
) -> Plan:
    """
    Return how to make the instance at *address* from its *section*.

    Raises:
        SettingsError: With all that is wrong in the section.
        PluginError: The provider is missing, broken, ambiguous or incompatible.

    """
    head = _head(address, section)
    offer = _offer(address, head, registry)
    whole = _with_defaults(offer, section, settings)
    model = _options_model(offer)
    resolved, problems = _resolve_secrets(address, whole, model, settings, fetched)
    hidden = tuple(_texts(resolved, secret_fields(model)))
    given = {key: node for key, node in resolved.items() if key not in RESERVED}
    background = Background(secrets=hidden, variables=offer.provider.env)
    options = validated(model, given, address, background)
    policy_tree = _policy_tree(offer, whole, settings)
    policy = validated(Policy, policy_tree, f"{address}.policy")
    if problems or isinstance(policy, list) or isinstance(options, list):
        raise SettingsError(*problems, *_found(policy), *_found(options))
    return Plan(
        address=address,
        head=head,
        offer=offer,
        section=whole,
        options=options,
        policy=policy,
        policy_tree=policy_tree,
        contracts=_contracts(_kept(registry.contracts(offer), offer, options), head),
        external=offer.provider.external if head.external is None else head.external,
        drops_unsupported=head.on_unsupported == "drop",
        secrets=hidden,
    )


def _head(address: str, section: Tree) -> Head:
    head = validated(Head, section, address)
    if isinstance(head, list):
        raise SettingsError(*head)
    misplaced = [] if address.startswith("llm.") else section.keys() & FUNCTIONS
    if misplaced:
        key = min(misplaced)
        raise SettingsError(Problem(f"{address}.{key}", "is for language models only."))
    return head


def _offer(address: str, head: Head, registry: Registry) -> Offer:
    try:
        return registry.find(address.partition(".")[0], head.provider, head.plugin)
    except PluginError as error:
        msg = f"{address}: {error}"
        raise PluginError(msg) from None


def _with_defaults(offer: Offer, section: Tree, settings: Settings) -> Tree:
    """Return *section* over the variables the user already has over the defaults."""
    provider = offer.provider
    defaults = grow(provider.defaults, DEFAULT + provider.name)
    found = {
        option: settings.environment.find(*names)
        for option, names in provider.env.items()
    }
    variables: Tree = {option: value for option, value in found.items() if value}
    return overlaid(overlaid(defaults, variables), section)


def _policy_tree(offer: Offer, section: Tree, settings: Settings) -> Tree:
    """Return the policy of *section*; ``[policy]`` is for those who do the work."""
    if offer.provider.targets is None:
        return settings.policy(section)
    own = section.get("policy", {})
    return own if isinstance(own, dict) else {}


def _kept(
    claimed: Mapping[str, ContractInfo], offer: Offer, options: Options
) -> Mapping[str, ContractInfo]:
    """Return those of the *claimed* contracts that an instance with *options* keeps."""
    offers = getattr(offer.provider, "offers", None)
    if offers is None:
        return claimed
    kept = offers(options)
    return {name: info for name, info in claimed.items() if name in kept}


def _contracts(
    offered: Mapping[str, ContractInfo], head: Head
) -> Mapping[str, ContractInfo]:
    """Return what is *offered* without streams where replies must be whole first."""
    if head.transform_reply is None:
        return offered
    return {name: info for name, info in offered.items() if name != "StreamingChat"}


def _options_model(offer: Offer) -> type[Options]:
    model = offer.provider.load_options()
    if isinstance(model, type) and issubclass(model, Options):
        clash = sorted(set(RESERVED) & set(model.model_fields))
        if not clash:
            return model
        reason = f"use names that are taken: {', '.join(clash)}"
    else:
        reason = "are no subclass of pegboard.Options"
    msg = f"{offer.distribution}: the options of {offer.provider.name!r} {reason}."
    raise PluginError(msg)


def _resolve_secrets(
    address: str,
    section: Tree,
    model: type[Options],
    settings: Settings,
    fetched: Fetched,
) -> tuple[Tree, list[Problem]]:
    """Return *section* with its references replaced, and those that lead nowhere."""
    problems: list[Problem] = []

    def resolved(key: str, node: Setting | Tree) -> Setting | Tree:
        if isinstance(node, dict):
            return {
                name: resolved(f"{key}.{name}", inner) for name, inner in node.items()
            }
        try:
            value = resolve(node.value, settings.environment, fetched)
        except UnresolvedError as error:
            problems.append(Problem(key, f"{error}.", node.origin))
            value = "unresolved"
        return Setting(value, node.origin)

    secret = {
        name: resolved(f"{address}.{name}", section[name])
        for name in secret_fields(model)
        if name in section
    }
    return {**section, **secret}, problems


def _found(result: object) -> list[Problem]:
    return result if isinstance(result, list) else []


def _texts(section: Tree, fields: frozenset[str]) -> Iterator[str]:
    """Yield the texts that the secret *fields* hold."""
    secret = {name: section[name] for name in fields if name in section}
    for _, setting in leaves(secret):
        values = setting.value if isinstance(setting.value, list) else [setting.value]
        yield from (value for value in values if isinstance(value, str) and value)
