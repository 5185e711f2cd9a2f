"""
Write the parts of the pages that the code itself can tell.

A part stands between ``<!-- generated: NAME -->`` and ``<!-- end -->``. Run without
arguments to rewrite the pages, with ``--check`` to be told which are out of date.
"""

from __future__ import annotations

import inspect
import math
import re
import sys
import types
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Union, get_args, get_origin

import proofs
from pegboard import errors, hooks
from pegboard._plan import Head
from pegboard._plugins.registry import Registry
from pegboard._settings.settings import (
    AlertSettings,
    BurnSettings,
    CallsSettings,
    HealthSettings,
    PluginSettings,
    SecretSettings,
    SloSettings,
    SlowBurnSettings,
    StatsSettings,
    TopLevel,
    TracingSettings,
)
from pegboard._settings.tree import FAMILIES, grow, leaves
from pegboard.builtin.error_names import ErrorName
from pegboard.options import Function
from pegboard.policy import BreakerPolicy, Policy
from pydantic import BaseModel, SecretStr

if TYPE_CHECKING:
    from pegboard.descriptors import Provider
    from pydantic.fields import FieldInfo

DOCS = Path(__file__).parent
PART = re.compile(r"(<!-- generated: (\S+) -->\n).*?(<!-- end -->)", re.DOTALL)
WORDS: Mapping[Any, str] = {
    str: "text",
    int: "whole number",
    float: "number",
    bool: "`true` or `false`",
    Path: "path",
    SecretStr: "secret",
    Function: "function",
    ErrorName: "text",
}
LISTS = {list, tuple, set, frozenset}


def main() -> int:
    """Rewrite the pages, or only say which would change."""
    stale = {page: new for page in pages() if (new := filled(page)) != read(page)}
    for page, text in stale.items():
        print(page.relative_to(DOCS.parent))
        if "--check" not in sys.argv:
            page.write_text(text, "utf-8")
    return 1 if stale and "--check" in sys.argv else 0


def pages() -> list[Path]:
    """Return the pages with generated parts."""
    return [page for page in sorted(DOCS.rglob("*.md")) if PART.search(read(page))]


def read(page: Path) -> str:
    """Return what is written in *page*."""
    return page.read_text("utf-8")


def filled(page: Path) -> str:
    """Return *page* with its generated parts as they should be."""
    return PART.sub(
        lambda found: f"{found[1]}\n{PARTS[found[2]]()}\n\n{found[3]}", read(page)
    )


def table(header: str, rows: Iterable[Iterable[str]]) -> str:
    """Return a table; *header* has its columns between bars."""
    cells = [header.split(" | "), ["---"] * (header.count(" | ") + 1), *rows]
    return "\n".join(f"| {' | '.join(row)} |" for row in cells)


def fields(model: type[BaseModel]) -> str:
    """Return a table of the fields of *model*."""
    rows = (
        (f"`{name}`", kind(field.annotation), default(field), meaning(field))
        for name, field in model.model_fields.items()
    )
    return table("key | value | default | meaning", rows)


