"""``pegboard call``: an operation of an integration or of storage."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource
from pydantic_core import to_jsonable_python

from pegboard._operations import names_instance
from pegboard.errors import InvalidRequest

from ._secret import read_secret
from ._table import show

if TYPE_CHECKING:
    import inspect
    from collections.abc import Iterator, Mapping, Sequence

    from pegboard._operations import BoundOperation

    from ._place import Place

ESCAPED = {code: f"\\u{code:04x}" for code in range(127, 160)}
"""Characters that could command the terminal; JSON has escaped the others already."""
TYPES: Mapping[str, Any] = {
    "string": click.STRING,
    "integer": click.INT,
    "number": click.FLOAT,
    "boolean": click.BOOL,
}


def run(
    context: click.Context, place: Place, name: str, arguments: Sequence[str]
) -> None:
    """Call the operation *name*, or list those of the instance *name*."""
    asyncio.run(_run(context, place, name, arguments))


async def _run(
    context: click.Context, place: Place, name: str, arguments: Sequence[str]
) -> None:
    async with place.board() as board:
        operations = board._operations  # noqa: SLF001 - the board's own command
        if names_instance(name):
            _list(context, operations.of(name), arguments)
            return
        operation = operations.find(name)
        _print(await operation(**_read(context, operation, arguments)))


def _list(
    context: click.Context, found: Sequence[BoundOperation], arguments: Sequence[str]
) -> None:
    """Print the operations of an instance."""
    if set(arguments) - set(context.help_option_names):
        names = ", ".join(one.name for one in found)
        msg = f"Say which operation: {names}."
        raise click.UsageError(msg, context)
    show(("operation", "does"), [(one.name, _does(one)) for one in found])


def _does(operation: BoundOperation) -> str:
    line = operation.description.partition("\n")[0]
    return line if operation.takes_json else f"{line} (in Python only)"


def _read(
    context: click.Context, operation: BoundOperation, arguments: Sequence[str]
) -> Mapping[str, Any]:
    """Return what *operation* is called with; print its help if that is asked for."""
    command = click.Command(
        operation.name,
        params=[*_options(operation)],
        help=operation.description,
    )
    name = f"{context.info_name} {operation.name}"
    own = command.make_context(name, [*arguments], parent=context.parent)
    given = {
        name: value
        for name, value in own.params.items()
        if own.get_parameter_source(name) is ParameterSource.COMMANDLINE
    }
    given |= {name: _typed(operation, name) for name in _secrets(operation)}
    try:
        return operation.read(given)
    except InvalidRequest as error:
        raise click.UsageError(error.message, own) from error


def _secrets(operation: BoundOperation) -> list[str]:
    """Return the parameters of *operation* that are secrets, and so no options."""
    properties = operation.declared.parameters.get("properties", {})
    return [name for name, given in properties.items() if given.get("writeOnly")]


def _typed(operation: BoundOperation, name: str) -> str:
    return read_secret(f"{name} of {operation.name}").get_secret_value()


def _options(operation: BoundOperation) -> Iterator[click.Option]:
    """Yield an option for each parameter of *operation* that is no secret."""
    schema = operation.declared.parameters
    secrets = _secrets(operation)
    for name, given in schema.get("properties", {}).items():
        if name in secrets:
            continue
        kind, flag = _kind(given), name.replace("_", "-")
        is_flag = kind is click.BOOL
        yield click.Option(
            [f"--{flag}/--no-{flag}" if is_flag else f"--{flag}", name],
            type=kind,
            metavar="JSON" if kind is _json else None,
            required=name in schema.get("required", ()),
            help=_help(given, operation.signature.parameters[name]),
        )


def _kind(schema: Mapping[str, Any]) -> Any:
    """Return what reads a value that fits *schema*: JSON, unless it is a simple one."""
    kinds = [one for one in schema.get("anyOf", [schema]) if one.get("type") != "null"]
    only = kinds[0] if len(kinds) == 1 else {}
    if "enum" in only and only.get("type") == "string":
        return click.Choice(only["enum"])
    return TYPES.get(only.get("type", ""), _json)


def _json(text: str) -> Any:
    """Return what the JSON *text* says."""
    try:
        return json.loads(text)
    except ValueError as error:
        quoted = json.dumps(text, ensure_ascii=False)
        msg = f"{text!r} is no JSON: {error}. Text needs quotes: {quoted!r}."
        raise click.BadParameter(msg) from error


def _help(schema: Mapping[str, Any], parameter: inspect.Parameter) -> str:
    default = parameter.default
    is_known = default is not None and default is not parameter.empty
    usual = [f"Default: {json.dumps(to_jsonable_python(default))}."] if is_known else []
    return " ".join([*filter(None, [schema.get("description")]), *usual])


def _print(result: Any) -> None:
    text = json.dumps(result, indent=2, ensure_ascii=False)
    click.echo(text.translate(ESCAPED))
