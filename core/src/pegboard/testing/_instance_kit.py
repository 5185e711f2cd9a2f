"""What kits of storage and of integrations share: a board with the instance in it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any, ClassVar, Literal, Protocol

import pytest

from pegboard import Pegboard

from .standard import StandardTests


class MakeBoard(Protocol):
    """Makes a board with the instance in it, its settings changed."""

    def __call__(self, **changes: object) -> Pegboard:
        """Return a new board."""
        ...


class InstanceKit(StandardTests):
    """The fixtures around ``settings``, those of an instance with the name ``kit``."""

    family: ClassVar[Literal["storage", "integrations"]] = "storage"

    @pytest.fixture
    def plugins(self) -> Iterable[object]:
        """Return plugins to use that are not installed."""
        return ()

    @pytest.fixture
    def clock(self) -> Callable[[], float]:
        """Return the clock that times are measured with."""
        return time.time

    @pytest.fixture
    def make_board(
        self,
        settings: dict[str, Any],
        plugins: Iterable[object],
        clock: Callable[[], float],
    ) -> MakeBoard:
        """Return a function that makes a board with the instance in it."""

        def make_board(**changes: object) -> Pegboard:
            kit = {**settings, **changes}
            return Pegboard.isolated(
                {self.family: {"kit": kit}}, plugins=plugins, clock=clock
            )

        return make_board
