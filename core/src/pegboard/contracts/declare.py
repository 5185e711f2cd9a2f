"""How a contract is declared: a Protocol whose methods are operations."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from pegboard.errors import PluginError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Family = Literal["llm", "storage", "integrations"]

Class = TypeVar("Class", bound=type)
Method = TypeVar("Method", bound="Callable[..., Any]")


@dataclass(frozen=True, slots=True)
class Operation:
    """One call that a provider offers."""

    name: str
    repeatable: bool
    """Whether making the call twice does no more than making it once."""
    streams: bool
    """Whether it yields items instead of returning one result."""
    method: Callable[..., Any]
    """The declaration: its signature and docstring describe the operation."""
    tool: bool = True
    """Whether models may be given it."""


@dataclass(frozen=True, slots=True)
class ContractInfo:
    """What pegboard knows of a contract."""

    name: str
    family: Family
    version: int
    oldest: int
    """The oldest version whose providers still fit."""
    embedded: str | None
    """The provider that serves it when nothing of the family is configured."""
    ability: str | None
    """What a provider that keeps it is able to do, as programs ask for it."""
    direct: bool
    """Whether the part of a provider that keeps it is called without any policy."""
    operations: Mapping[str, Operation]


def operation(*, repeatable: bool, tool: bool = True) -> Callable[[Method], Method]:
    """
    Mark a method of a contract as an operation.

    Args:
        repeatable: Whether making the call twice does no more than making it once.
        tool: Whether models may be given it. Nothing that reads secrets may be one.

    """

    def mark(method: Method) -> Method:
        method.__dict__["__operation__"] = Operation(
            name=method.__name__,
            repeatable=repeatable,
            streams=not inspect.iscoroutinefunction(method),
            method=method,
            tool=tool,
        )
        return method

    return mark


def contract(  # noqa: PLR0913 - what there is to say of one
    *,
    family: Family,
    version: int,
    oldest: int = 1,
    embedded: str | None = None,
    ability: str | None = None,
    direct: bool = False,
) -> Callable[[Class], Class]:
    """Declare a Protocol to be a contract of *family*."""

    def declare(protocol: Class) -> Class:
        protocol.__contract__ = ContractInfo(  # type: ignore[attr-defined]  # the mark
            name=protocol.__name__,
            family=family,
            version=version,
            oldest=oldest,
            embedded=embedded,
            ability=ability,
            direct=direct,
            operations=_operations(protocol),
        )
        return protocol

    return declare


def built_on(protocol: object) -> Callable[[Class], Class]:
    """
    Declare that a class makes more of the contract *protocol*.

    ``board.storage(name, Class)`` then is ``Class(board.storage(name, protocol))``, and
    what stands in brackets behind the class is passed along.
    """

    def declare(cls: Class) -> Class:
        cls.__built_on__ = protocol  # type: ignore[attr-defined]  # the mark
        return cls

    return declare


def contract_info(protocol: object) -> ContractInfo:
    """
    Return what is known of the contract *protocol*.

    Raises:
        PluginError: It is not a contract.

    """
    found = getattr(protocol, "__contract__", None)
    if isinstance(found, ContractInfo):
        return found
    msg = (
        f"{protocol!r} is not a contract. Pass a contract class such as "
        "pegboard.KeyValue, or declare one with @pegboard.contract."
    )
    raise PluginError(msg)


def _operations(protocol: type) -> dict[str, Operation]:
    marks = (
        getattr(member, "__operation__", None)
        for cls in reversed(protocol.__mro__)
        for member in vars(cls).values()
    )
    return {mark.name: mark for mark in marks if isinstance(mark, Operation)}
