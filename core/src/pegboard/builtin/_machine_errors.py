"""What a machine says of its files, as what it means for the caller."""

from __future__ import annotations

import errno
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pegboard import errors

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
DENIED = {errno.EACCES, errno.EPERM, errno.EROFS}


@contextmanager
def machine_errors(path: Path, address: str) -> Iterator[None]:
    """Raise errors of the machine, in what is at *path*, as those of *address*."""
    try:
        yield
    except errors.CallError as error:
        error.address = address
        raise
    except OSError as error:
        raise _failure(error, path, address) from error


def _failure(error: OSError, path: Path, address: str) -> errors.CallError:
    kind: type[errors.CallError] = errors.Unavailable
    what = "cannot be used"
    if error.errno in FULL:
        what = "has no room left; free some space"
    elif error.errno in DENIED:
        kind, what = errors.PermissionDenied, "may not be used so"
    elif error.errno == errno.ENAMETOOLONG:
        kind, what = errors.InvalidRequest, "has no room for a name as long as this"
    failure = kind(f"{path} {what} ({error.strerror}).")
    failure.address = address
    return failure
