"""A real keyring, in a file."""

from __future__ import annotations

import keyring.core
import pytest
from pegboard.testing.secret_store import Put, SecretStoreContract, SecretVaultContract

PLAIN = "keyrings.alt.file.PlaintextKeyring"
ignores_case = pytest.mark.xfail(
    reason="this keyring takes KEY and key for one name", run=False
)


class TestPlain(SecretVaultContract):
    @pytest.fixture
    def settings(self) -> dict[str, object]:
        """Return settings with a keyring in a file."""
        return {"provider": "keyring", "backend": PLAIN}

    @ignores_case
    async def test_each_name_has_its_own(self): ...


class TestOfOthers(SecretStoreContract):
    """What programs beside pegboard have put into a keyring."""

    @pytest.fixture
    def settings(self) -> dict[str, object]:
        """Return settings with a service of other programs."""
        return {"provider": "keyring", "backend": PLAIN, "service": "their-program"}

    @pytest.fixture
    def put(self) -> Put:
        """Return what puts a secret there with the library alone."""

        async def put(name: str, value: str) -> None:
            backend = keyring.core.load_keyring(PLAIN)
            backend.set_password("their-program", name, value)

        return put

    @ignores_case
    async def test_each_name_has_its_own(self): ...