def kind(annotation: Any) -> str:
    """Return in words what values *annotation* allows."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin in {Union, types.UnionType}:
        found = dict.fromkeys(kind(one) for one in inner if one is not type(None))
        return " or ".join(found)
    if origin is Literal:
        return " or ".join(f"`{value}`" for value in inner)
    if origin in LISTS:
        return f"list of {kind(inner[0])}"
    if annotation in WORDS:
        return WORDS[annotation]
    return "table"


def default(field: FieldInfo) -> str:
    """Return what *field* is where nobody sets it."""
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if isinstance(value, BaseModel) or value in (None, "", [], (), {}):
        return "none" if value is None else "empty"
    if isinstance(value, frozenset):
        return "all"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return "`inf`" if value == math.inf else f"`{value}`"


def meaning(field: FieldInfo) -> str:
    """Return the description of *field* for one cell."""
    text = re.sub(r"``(.+?)``", r"`\1`", field.description or "")
    return " ".join(text.split())


def providers() -> str:
    """Return the options of every installed provider; those that share them as one."""
    offers = [one for plugin in Registry().plugins() for one in plugin.providers]
    offers.sort(key=lambda one: (FAMILIES.index(one.family), one.name))
    known: dict[Any, list[Provider]] = {}
    for one in offers:
        known.setdefault(one.load_options(), []).append(one)
    return "\n\n".join(options(model, sharing) for model, sharing in known.items())


def options(model: type[BaseModel], offers: list[Provider]) -> str:
    """Return what may be said about each of *offers*, which share *model*."""
    family = offers[0].family
    names = ", ".join(f"`{one.name}`" for one in offers)
    rows = (
        (
            f"`{name}`",
            f"`PEGBOARD_{family.upper()}__NAME__{name.upper()}`",
            kind(field.annotation),
            default(field),
            meaning(field),
        )
        for name, field in model.model_fields.items()
    )
    text = f"### {family}: {names}\n\n" + table(
        "option | variable | value | default | meaning", rows
    )
    special = [one for one in offers if one.env or one.defaults]
    return f"{text}\n\n{specials(special)}" if special else text


def specials(offers: list[Provider]) -> str:
    """Return where *offers* differ from what their options say."""
    rows = (
        (
            f"`{one.name}`",
            ", ".join(
                f"`{key}` = `{setting.value}`"
                for key, setting in leaves(grow(one.defaults, ""))
            ),
            ", ".join(
                f"`{option}`: {' or '.join(f'`{name}`' for name in names)}"
                for option, names in one.env.items()
            ),
        )
        for one in offers
    )
    return table("provider | its own defaults | variables that it also reads", rows)


def hook_list() -> str:
    """Return every hook with what it is for."""
    found = [
        (name, spec)
        for name, spec in vars(hooks).items()
        if name.startswith("pegboard_")
    ]
    return "\n\n".join(
        f"### `{name}`\n\n`{signature(spec)}`\n\n{plain(spec)}" for name, spec in found
    )


def signature(spec: Callable[..., Any]) -> str:
    """Return how *spec* is called and what it returns."""
    return f"{spec.__name__}{inspect.signature(spec)}".replace("'", "")


def plain(thing: object) -> str:
    """Return the docstring of *thing* as one paragraph of Markdown."""
    text = " ".join(inspect.cleandoc(thing.__doc__ or "").split())
    return re.sub(r"(?<!\*)\*(\w+)\*", r"`\1`", re.sub(r"``(.+?)``", r"`\1`", text))


def error_tree() -> str:
    """Return the errors as a tree."""
    tree = (errors.__doc__ or "").partition("\n\n")[2]
    return f"```text\n{tree.strip()}\n```"


def call_errors() -> str:
    """Return what is known of every error of a call."""
    rows = (
        (
            f"`{one.__name__}`",
            plain(one).split(". ")[0].removesuffix(".") + ".",
            "yes" if one.retryable_by_default else "no",
            one.sent_by_default,
        )
        for one in subclasses(errors.CallError)
    )
    return table("error | what happened | `retryable` | `request_sent`", rows)


def subclasses(error: type[errors.CallError]) -> Iterable[type[errors.CallError]]:
    """Yield the classes under *error*, each followed by its own."""
    for child in error.__subclasses__():
        if child.__module__ == errors.__name__:
            yield child
            yield from subclasses(child)


PARTS: Mapping[str, Callable[[], str]] = {
    "top-level": lambda: fields(TopLevel),
    "instance": lambda: fields(Head),
    "policy": lambda: fields(Policy),
    "breaker": lambda: fields(BreakerPolicy),
    "plugins": lambda: fields(PluginSettings),
    "health": lambda: fields(HealthSettings),
    "secrets": lambda: fields(SecretSettings),
    "stats": lambda: fields(StatsSettings),
    "alerts": lambda: fields(AlertSettings),
    "calls": lambda: fields(CallsSettings),
    "slo": lambda: fields(SloSettings),
    "slo-fast": lambda: fields(BurnSettings),
    "slo-slow": lambda: fields(SlowBurnSettings),
    "tracing": lambda: fields(TracingSettings),
    "providers": providers,
    "hooks": hook_list,
    "error-tree": error_tree,
    "call-errors": call_errors,
    "abilities": lambda: table(*proofs.of_abilities()),
    "capabilities": lambda: table(*proofs.of_capabilities()),
    "services": lambda: table(*proofs.of_services()),
    "faults": lambda: table(*proofs.of_faults()),
    "left-out": lambda: table(*proofs.left_out()),
}

if __name__ == "__main__":
    sys.exit(main())
