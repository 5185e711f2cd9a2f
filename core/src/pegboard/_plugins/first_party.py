"""The packages of this project, for those who ask for what they have not installed."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

# A fixed table: a name that a user typed must never become a package to install.
PACKAGES: Mapping[str, str] = {
    "local": "pegboard-local",
    "openai": "pegboard-openai",
}
