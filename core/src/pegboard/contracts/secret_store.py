"""Secrets by name: the contract."""

from __future__ import annotations

from typing import Protocol

from pydantic import SecretStr  # noqa: TC002 - operations are known by their types

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
