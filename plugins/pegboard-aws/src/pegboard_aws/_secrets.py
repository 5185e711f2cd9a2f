"""Secrets in AWS Secrets Manager."""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from pegboard.contracts.secret_store import checked
from pegboard.errors import (
    Conflict,
    InvalidReply,
    InvalidRequest,
    NotFound,
    PermissionDenied,
)
from pegboard.secret_cache import SecretCache
from pydantic import SecretStr

from .connection import Connection, Service

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pegboard import Context

    from .options import SecretsManagerOptions

NAME = re.compile(r"(?!/|(?:.*/)?\.{1,2}(?:/|\Z))[\w/+=.@:-]{1,512}", re.ASCII)
"""Names, and the ARNs that stand for them; none that looks like a way out."""
SERVICE = Service(
    "secretsmanager",
    target="secretsmanager",
    version="1.1",
    kinds={
        "DecryptionFailure": PermissionDenied,
        "EncryptionFailure": PermissionDenied,
        # Of a secret that was deleted, and can be restored for some days.
        "InvalidRequestException": NotFound,
        "ResourceExistsException": Conflict,
    },
)
MISSING = "ResourceNotFoundException"


class SecretsManager:
    """Secrets by name, kept for a while."""

    def __init__(self, options: SecretsManagerOptions, context: Context) -> None:
        self._prefix = options.prefix
        self._connection = Connection(options, context, SERVICE)
        self._cache = SecretCache(self._fetch, ttl=options.ttl, clock=context.clock)

    async def aclose(self) -> None:
        """Close what is open."""
        await self._connection.aclose()

    async def ping(self) -> str | None:
        """Ask for one name, so that the service is there and knows the keys."""
        try:
            await self._connection.call("ListSecrets", {"MaxResults": 1})
        except PermissionDenied:
            return "answers, but may not list secrets"
        return None

    async def get_secret(self, name: str) -> SecretStr:
        """Return the secret *name*, as it was at most the ttl ago."""
        return await self._cache.get(self._named(name))

    async def set_secret(self, name: str, value: SecretStr) -> None:
        """Keep *value* as the secret *name*."""
        secret = self._named(name)
        text = checked(value)
        try:
            await self._set(secret, text)
        finally:
            self._cache.forget(secret)

    async def delete_secret(self, name: str) -> None:
        """Forget the secret *name*; for 30 days, the service could restore it."""
        secret = self._named(name)
        try:
            await self._connection.call("DeleteSecret", {"SecretId": secret})
        except NotFound:
            pass
        finally:
            self._cache.forget(secret)

    async def list_secrets(self) -> Sequence[str]:
        """Return the names that begin with the prefix, without it."""
        asked: dict[str, Any] = {"MaxResults": 100}
        if self._prefix:
            asked["Filters"] = [{"Key": "name", "Values": [self._prefix]}]
        names: list[str] = []
        while True:
            page = await self._connection.call("ListSecrets", asked)
            names += [one["Name"] for one in page.get("SecretList", ())]
            if not (token := page.get("NextToken")):
                break
            asked["NextToken"] = token
        # The service does not tell upper and lower case apart.
        ours = (name for name in names if name.startswith(self._prefix))
        return sorted(name.removeprefix(self._prefix) for name in ours)

    def _named(self, name: str) -> str:
        if NAME.fullmatch(name):
            return f"{self._prefix}{name}"
        msg = (
            f"{name!r} cannot name a secret. Use letters, digits and any of '/_+=.@-', "
            "or an ARN. A slash that all names begin with belongs into prefix."
        )
        raise InvalidRequest(msg, request_sent="no")

    async def _fetch(self, secret: str) -> SecretStr:
        try:
            told = await self._connection.call("GetSecretValue", {"SecretId": secret})
        except NotFound as error:
            error.message = (
                f"AWS has no secret {secret!r}. Create it, or check prefix and region."
            )
            raise
        return SecretStr(_text(told))

    async def _set(self, secret: str, text: str) -> None:
        """Make a new version; a secret, if there is none; the deleted one again."""
        version = {"SecretString": text, "ClientRequestToken": str(uuid4())}
        try:
            await self._put(secret, version)
        except NotFound as error:
            if error.code != MISSING:
                await self._connection.call("RestoreSecret", {"SecretId": secret})
                await self._put(secret, version)
                return
            try:
                await self._connection.call("CreateSecret", {"Name": secret, **version})
            except Conflict:  # somebody else was quicker
                await self._put(secret, version)

    async def _put(self, secret: str, version: dict[str, str]) -> None:
        await self._connection.call("PutSecretValue", {"SecretId": secret, **version})


def _text(told: dict[str, Any]) -> str:
    """Return the secret of an answer; errors would show it."""
    try:
        if "SecretString" in told:
            return str(told["SecretString"])
        return base64.b64decode(told["SecretBinary"]).decode()
    except (LookupError, TypeError, ValueError):
        msg = "The secret is not text."
        raise InvalidReply(msg, request_sent="yes") from None
