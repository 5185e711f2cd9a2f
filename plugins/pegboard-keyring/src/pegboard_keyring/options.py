"""What settings may say about a keyring."""

from __future__ import annotations

from pegboard import Options
from pydantic import Field


class KeyringOptions(Options):
    """The keyring of the system, and what in it is pegboard's."""

    service: str = Field("pegboard", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    """What the secrets are kept under; each name is a user name of it."""
    backend: str | None = None
    """
    Which keyring, as a class that the library names, such as
    ``"keyring.backends.macOS.Keyring"``. Without it, the library chooses.
    """
