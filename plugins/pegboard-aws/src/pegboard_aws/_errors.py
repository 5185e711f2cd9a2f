"""Errors of services and of the way to them, as pegboard's: one table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import aiohttp
from pegboard import errors
from pegboard.http import error_class, retry_after

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pegboard.errors import CallError, RequestSent

    from .connection import Service

BY_CODE: Mapping[type[CallError], tuple[str, ...]] = {
    errors.Authentication: (
        "ExpiredTokenException",
        "ExpiredToken",
        "IncompleteSignature",
        "IncompleteSignatureException",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "MissingAuthenticationToken",
        "MissingAuthenticationTokenException",
        "RequestExpired",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    ),
    errors.PermissionDenied: (
        "AccessDenied",
        "AccessDeniedException",
        "KMSAccessDeniedException",
        "KmsAccessDenied",
        "NotAuthorized",
        "OptInRequired",
    ),
    errors.NotFound: ("ResourceNotFoundException",),
    errors.RateLimited: (
        "KmsThrottled",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    ),
    errors.QuotaExceeded: ("LimitExceededException",),
    errors.Overloaded: ("PriorRequestNotComplete", "SlowDown"),
    errors.Unavailable: (
        "InternalFailure",
        "InternalServerError",
        "InternalServiceError",
        "ServiceUnavailable",
        "ServiceUnavailableException",
    ),
}
KINDS: Mapping[str, type[CallError]] = {
    code: kind for kind, codes in BY_CODE.items() for code in codes
}
"""Of all other codes, the status decides."""
HINTS: Mapping[type[CallError], str] = {
    errors.Authentication: "Check the keys or the profile, and the clock.",
    errors.PermissionDenied: "Check what the role or the user may do.",
}
INTERRUPTIONS = (aiohttp.ClientError, TimeoutError)
"""What the way to a service raises."""
NOT_CONNECTED = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)


class ServiceAnswer(Exception):
    """What a service answered when it refused: the cause of the error."""

    def __init__(self, status: int, body: Mapping[str, Any]) -> None:
        self.status = status
        self.body = body
        """What it said, in the spelling of the service."""
        self.code = str(body.get("__type") or f"status {status}").rpartition("#")[2]
        super().__init__(status, self.code)

    @property
    def told(self) -> str:
        """What it says for people; lines behind the first show what was sent."""
        text = str(self.body.get("message") or self.body.get("Message") or "")
        return text.partition("\n")[0]


def refused(
    service: Service, answer: ServiceAnswer, headers: Mapping[str, str], *, now: float
) -> CallError:
    """Return the error that *answer* of *service* stands for."""
    kind = service.kinds.get(answer.code) or KINDS.get(answer.code)
    kind = kind or error_class(answer.status)
    hint = service.hints.get(answer.code) or HINTS.get(kind, "")
    message = f"{service.name} refuses: {answer.code}. {answer.told}".rstrip(" .")
    return kind(
        f"{message}. {hint}".rstrip(),
        retry_after=retry_after(headers, now=now),
        status=answer.status,
        code=answer.code,
    )


def interrupted(where: str, error: Exception) -> CallError:
    """Return what *error*, one of ``INTERRUPTIONS``, is in pegboard's terms."""
    late = isinstance(error, TimeoutError)
    kind = errors.Timeout if late else errors.ConnectionFailed
    happened = "did not answer in time" if late else "could not be talked to"
    sent: RequestSent = "no" if isinstance(error, NOT_CONNECTED) else "maybe"
    named = f"{type(error).__name__}: {error}".rstrip(": ")
    hint = "" if late else " Check region, endpoint and the network."
    return kind(f"{where} {happened}: {named}.{hint}", request_sent=sent)


def unreadable(where: str, status: int) -> CallError:
    """Return the error of an answer that is not as the service writes them."""
    kind = error_class(status) if status >= 400 else errors.InvalidReply  # noqa: PLR2004 - what HTTP calls errors
    msg = f"{where} answered with something unreadable, status {status}."
    return kind(f"{msg} Check endpoint.", status=status)


def damaged(where: str) -> CallError:
    """Return the error of an answer that is not what was sent."""
    msg = f"The answer of {where} was damaged on its way: its checksum differs."
    return errors.InvalidReply(msg, request_sent="yes")
