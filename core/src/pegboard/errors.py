"""
The errors of pegboard, by who can act.

PegboardError
├── SettingsError                 fix the settings
├── PluginError                   fix the installation
├── CloseError                    read what did not close, and why
├── RunStopped                    a tool of the program raises it
└── CallError                     the program handles it
    ├── Authentication
    ├── PermissionDenied
    ├── InvalidRequest
    │   ├── ContextLengthExceeded
    │   ├── ContentFiltered
    │   └── Unsupported
    ├── NotFound
    ├── Conflict
    ├── RateLimited
    ├── QuotaExceeded
    ├── Timeout
    │   └── DeadlineExceeded
    ├── ConnectionFailed
    ├── Unavailable
    │   ├── Overloaded
    │   ├── CircuitOpen
    │   └── RetryQuotaExhausted
    ├── InvalidReply
    └── BoundReached
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

RequestSent = Literal["no", "maybe", "yes"]


class PegboardError(Exception):
    """Anything that pegboard raises on purpose."""


class Problem(NamedTuple):
    """One thing that is wrong with the settings."""

    where: str
    """The dotted key, such as ``llm.default.model``."""
    message: str
    """What happened, what exists, what to do."""
    origin: str | None = None
    """Where the value came from: a file, a variable, the arguments."""

    def __str__(self) -> str:
        origin = f" (from {self.origin})" if self.origin else ""
        return f"{self.where}: {self.message}{origin}"


class SettingsError(PegboardError):
    """The settings are wrong. Holds every problem that was found."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__(*problems)
        self.problems = problems

    def __str__(self) -> str:
        if len(self.problems) == 1:
            return str(self.problems[0])
        lines = "\n".join(f"  {problem}" for problem in self.problems)
        return f"{len(self.problems)} problems in the settings:\n{lines}"


class PluginError(PegboardError):
    """What is installed is broken, missing, incompatible or ambiguous."""


class CloseError(PegboardError):
    """Some instances did not close cleanly; all others did."""

    def __init__(self, failures: Mapping[str, BaseException]) -> None:
        super().__init__(failures)
        self.failures = failures

    def __str__(self) -> str:
        reasons = "; ".join(
            f"{address}: {type(error).__name__}: {error}"
            for address, error in self.failures.items()
        )
        return f"Did not close cleanly: {reasons}"


class RunStopped(PegboardError):
    """A tool wants the run to end; other errors of tools are told to the model."""

    partial: object | None = None
    """What had been done: a ``Run``, or None in the first round."""


class CallError(PegboardError):
    """
    A call to an instance failed.

    A provider raises it with a message and what it knows; the policy adds where and
    when. The cause is the error of the provider's SDK, where there is one.
    """

    retryable_by_default: ClassVar[bool] = False
    sent_by_default: ClassVar[RequestSent] = "maybe"

    def __init__(  # noqa: PLR0913 - each field is a fact of its own
        self,
        message: str,
        *,
        retryable: bool | None = None,
        retry_after: float | None = None,
        request_sent: RequestSent | None = None,
        in_stream: bool = False,
        status: int | None = None,
        code: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.retryable = self.retryable_by_default if retryable is None else retryable
        """Whether the same call may succeed if it is made again."""
        self.retry_after = retry_after
        """Seconds that the service asks to wait, if it said so."""
        self.request_sent: RequestSent = request_sent or self.sent_by_default
        """Whether the service may have acted on the request."""
        self.in_stream = in_stream
        """Whether part of the answer had arrived."""
        self.status = status
        """HTTP status, if there was one."""
        self.code = code
        """The service's own name for the error, if it has one."""
        self.partial: object | None = None
        """What had arrived before the error, such as a ``Reply``."""
        self.address: str | None = None
        """The instance, such as ``llm.default``."""
        self.operation: str | None = None
        """The operation, such as ``complete``."""
        self.attempts = 0
        """How often the call was tried."""
        self.elapsed = 0.0
        """Seconds since the call was made."""

    def __str__(self) -> str:
        place = " ".join(filter(None, (self.address, self.operation)))
        tries = f" ({self.attempts} attempts in {self.elapsed:.3g} s)"
        return (
            f"{place + ': ' if place else ''}{self.message}"
            f"{tries if self.attempts > 1 else ''}"
        )

    def __reduce__(self) -> tuple[object, ...]:
        return _restore, (type(self), self.message), self.__dict__

    def redact(self, secrets: Iterable[str]) -> None:
        """Take *secrets* out of the message, and out of reach in the causes."""
        self.message = hide(self.message, secrets)
        self.args = (self.message,)
        if any(secret in _chain_text(self) for secret in secrets):
            self.__cause__ = None
            self.__context__ = None


class Authentication(CallError):
    """The service does not accept the credentials."""


class PermissionDenied(CallError):
    """The credentials do not allow this."""


class InvalidRequest(CallError):
    """The request cannot be fulfilled as it is."""


class ContextLengthExceeded(InvalidRequest):
    """The messages are longer than the model can read."""


class ContentFiltered(InvalidRequest):
    """The service refuses the content."""


class Unsupported(InvalidRequest):
    """The provider does not claim this ability; nothing was sent."""

    sent_by_default = "no"


class NotFound(CallError):
    """What the call names does not exist."""


class Conflict(CallError):
    """What the call expected is no longer so."""


class RateLimited(CallError):
    """Too many requests; the service did not act on this one."""

    retryable_by_default = True
    sent_by_default = "no"


class QuotaExceeded(CallError):
    """The account has used up what it may use."""


class Timeout(CallError):
    """An attempt took too long."""

    retryable_by_default = True


class DeadlineExceeded(Timeout):
    """The call with all its attempts took too long."""

    retryable_by_default = False


class ConnectionFailed(CallError):
    """The service could not be reached, or the connection broke."""

    retryable_by_default = True


class Unavailable(CallError):
    """The service cannot answer now."""

    retryable_by_default = True


class Overloaded(Unavailable):
    """The service has too much to do; it did not act on this request."""

    sent_by_default = "no"


class CircuitOpen(Unavailable):
    """The breaker is open after too many failures; nothing was sent."""

    retryable_by_default = False
    sent_by_default = "no"


class RetryQuotaExhausted(Unavailable):
    """Too many calls were repeated lately, so this one was not."""

    retryable_by_default = False


class InvalidReply(CallError):
    """The service answered with something that cannot be used."""


class BoundReached(CallError):
    """A run of tools came to a bound before the model was done."""

    sent_by_default = "yes"


def hide(text: str, secrets: Iterable[str]) -> str:
    """Return *text* with each of *secrets* replaced by stars."""
    for secret in secrets:
        text = text.replace(secret, "***")
    return text


def _restore(kind: type[CallError], message: str) -> CallError:
    return kind(message)


def _chain_text(error: BaseException) -> str:
    texts = []
    cause = error.__cause__ or error.__context__
    while cause is not None:
        texts.append(f"{cause} {cause!r}")
        cause = cause.__cause__ or cause.__context__
    return " ".join(texts)
