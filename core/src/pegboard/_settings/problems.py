"""What pydantic finds wrong, as problems of the settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ValidationError

from pegboard._suggest import suggest
from pegboard.errors import Problem, hide

from .tree import Tree, origin_at, plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pydantic.fields import FieldInfo

Model = TypeVar("Model", bound=BaseModel)


def validated(
    model: type[Model], tree: Tree, where: str, *, secrets: Iterable[str] = ()
) -> Model | list[Problem]:
    """Return *tree* as a *model*, or all that is wrong with it."""
    try:
        return model.model_validate(plain(tree))
    except ValidationError as error:
        details = error.errors(include_input=False, include_url=False)
    return [_problem(model, detail, tree, where, tuple(secrets)) for detail in details]


def _problem(
    model: type[BaseModel],
    detail: Any,
    tree: Tree,
    where: str,
    secrets: tuple[str, ...],
) -> Problem:
    path: tuple[str | int, ...] = detail["loc"]
    fields = _fields_at(model, path[:-1])
    text = _message(fields, detail["type"], detail["msg"], str(path[-1]))
    key = ".".join(str(part) for part in (*filter(None, (where,)), *path))
    return Problem(key, hide(text, secrets), origin_at(tree, path))


def _fields_at(
    model: type[BaseModel], path: Sequence[str | int]
) -> Mapping[str, FieldInfo]:
    """Return the fields that the table at *path* may have."""
    for key in path:
        field = model.model_fields.get(str(key))
        inner = field.annotation if field else None
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
