"""Operations by name, called with JSON: by programs, from a shell, by models."""

from __future__ import annotations

import inspect
from dataclasses import replace
from functools import cached_property
from types import MethodType
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError
from pydantic_core import PydanticSerializationError, to_jsonable_python

from ._docstring import notes_of
from ._settings.tree import FAMILIES
from ._suggest import suggest
from .errors import InvalidReply, InvalidRequest, PluginError
from .schema import in_words
from .tools import NAME, Checked, as_tools, make_tool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from ._factory import Instance
    from ._instances import Instances
    from .contracts.chat import Tool
    from .contracts.declare import Operation


class BoundOperation:
    """An operation of an instance. Call it with what ``read`` returns."""

    def __init__(
        self,
        address: str,
        spelled: str,
        operation: Operation,
        method: Callable[..., Any],
    ) -> None:
        self.address = address
        self.operation = operation
        self._spelled = spelled
        self._method = method

    def __repr__(self) -> str:
        return f"<operation {self.name}>"

    @property
    def name(self) -> str:
        """What it is called: ``alerts.post_message``."""
        return f"{_short(self.address)}.{self._spelled}"

    @property
    def description(self) -> str:
        """What it does."""
        return notes_of(inspect.getdoc(self.operation.method) or "").summary

    @property
    def takes_json(self) -> bool:
        """Whether JSON can say what it takes, and what comes of it."""
        try:
            return bool(self.declared)
        except InvalidRequest:
            return False

    @property
    def is_for_models(self) -> bool:
        """Whether models may be given it."""
        return self.operation.tool and self.takes_json

    @cached_property
    def signature(self) -> inspect.Signature:
        """
        How its contract declares it.

        Raises:
            PluginError: Its types are not there when the program runs.

        """
        method = MethodType(self.operation.method, self)
        try:
            return inspect.signature(method, eval_str=True)
        except NameError as error:
            msg = (
                f"The contract of {self.name} cannot be read: {error}. It must import "
                "what its types name, and not only for type checkers."
            )
            raise PluginError(msg) from error

    @cached_property
    def declared(self) -> Tool:
        """
        What its contract says of it: docstring and parameters.

        Raises:
            InvalidRequest: JSON cannot say what it takes, or what comes of it.

        """
        if self.operation.streams:
            msg = "It yields items as they come, which JSON cannot: use it in Python."
            raise self.refusal(msg)
        takes = ", ".join(self.signature.parameters)
        try:
            return make_tool(MethodType(self.operation.method, self))
        except InvalidRequest as error:
            msg = f"JSON cannot say what it takes ({takes}). Use it in Python."
            raise self.refusal(msg) from error

    @property
    def tool(self) -> Tool:
        """
        It as a tool that models may be given.

        Raises:
            InvalidRequest: They may not, or the names are too long for one.

        """
        if not self.operation.tool:
            msg = "It is not for models, as its contract says. Call it in Python."
            raise self.refusal(msg)
        name = self.name.replace(".", "-")
        name = name if name[0].isalpha() else f"_{name}"
        if not NAME.fullmatch(name):
            msg = f"{name!r} is too long for a tool. Give the instance a shorter name."
            raise self.refusal(msg)
        return replace(self.declared, name=name, handler=Checked(self, self._form))

    def read(self, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        """
        Return what it is called with for *arguments* of JSON.

        Raises:
            InvalidRequest: They do not fit.

        """
        form = self._form
        try:
            return form(arguments)
        except ValidationError as error:
            reason = in_words(error)
        except PydanticSerializationError as error:
            reason = f"{error}."
        takes = ", ".join(self.signature.parameters) or "nothing"
        msg = f"The arguments do not fit, nothing was called: {reason}. Takes: {takes}."
        raise self.refusal(msg)  # without its cause, which holds the arguments

    async def __call__(self, **read: Any) -> Any:
        """
        Return what comes of it, as JSON says it; a secret comes as stars.

        Raises:
            InvalidReply: JSON cannot say it. The call was made.

        """
        # By place where Python programs give them by place, so that it is one call
        # for all who look at arguments.
        given = self.signature.bind(**read)
        result = await self._method(*given.args, **given.kwargs)
        try:
            return to_jsonable_python(result, inf_nan_mode="null")
        except PydanticSerializationError as error:
            msg = f"The call was made, but JSON cannot say what it returned: {error}."
            invalid = InvalidReply(msg, request_sent="yes")
            invalid.address, invalid.operation = self.address, self.operation.name
            raise invalid from error

    def refusal(self, reason: str) -> InvalidRequest:
        """Return the error for a call that is not made."""
        return _refusal(reason, self.address, self.operation.name)

    @property
    def _form(self) -> Callable[[Mapping[str, Any]], Mapping[str, Any]]:
        handler = self.declared.handler
        assert isinstance(handler, Checked)  # noqa: S101 - as make_tool makes them
        return handler.read


class Operations:
    """The operations of a board's instances. Threads may share them."""

    def __init__(self, instances: Instances) -> None:
        self._instances = instances
        self._bound: dict[str, Mapping[str, BoundOperation]] = {}

    def find(self, name: str) -> BoundOperation:
        """
        Return the operation *name*, such as ``alerts.post_message``.

        Raises:
            InvalidRequest: The instance has none of that name.
            SettingsError: There is no such instance, or it is not rightly configured.

        """
        address, spelled = _parted(name)
        found = self._of(address)
        if spelled in found:
            return found[spelled]
        what = f"There is no operation {spelled!r}." if spelled else "Say which one."
        msg = f"{what} {suggest(spelled, found)}"
        raise _refusal(msg, address)

    def of(self, name: str) -> Sequence[BoundOperation]:
        """Return the operation *name*, or all of the instance that it names."""
        address, spelled = _parted(name)
        return [self.find(name)] if spelled else [*self._of(address).values()]

    def tools(self, names: Iterable[str]) -> tuple[Tool, ...]:
        """
        Return as tools what *names* name: instances or operations.

        Raises:
            InvalidRequest: One is not for models, or has nothing that is.

        """
        chosen = dict.fromkeys(one for name in names for one in self._for_models(name))
        return as_tools(one.tool for one in chosen)

    def _for_models(self, name: str) -> Sequence[BoundOperation]:
        address, spelled = _parted(name)
        found = [one for one in self.of(name) if spelled or one.is_for_models]
        if not found:
            msg = "No operation of it is for models."
            raise _refusal(msg, address)
        return found

    def _of(self, address: str) -> Mapping[str, BoundOperation]:
        if address.startswith("llm."):
            msg = "It is a language model. Ask it with board.llm(...)."
            raise _refusal(msg, address)
        instance = self._instances.get(address)  # a board that is closed says so
        if address not in self._bound:
            self._bound[address] = _bound(instance)
        return self._bound[address]


def _bound(instance: Instance) -> Mapping[str, BoundOperation]:
    """
    Return the operations of *instance* by name.

    Those that a part of it keeps are spelled with their contract where their name is
    taken, so that a provider may keep more contracts without renaming anything.
    """
    plan, parts = instance.plan, instance.parts
    bound: dict[str, BoundOperation] = {}
    for contract in sorted(plan.contracts, key=lambda name: name in parts):
        keeper = parts.get(contract, instance.handle)
        for name, operation in plan.contracts[contract].operations.items():
            taken = bound.get(name)
            if taken and (contract not in parts or taken.operation is operation):
                continue  # one method for both
            spelled = f"{contract}.{name}" if taken else name
            bound[spelled] = BoundOperation(
                plan.address, spelled, operation, getattr(keeper, name)
            )
    return bound


def _refusal(reason: str, address: str, operation: str | None = None) -> InvalidRequest:
    error = InvalidRequest(reason, request_sent="no")
    error.address, error.operation = address, operation
    return error


def names_instance(name: str) -> bool:
    """Return whether *name* is that of an instance, with no operation behind it."""
    return not _parted(name)[1]


def _parted(name: str) -> tuple[str, str]:
    """Return the address in *name*, and the operation after it if there is one."""
    family, _, rest = name.partition(".")
    if family not in FAMILIES:
        family, rest = "integrations", name
    instance, _, operation = rest.partition(".")
    return f"{family}.{instance}", operation


def _short(address: str) -> str:
    """Return *address* without the family where that goes without saying."""
    family, _, name = address.partition(".")
    return name if family == "integrations" and name not in FAMILIES else address
