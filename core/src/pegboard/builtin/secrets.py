"""Secrets of the machine: in variables, and in files."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import SecretStr

from pegboard import errors
from pegboard.contracts.secret_store import checked
from pegboard.options import Options

from . import _secret_file

if TYPE_CHECKING:
    from pegboard.descriptors import Context

FILE_NAME = re.compile(r"(?!\.+\Z)[A-Za-z0-9._-]{1,255}")
"""What Docker and Kubernetes allow: no separators, so no way out of the folder."""
LONGEST_SHOWN = 80


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
        value = _variable(variable)
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

    A line end at the end of the file is no part of the secret. Who may read mounted
    files is left to who made them, often all; those that are written here are for
    their owner alone.
    """

    def __init__(self, options: FileOptions, context: Context) -> None:  # noqa: ARG002 - every factory is given both
        self._folder = options.folder

    async def ping(self) -> None:
        """Look whether the folder is there, without reading a secret."""
        await asyncio.to_thread(_secret_file.look_into, self._folder)

    async def get_secret(self, name: str) -> SecretStr:
        """Return what the file for the secret *name* says."""
        path = self._folder / _file_name(name)
        return SecretStr(await asyncio.to_thread(_secret_file.read, path))

    async def set_secret(self, name: str, value: SecretStr) -> None:
        """Put *value* into the file for the secret *name*, all of it or nothing."""
        path = self._folder / _file_name(name)
        await asyncio.to_thread(_secret_file.write, path, checked(value))

    async def delete_secret(self, name: str) -> None:
        """Remove the file for the secret *name*."""
        path = self._folder / _file_name(name)
        await asyncio.to_thread(_secret_file.remove, path)

    async def list_secrets(self) -> Sequence[str]:
        """Return the names of the files that can be secrets."""
        found = await asyncio.to_thread(_secret_file.names, self._folder)
        return sorted(name for name in found if FILE_NAME.fullmatch(name))


def _variable(name: str) -> str | None:
    """Return the value of the variable *name*; no variable has half a character."""
    try:
        return os.environ.get(name)
    except UnicodeEncodeError:
        return None


def _file_name(name: str) -> str:
    if FILE_NAME.fullmatch(name):
        return name
    shown = name if len(name) <= LONGEST_SHOWN else f"{name[:LONGEST_SHOWN]}..."
    msg = (
        f"{shown!r} cannot name a secret in a file. "
        "Use letters, digits, '-', '_' and '.', at most 255."
    )
    raise errors.InvalidRequest(msg, request_sent="no")
