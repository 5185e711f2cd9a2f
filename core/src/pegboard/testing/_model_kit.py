"""What the kits of all contracts of language models begin with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

import pytest
import pytest_asyncio

from pegboard import LLM, Pegboard

from .standard import StandardTests

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable, Mapping

Against = Literal["model", "mock", "documentation"]
"""A real model, a mock that others wrote, or shapes out of the documentation."""
THREADS = 4
TWICE: Mapping[str, Any] = {"attempts": 2, "backoff": 0}
"""The policy: a server may close a kept connection just as it is used again."""
ONCE: Mapping[str, Any] = {"attempts": 1}
"""The policy where every connection is new."""


class MakeBoard(Protocol):
    """Make a board with the model, some of its settings changed."""

    def __call__(self, **changes: object) -> Pegboard:
        """Return a new board."""
        ...


class ModelKit(StandardTests):
    """What every kit for models needs."""

    against: ClassVar[Against | None] = None
    """What answers, for lists of what was tested how; the tests do not look at it."""
    instance: ClassVar[Mapping[str, Any]] = {}
    """What ``settings`` say wherever the server is: the provider, its model."""
    patience: ClassVar[float] = 2.0
    """Seconds that tasks and connections may take to go."""

    @pytest.fixture
    def plugins(self) -> Iterable[object]:
        """Return plugins to use that are not installed."""
        return ()

    @pytest.fixture
    def make_board(
        self, settings: dict[str, Any], plugins: Iterable[object]
    ) -> MakeBoard:
        """Return a function that makes a board with the model in it."""
        assert self.instance.items() <= settings.items(), "The settings are another's."

        def make_board(**changes: object) -> Pegboard:
            kit = {"policy": TWICE, **settings, **changes}
            return Pegboard.isolated({"llm": {"kit": kit}}, plugins=plugins)

        return make_board

    @pytest_asyncio.fixture
    async def llm(self, make_board: MakeBoard) -> AsyncGenerator[LLM]:
        """Return the model."""
        async with make_board() as board:
            yield board.llm("kit")


def nothing() -> None:
    """Check nothing: what is left over is looked for at the end."""
