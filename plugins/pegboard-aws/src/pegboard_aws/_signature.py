"""How a request proves who made it: AWS Signature Version 4."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

ALGORITHM = "AWS4-HMAC-SHA256"


@dataclass(frozen=True, slots=True)
class Keys:
    """What a request is signed with."""

    access_key_id: str = field(repr=False)
    secret_access_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)


class Signer:
    """Signs what is posted to ``/`` of a *service* in a *region*."""

    def __init__(self, region: str, service: str) -> None:
        self._place = (region, service, "aws4_request")
        self._derived: tuple[str, str, bytes] = ("", "", b"")

    def sign(
        self, headers: Mapping[str, str], body: bytes, *, keys: Keys, now: float
    ) -> dict[str, str]:
        """
        Return *headers*, with those that prove who posts *body* at the time *now*.

        All of *headers* are signed. Their names are in lower case, ``host`` is one.
        """
        time = datetime.fromtimestamp(now, UTC).strftime("%Y%m%dT%H%M%SZ")
        signed = {**headers, "x-amz-date": time}
        if keys.session_token is not None:
            signed["x-amz-security-token"] = keys.session_token
        names = ";".join(sorted(signed))
        scope = "/".join((time[:8], *self._place))
        text = f"{ALGORITHM}\n{time}\n{scope}\n{_digest(_canonical(signed, body))}"
        proof = _hmac(self._key(keys.secret_access_key, time[:8]), text).hex()
        signed["authorization"] = (
            f"{ALGORITHM} Credential={keys.access_key_id}/{scope}, "
            f"SignedHeaders={names}, Signature={proof}"
        )
        return signed

    def _key(self, secret: str, day: str) -> bytes:
        if self._derived[:2] != (secret, day):
            key = f"AWS4{secret}".encode()
            for part in (day, *self._place):
                key = _hmac(key, part)
            self._derived = (secret, day, key)
        return self._derived[2]


def _canonical(headers: Mapping[str, str], body: bytes) -> bytes:
    lines = "".join(f"{name}:{headers[name].strip()}\n" for name in sorted(headers))
    return f"POST\n/\n\n{lines}\n{';'.join(sorted(headers))}\n{_digest(body)}".encode()


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.digest(key, text.encode(), "sha256")
