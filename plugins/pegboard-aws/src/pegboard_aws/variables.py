"""Which variables users of Amazon Web Services already have."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


def variables(service: str) -> Mapping[str, tuple[str, ...]]:
    """Return the variables of each of ``AWSOptions`` for *service*, such as ``SQS``."""
    return {
        "endpoint": (f"AWS_ENDPOINT_URL_{service}", "AWS_ENDPOINT_URL"),
        "region": ("AWS_REGION", "AWS_DEFAULT_REGION"),
        "access_key_id": ("AWS_ACCESS_KEY_ID",),
        "secret_access_key": ("AWS_SECRET_ACCESS_KEY",),
        "session_token": ("AWS_SESSION_TOKEN",),
    }
