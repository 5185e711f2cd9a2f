"""What pydantic finds wrong, as problems of the settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ValidationError

from pegboard._suggest import suggest
from pegboard.errors import Problem, hide

from .tree import Tree, origin_at, plain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydantic.fields import FieldInfo

Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Background:
    """What a problem may need to know besides the values."""

    secrets: tuple[str, ...] = ()
    """Texts that no problem may show."""
    variables: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Key -> variables that would give it a value."""


def validated(
    model: type[Model], tree: Tree, where: str, background: Background = Background()
) -> Model | list[Problem]:
    """Return *tree* as a *model*, or all that is wrong with it."""
    try:
        return model.model_validate(plain(tree))
    except ValidationError as error:
        details = error.errors(include_input=False, include_url=False)
    return [_problem(model, detail, tree, where, background) for detail in details]


def _problem(
    model: type[BaseModel], detail: Any, tree: Tree, where: str, background: Background
) -> Problem:
    path: tuple[str | int, ...] = detail["loc"]
    key = ".".join(str(part) for part in (*filter(None, (where,)), *path))
    name = str(path[-1]) if path else ""
    message = _message(
        _fields_at(model, path[:-1]), detail["type"], detail["msg"], name
    )
    variables = (
        background.variables.get(name, ()) if detail["type"] == "missing" else ()
    )
    hint = f" Or set the variable {variables[0]}." if variables else ""
    return Problem(key, hide(message, background.secrets) + hint, origin_at(tree, path))


def _fields_at(
    model: type[BaseModel], path: Sequence[str | int]
) -> Mapping[str, FieldInfo]:
    """Return the fields that the table at *path* may have."""
    for key in path:
        found = model.model_fields.get(str(key))
        inner = found.annotation if found else None
        if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
            return {}
        model = inner
    return model.model_fields


def _message(fields: Mapping[str, FieldInfo], kind: str, text: str, key: str) -> str:
    if kind == "extra_forbidden":
        return f"there is no such key. {suggest(key, fields)}"
    if kind == "missing":
        description = fields[key].description if key in fields else None
        return f"is required. {description or ''}".strip()
    return f"{text}."
