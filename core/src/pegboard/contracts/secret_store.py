"""Secrets by name: reading them, and managing them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from pydantic import SecretStr  # noqa: TC002 - operations are known by their types

from pegboard.errors import InvalidRequest

from .declare import contract, operation


@contract(family="integrations", version=1, embedded="environment")
class SecretStore(Protocol):
    """Somewhere that secrets are kept."""

    @operation(repeatable=True, tool=False)
    async def get_secret(self, name: str) -> SecretStr:
        """
        Return the secret *name*.

        Raises:
            NotFound: There is no secret of that name.

        """
        ...


@contract(family="integrations", version=1)
class SecretVault(SecretStore, Protocol):
    """A secret store that takes secrets, too, and lists their names."""

    @operation(repeatable=True, tool=False)
    async def set_secret(self, name: str, value: SecretStr) -> None:
        """
        Keep *value* as the secret *name*, in the place of what was there.

        Who reads it meanwhile gets the old one or the new one, whole.

        Raises:
            InvalidRequest: It is empty, or the store cannot keep such a name.

        """
        ...

    @operation(repeatable=True, tool=False)
    async def delete_secret(self, name: str) -> None:
        """Forget the secret *name*, if there is one. It can be set again at once."""
        ...

    @operation(repeatable=True, tool=False)
    async def list_secrets(self) -> Sequence[str]:
        """Return the names of all secrets, in order."""
        ...


def checked(value: SecretStr) -> str:
    """
    Return the text of *value*.

    Raises:
        InvalidRequest: It is empty, or no text that can be stored.

    """
    text = value.get_secret_value()
    if not text:
        msg = "An empty secret is none. Delete it instead."
        raise InvalidRequest(msg, request_sent="no")
    if not _is_text(text):
        msg = "The secret has half a character in it, which cannot be stored."
        raise InvalidRequest(msg, request_sent="no")
    return text


def _is_text(text: str) -> bool:
    """Return whether *text* can be encoded: the error of trying would show it."""
    return not any("\ud800" <= character <= "\udfff" for character in text)
