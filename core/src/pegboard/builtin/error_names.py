"""Options that name errors of calls."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator

from pegboard import errors

CALL_ERRORS = {
    name: kind
    for name, kind in vars(errors).items()
    if isinstance(kind, type) and issubclass(kind, errors.CallError)
}


def _known(name: str) -> str:
    if name not in CALL_ERRORS:
        msg = f"There is no error {name!r}. Known: {', '.join(CALL_ERRORS)}"
        raise ValueError(msg)
    return name


ErrorName = Annotated[str, AfterValidator(_known)]
"""The name of a class of errors, such as ``RateLimited``."""
