"""An object behind which another one can be put, while others go on calling it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .contracts.declare import Operation


class Replaceable:
    """Has the *operations* of whatever is its original when they are called."""

    def __init__(self, original: Any, operations: Iterable[Operation]) -> None:
        self.original = original
        for operation in operations:
            setattr(self, operation.name, partial(self._call, operation.name))

    def __repr__(self) -> str:
        return repr(self.original)

    def _call(self, name: str, *args: Any, **kwargs: Any) -> Any:
        return getattr(self.original, name)(*args, **kwargs)
