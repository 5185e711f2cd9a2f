"""Fixtures of pegboard for pytest. Load with ``-p pegboard.testing.pytest_plugin``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from . import leaks

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

pytest.register_assert_rewrite(
    "pegboard.testing._key_value_model",
    "pegboard.testing._many_values",
    "pegboard.testing.cancellation",
    "pegboard.testing.chat",
    "pegboard.testing.histories",
    "pegboard.testing.key_value",
)


@pytest_asyncio.fixture
async def no_leaks() -> AsyncGenerator[None, None]:
    """Fail the test if it leaves a task, a file or a socket. Ask for it first."""
    async with leaks.no_leaks():
        yield
