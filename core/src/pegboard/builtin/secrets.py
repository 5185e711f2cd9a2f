"""Secrets that the machine already has: in variables, and in files."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import SecretStr

from pegboard import errors
from pegboard.options import Options

if TYPE_CHECKING:
    from pegboard.descriptors import Context

FILE_NAME = re.compile(r"(?!\.+\Z)[A-Za-z0-9._-]+")
"""What Docker and Kubernetes allow: no separators, so no way out of the folder."""


class EnvironmentOptions(Options):
    """Secrets in environment variables."""

    prefix: str = ""
    """Put before the name of a secret to get that of its variable."""


class EnvironmentSecrets:
    """Reads the environment when it is asked, not before."""

    def __init__(self, options: EnvironmentOptions, context: Context) -> None:  # noqa: ARG002 - every factory is given both
        self._prefix = options.prefix

    async def ping(self) -> None:
        """Do nothing: there always is an environment."""

    async def get_secret(self, name: str) -> SecretStr:
        """Return the value of the variable for the secret *name*."""
        variable = self._prefix + name
        value = os.environ.get(variable)
        if not value:
            state = "not set" if value is None else "empty"
            msg = f"The environment variable {variable!r} is {state}."
            raise errors.NotFound(msg, request_sent="no")
        return SecretStr(value)


class FileOptions(Options):
    """Secrets in a folder, one file each, as Docker and Kubernetes mount them."""

    folder: Path = Path("/run/secrets")
    """Where the files are."""


class FileSecrets:
    """
    Reads a file when it is asked, so that a new secret needs no restart.

    A line end at the end of the file is no part of the secret. Who may read the
    files is left to who made them: mounted secrets are often readable for all.
    """

    def __init__(self, options: FileOptions, context: Context) -> None:  # noqa: ARG002 - every factory is given both
        self._folder = options.folder

    async def ping(self) -> None:
        """Look whether the folder is there, without reading a secret."""
        await asyncio.to_thread(_look_into, self._folder)

    async def get_secret(self, name: str) -> SecretStr:
        """Return what the file for the secret *name* says."""
        if not FILE_NAME.fullmatch(name):
            msg = (
                f"{name!r} cannot name a secret in a file. "
                "Use letters, digits, '-', '_' and '.'."
            )
            raise errors.InvalidRequest(msg, request_sent="no")
        return SecretStr(await asyncio.to_thread(_read, self._folder / name))


def _look_into(folder: Path) -> None:
    try:
        next(folder.iterdir(), None)
    except OSError as error:
        kind, what = _FAILURES.get(type(error), _OTHER_FAILURE)
        msg = f"The folder of secrets {str(folder)!r} {what} ({error.strerror})."
        raise kind(msg, request_sent="no") from error


def _read(path: Path) -> str:
    try:
        content = path.read_bytes()
    except OSError as error:
        kind, what = _FAILURES.get(type(error), _OTHER_FAILURE)
        msg = f"The secret file {str(path)!r} {what} ({error.strerror})."
        raise kind(msg, request_sent="no") from error
    text = _decoded(content)
    if text is None:
        msg = f"The secret file {str(path)!r} is not UTF-8 text."
        raise errors.InvalidReply(msg, request_sent="no")
    if not text:
        msg = f"The secret file {str(path)!r} is empty."
        raise errors.NotFound(msg, request_sent="no")
    return text


def _decoded(content: bytes) -> str | None:
    """Return *content* as text, or None: the error would show the secret."""
    try:
        return content.decode().removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        return None


_FAILURES: Mapping[type[OSError], tuple[type[errors.CallError], str]] = {
    FileNotFoundError: (errors.NotFound, "does not exist"),
    NotADirectoryError: (errors.NotFound, "does not exist"),
    IsADirectoryError: (errors.NotFound, "is a folder"),
    PermissionError: (errors.PermissionDenied, "may not be read by this user"),
}
_OTHER_FAILURE = (errors.Unavailable, "cannot be read now")
