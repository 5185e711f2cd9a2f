"""The base of every provider's options."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Annotated, Any, NoReturn, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    ImportString,
    SecretBytes,
    SecretStr,
)


def _is_plain(function: Callable[..., Any]) -> Callable[..., Any]:
    if inspect.iscoroutinefunction(function):
        msg = f"{function.__qualname__} is async. Name a plain function"
        raise ValueError(msg)
    return function


Function = Annotated[ImportString[Callable[..., Any]], AfterValidator(_is_plain)]
"""A function of the user's, as ``"package.module:name"`` or itself."""


class Options(BaseModel):
    """
    A provider's own part of the settings.

    Frozen, refuses keys it does not know, never shows a value in an error, and cannot
    be pickled, since it may hold secrets. Declare secrets as ``pydantic.SecretStr``:
    only those fields resolve references such as ``env:NAME``.
    """

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
        use_attribute_docstrings=True,
    )

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        msg = (
            f"{type(self).__name__} may hold secrets and cannot be pickled. "
            "Open a Pegboard in the other process instead."
        )
        raise TypeError(msg)


def secret_fields(model: type[BaseModel]) -> frozenset[str]:
    """Return the fields of *model* that hold secrets."""
    return frozenset(
        name
        for name, field in model.model_fields.items()
        if _mentions_secret(field.annotation)
    )


def _mentions_secret(annotation: Any) -> bool:
    return annotation in {SecretStr, SecretBytes} or any(
        _mentions_secret(part) for part in get_args(annotation)
    )
