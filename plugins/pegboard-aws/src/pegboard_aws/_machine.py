"""What the machine knows of who calls, by the rules of the SDK; it blocks."""

from __future__ import annotations

import threading
from typing import Any

from botocore.exceptions import (  # type: ignore[import-untyped]  # it has no types
    BotoCoreError,
    ClientError,
)
from botocore.session import Session  # type: ignore[import-untyped]  # the same
from pegboard.errors import Authentication, InvalidRequest

from ._signature import Keys


class Machine:
    """
    The files, the variables and the role of this machine.

    The SDK asks the metadata service and exchanges tokens, and keeps what it was given
    until shortly before that ends.
    """

    def __init__(self, profile: str | None) -> None:
        self._session = Session(profile=profile)
        self._alone = threading.Lock()
        self._credentials: Any = None

    def known_keys(self) -> Keys | None:
        """Return keys that are good for a while, if there are any; does no I/O."""
        credentials = self._credentials
        if credentials is None or _ends_soon(credentials):
            return None
        return _frozen(credentials)

    def keys(self) -> Keys:
        """Find keys, or renew them."""
        try:
            with self._alone:
                self._credentials = self._credentials or self._session.get_credentials()
                if self._credentials is not None:
                    return _frozen(self._credentials)
        except (BotoCoreError, ClientError) as error:
            msg = f"The credentials of this machine cannot be used: {error}"
            raise Authentication(msg, request_sent="no") from error
        msg = (
            "No credentials are known. Set access_key_id and secret_access_key, or "
            "profile, or run it where there is a role."
        )
        raise Authentication(msg, request_sent="no")

    def region(self) -> str:
        """Return the region of the profile."""
        try:
            with self._alone:
                region = self._session.get_config_variable("region")
        except BotoCoreError as error:
            msg = f"The region cannot be found: {error} Check profile, or set region."
            raise InvalidRequest(msg, request_sent="no") from error
        if region:
            return str(region)
        msg = "No region is known. Set region, or AWS_REGION."
        raise InvalidRequest(msg, request_sent="no")


def _ends_soon(credentials: Any) -> bool:
    """Return whether the SDK would ask for new ones, which takes its time."""
    refresh_needed = getattr(credentials, "refresh_needed", None)
    return refresh_needed is not None and bool(refresh_needed())


def _frozen(credentials: Any) -> Keys:
    found = credentials.get_frozen_credentials()
    return Keys(found.access_key, found.secret_key, found.token)
