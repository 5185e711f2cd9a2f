"""The keyring of the system."""

from __future__ import annotations

import asyncio
import threading
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import keyring
from keyring.backends.fail import Keyring as NoKeyring
from keyring.core import load_keyring
from keyring.errors import NoKeyringError
from keyring.util.platform_ import data_root
from pegboard import file_lock
from pegboard.contracts.secret_store import checked
from pegboard.errors import NotFound, Unavailable
from pydantic import SecretStr

from ._errors import translated
from ._names import LIST, checked_name, read_list, written

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from keyring.backend import KeyringBackend
    from pegboard import Context

    from .options import KeyringOptions

Result = TypeVar("Result")


class SystemKeyring:
    """
    A keyring, asked in threads, since it may show a window and wait for its user.

    No keyring tells which names there are. So a list of those that were set through
    pegboard is one of its secrets. A name is on the list for as long as its secret is
    there, and changes are made one after the other, whichever process makes them.
    """

    def __init__(self, options: KeyringOptions, context: Context) -> None:  # noqa: ARG002 - every factory is given both
        self._service = options.service
        self._named = options.backend
        self._one_at_a_time = threading.Lock()
        self._changes: set[asyncio.Task[None]] = set()

    async def ping(self) -> str:
        """Say which keyring it is, without unlocking it."""
        return await self._asked(lambda: f"the keyring is that of {self._kind()}")

    async def get_secret(self, name: str) -> SecretStr:
        """Return what the keyring keeps under *name*."""
        checked_name(name)
        found = await self._asked(lambda: self._get(name))
        if not found:
            msg = f"The keyring has no {name!r} under {self._service!r}."
            raise NotFound(msg, request_sent="no")
        return SecretStr(found)

    async def set_secret(self, name: str, value: SecretStr) -> None:
        """Keep *value* under *name*, and have it listed."""
        text = checked(value)
        checked_name(name)
        await self._change(lambda: self._put(name, text))

    async def delete_secret(self, name: str) -> None:
        """Forget *name*."""
        checked_name(name)
        await self._change(lambda: self._remove(name))

    async def list_secrets(self) -> Sequence[str]:
        """Return the names that were set through pegboard."""
        return sorted(await self._asked(self._listed))

    async def aclose(self) -> None:
        """Wait for the changes whose callers did not."""
        here = asyncio.get_running_loop()
        own = [task for task in self._changes if task.get_loop() is here]
        await asyncio.gather(*own, return_exceptions=True)

    async def _change(self, work: Callable[[], None]) -> None:
        """Do *work* to its end, even if the caller leaves: half of it is worse."""
        task = asyncio.create_task(self._alone(work))
        self._changes.add(task)
        task.add_done_callback(self._forget)
        await asyncio.shield(task)

    def _forget(self, task: asyncio.Task[None]) -> None:
        self._changes.discard(task)
        if not task.cancelled():
            task.exception()  # the caller has seen it, or has left

    async def _alone(self, work: Callable[[], None]) -> None:
        """Do *work* while no other process changes the list."""
        async with file_lock(Path(data_root()) / f"pegboard-{self._service}.lock"):
            await self._asked(work)

    async def _asked(self, work: Callable[[], Result]) -> Result:
        return await asyncio.to_thread(self._do, work)

    def _do(self, work: Callable[[], Result]) -> Result:
        # Some keyrings are files, which must not be read while they are written.
        with self._one_at_a_time, translated():
            return work()

    @cached_property
    def _keyring(self) -> KeyringBackend:
        if self._named is None:
            return keyring.get_keyring()
        try:
            return load_keyring(self._named)
        except (ImportError, AttributeError, ValueError, RuntimeError) as error:
            msg = (
                f"The keyring {self._named!r} cannot be used here: {error}. "
                "'keyring --list-backends' shows which can."
            )
            raise Unavailable(msg, request_sent="no") from error

    def _kind(self) -> str:
        if isinstance(self._keyring, NoKeyring):
            raise NoKeyringError
        return type(self._keyring).__module__

    def _get(self, name: str) -> str | None:
        return self._keyring.get_password(self._service, name)

    def _set(self, name: str, text: str) -> None:
        self._keyring.set_password(self._service, name, text)

    def _listed(self) -> set[str]:
        return read_list(self._get(LIST))

    def _put(self, name: str, text: str) -> None:
        names = self._listed()
        if name not in names:
            self._set(LIST, written({*names, name}))
        self._set(name, text)

    def _remove(self, name: str) -> None:
        if self._get(name) is not None:
            self._keyring.delete_password(self._service, name)
        names = self._listed()
        if name in names:
            self._set(LIST, written(names - {name}))
