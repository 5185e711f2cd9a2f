"""Errors of the library ``keyring`` as pegboard's: one table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from keyring.errors import InitError, KeyringLocked, NoKeyringError, PasswordSetError
from pegboard import errors

BY_TYPE: Mapping[type[Exception], tuple[type[errors.CallError], str]] = {
    NoKeyringError: (
        errors.Unavailable,
        "There is no keyring on this machine; see 'keyring --list-backends'.",
    ),
    KeyringLocked: (
        errors.PermissionDenied,
        "The keyring is locked, and was not unlocked.",
    ),
    InitError: (errors.Unavailable, "The keyring cannot be opened."),
    PasswordSetError: (errors.Unavailable, "The keyring did not take the secret."),
}
"""The first that fits. What the library says is not repeated: it may show a secret."""


@contextmanager
def translated() -> Iterator[None]:
    """Turn whatever a keyring raises into one of our errors, without its cause."""
    try:
        yield
    except errors.PegboardError:
        raise
    except Exception as error:  # noqa: BLE001 - keyrings are foreign code, each its own
        raise _translation(error) from None


def _translation(error: Exception) -> errors.CallError:
    for known, (kind, told) in BY_TYPE.items():
        if isinstance(error, known):
            return kind(told, request_sent="no")
    msg = f"The keyring failed with {type(error).__name__}."
    return errors.Unavailable(msg, request_sent="maybe")
