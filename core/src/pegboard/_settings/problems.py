"""What pydantic finds wrong, as problems of the settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ValidationError

from pegboard._suggest import suggest
from pegboard.errors import Problem, hide

from .tree import Tree, origin_at, plain

if TYPE_CHECKING:
    from collections.abc import Iterable

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
    key = ".".join(str(part) for part in path)
    message = hide(_message(model, detail["type"], detail["msg"], key), secrets)
    return Problem(".".join(filter(None, (where, key))), message, origin_at(tree, path))


def _message(model: type[BaseModel], kind: str, text: str, key: str) -> str:
    if kind == "extra_forbidden":
        return f"there is no such key. {suggest(key, model.model_fields)}"
    if kind == "missing":
        return f"is required. {model.model_fields[key].description or ''}".strip()
    return f"{text}."
