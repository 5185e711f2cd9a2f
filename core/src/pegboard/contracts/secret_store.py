"""Secrets by name: the contract."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from .declare import contract, operation

if TYPE_CHECKING:
    from pydantic import SecretStr


@contract(family="integrations", version=1, embedded="environment")
class SecretStore(Protocol):
    """Somewhere that secrets are kept."""

    @operation(repeatable=True)
    async def get_secret(self, name: str) -> SecretStr:
        """
        Return the secret *name*.

        Raises:
            NotFound: There is no secret of that name.

        """
        ...
