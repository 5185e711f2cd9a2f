"""Who calls, from where: as settings say, or as the machine knows it."""

from __future__ import annotations

import asyncio
import os
from functools import cached_property
from typing import TYPE_CHECKING

from ._signature import Keys

if TYPE_CHECKING:
    from pydantic import SecretStr

    from ._machine import Machine
    from .options import AWSOptions

ONLY_REGION = "us-east-1"
"""What is signed for where an endpoint is named, but no region."""


class Account:
    """Keys and a region. What settings do not say is found in threads."""

    def __init__(self, options: AWSOptions) -> None:
        self._profile = options.profile
        self._given = _given(options)
        self._region = options.region or (options.endpoint and ONLY_REGION)

    async def keys(self) -> Keys:
        """Return what to sign with, now."""
        if self._given is not None:
            return self._given
        known = self._machine.known_keys()
        return await asyncio.to_thread(self._machine.keys) if known is None else known

    async def region(self) -> str:
        """Return where the service is."""
        if self._region is None:
            self._region = await asyncio.to_thread(self._machine.region)
        return self._region

    @cached_property
    def _machine(self) -> Machine:
        # The SDK takes 0.4 s to import, and who gives keys does not need it.
        from ._machine import Machine  # noqa: PLC0415

        return Machine(self._profile)


def _given(options: AWSOptions) -> Keys | None:
    name, key = options.access_key_id, options.secret_access_key
    if options.profile is not None or name is None or key is None:
        return None
    return Keys(_plain(name), _plain(key), _token(options, _plain(name)))


def _token(options: AWSOptions, name: str) -> str | None:
    """Return the token of the key *name*; that of the variables may be another's."""
    token = _plain(options.session_token)
    is_of_variables = token == os.environ.get("AWS_SESSION_TOKEN")
    if is_of_variables and name != os.environ.get("AWS_ACCESS_KEY_ID", name):
        return None
    return token or None


def _plain(secret: SecretStr | None) -> str:
    return "" if secret is None else secret.get_secret_value()
