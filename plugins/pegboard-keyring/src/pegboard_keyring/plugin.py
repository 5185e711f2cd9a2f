"""What pegboard-keyring offers: the keyring of the system as a secret store."""

from __future__ import annotations

from pegboard import IntegrationProvider, hookimpl


@hookimpl
def pegboard_integrations() -> list[IntegrationProvider]:
    """Return the one provider."""
    return [
        IntegrationProvider(
            name="keyring",
            factory="pegboard_keyring._system:SystemKeyring",
            options="pegboard_keyring.options:KeyringOptions",
            contracts={"SecretStore": 1, "SecretVault": 1},
            external=False,
            install="pegboard-keyring",
            env={"backend": ("PYTHON_KEYRING_BACKEND",)},
            summary="secrets in the keyring of the system",
        )
    ]
