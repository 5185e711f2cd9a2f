"""Functions as tools: described to a model by their signature and docstring."""

from __future__ import annotations

import functools
import inspect
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, NotRequired

from typing_extensions import TypedDict

from ._docstring import notes_of
from .contracts.chat import Tool
from .errors import InvalidRequest
from .schema import in_words, misfit_of, portable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from pydantic import TypeAdapter

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")
"""What all services take as the name of a tool."""
BY_NAME = frozenset(
    {inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY}
)


@dataclass(frozen=True, slots=True)
class Checked:
    """A function that is called with what the arguments of a model are read as."""

    function: Callable[..., Any]
    read: Callable[[Mapping[str, Any]], Mapping[str, Any]]
    """Raises ``ValidationError`` for arguments that do not fit."""

    def __call__(self, **arguments: Any) -> Any:
        """Call the function."""
        return self.function(**self.read(arguments))


def make_tool(
    function: Callable[..., Any],
    *,
    name: str | None = None,
    description: str | None = None,
) -> Tool:
    """
    Return *function* as a tool.

    Its parameters become the schema; its docstring says what it does and, under
    ``Args:`` or after ``:param``, what they mean. ``Annotated`` with a pydantic
    ``Field`` says more.

    Raises:
        InvalidRequest: It has no name, or a parameter that a model cannot give.

    """
    notes = notes_of(_documented(function))
    form = _form(function, name := _name(function, name), notes.parameters)

    def read(arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        from pydantic_core import to_json  # noqa: PLC0415 - only for those with tools

        read: Mapping[str, Any] = form.validate_json(to_json(arguments))
        return read

    return Tool(
        name=name,
        description=notes.summary if description is None else description,
        parameters=_parameters(name, form),
        handler=Checked(function, read),
    )


def as_tools(given: Iterable[Tool | Callable[..., Any]]) -> tuple[Tool, ...]:
    """
    Return all that is *given* as tools, functions among them too.

    Raises:
        InvalidRequest: A function cannot be one, or two tools have one name.

    """
    tools = tuple(one if isinstance(one, Tool) else make_tool(one) for one in given)
    names = [tool.name for tool in tools]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is None:
        return tools
    msg = f"Two tools are called {twice!r}. Rename one: make_tool(function, name=...)."
    raise InvalidRequest(msg, request_sent="no")


def bound(tool: Tool, arguments: Mapping[str, Any]) -> functools.partial[Any]:
    """
    Return the call of *tool* with *arguments*, which fit.

    Raises:
        InvalidRequest: They do not.

    """
    from pydantic import ValidationError  # noqa: PLC0415 - only for those with tools

    handler = tool.handler
    assert handler is not None  # noqa: S101 - refused before the first call
    if not isinstance(handler, Checked):
        if misfit := misfit_of(dict(arguments), tool.parameters):
            raise _misfit(tool, misfit)
        return functools.partial(handler, **arguments)
    try:
        return functools.partial(handler.function, **handler.read(arguments))
    except ValidationError as error:
        raise _misfit(tool, in_words(error)) from error


def _misfit(tool: Tool, reason: str) -> InvalidRequest:
    msg = f"The arguments do not fit {tool.name}, which was not called: {reason}"
    return InvalidRequest(msg, request_sent="no")


def _form(
    function: Callable[..., Any], name: str, notes: Mapping[str, str]
) -> TypeAdapter[Any]:
    """Return what reads arguments of *function*; it keeps its own defaults."""
    from pydantic import ConfigDict, TypeAdapter, with_config  # noqa: PLC0415 - late

    fields = {
        parameter.name: _field(parameter, name, notes.get(parameter.name))
        for parameter in _open_parameters(function, name)
    }
    make: Any = TypedDict  # made of what is only known now
    form = with_config(ConfigDict(extra="forbid"))(make("Arguments", fields))
    try:
        return TypeAdapter(form)
    except Exception as error:
        raise _unfit(name, str(error).partition("\n")[0]) from error


def _field(parameter: inspect.Parameter, name: str, note: str | None) -> Any:
    from pydantic import Field  # noqa: PLC0415 - only for those with tools

    if parameter.annotation is parameter.empty:
        raise _unfit(name, f"its parameter {parameter.name!r} has no type. Annotate it")
    kind = parameter.annotation
    if note:  # before what the annotation itself says, which wins
        said = getattr(kind, "__metadata__", ())
        bare = kind.__origin__ if said else kind
        kind = Annotated[bare, Field(description=note), *said]
    return kind if parameter.default is parameter.empty else NotRequired[kind]


def _open_parameters(
    function: Callable[..., Any], name: str
) -> Iterable[inspect.Parameter]:
    """Yield the parameters of *function* that a model gives."""
    try:
        parameters = inspect.signature(function, eval_str=True).parameters.values()
    except (NameError, TypeError, ValueError) as error:
        raise _unfit(name, f"its signature cannot be read: {error}") from error
    given = getattr(function, "keywords", {})  # those of a partial are no longer open
    for parameter in parameters:
        if parameter.kind not in BY_NAME:
            raise _unfit(name, f"its parameter {parameter} cannot be given by name")
        if parameter.name not in given:
            yield parameter


def _parameters(name: str, form: TypeAdapter[Any]) -> dict[str, Any]:
    from pydantic.errors import PydanticInvalidForJsonSchema  # noqa: PLC0415 - late

    try:
        schema = portable(form.json_schema())
    except PydanticInvalidForJsonSchema as error:
        raise _unfit(name, str(error).partition("\n")[0]) from error
    schema.pop("title", None)
    return schema


def _name(function: Callable[..., Any], given: str | None) -> str:
    own: str = getattr(_inner(function), "__name__", type(function).__name__)
    name = given or own
    if NAME.fullmatch(name):
        return name
    msg = (
        f"A tool cannot be called {name!r}: letters, digits, '_' and '-' only, at most "
        "64. Name it: make_tool(function, name=...)."
    )
    raise InvalidRequest(msg, request_sent="no")


def _inner(function: Any) -> Any:
    return function.func if isinstance(function, functools.partial) else function


def _documented(function: Any) -> str:
    return inspect.getdoc(_inner(function)) or ""


def _unfit(name: str, reason: str) -> InvalidRequest:
    msg = f"The function {name} cannot be a tool: {reason}."
    return InvalidRequest(msg, request_sent="no")
