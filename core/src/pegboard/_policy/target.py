"""What the layers of the policy know of the instance that they govern."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pegboard._log import logger_of
from pegboard.deadline import ends_at
from pegboard.errors import CallError, DeadlineExceeded, Timeout, hide
from pegboard.observers import (
    Call,
    CallFailed,
    CallFinished,
    CallRetried,
    CallStarted,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from pegboard.observers import Event, Observer
    from pegboard.policy import Policy

    Method = Callable[..., Any]
    Step = Callable[[Call, tuple[Any, ...], dict[str, Any]], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Target:
    """An instance that calls go to."""

    address: str
    policy: Policy
    provider: str
    distribution: str
    """The package that offers the provider."""
    secrets: tuple[str, ...] = ()
    """Texts that no error may show."""
    observers: tuple[Observer, ...] = ()

    def begin(self, operation: str, request: object = None) -> Call:
        """Return a new call, whose deadline is no later than that of the outer one."""
        now = asyncio.get_running_loop().time()
        end = min(ends_at.get(), now + self.policy.deadline)
        call = Call(self.address, operation, self.provider, now, end, request)
        if self.observers:
            self.tell(CallStarted(call))
        return call

    def retry(self, call: Call, error: CallError, wait: float) -> None:
        """Say that *call* goes on after *error* in *wait* seconds."""
        self._place(call, error)
        logger_of(self.address).info("{} Trying again in {:.3g} s.", error, wait)
        self.tell(CallRetried(call, error, wait))

    def finish(self, call: Call, result: object) -> None:
        """Say that *call* succeeded with *result*."""
        if self.observers:
            self.tell(CallFinished(call, _elapsed(call), result))

    def fail(self, call: Call, error: BaseException) -> None:
        """Say that *call* failed; a ``CallError`` learns where and when."""
        if isinstance(error, CallError):
            self._place(call, error)
            logger_of(self.address).warning("{}", error)
        self.tell(CallFailed(call, error, _elapsed(call)))

    def tell(self, event: Event) -> None:
        """Tell the observers of *event*."""
        for observer in self.observers:
            try:
                observer.notify(event)
            except Exception as error:  # noqa: BLE001 - observers are foreign code
                logger_of(self.address).error(
                    "Observer {} failed at {}: {!r}", observer, event, error
                )

    def classified(self, error: Exception) -> CallError:
        """Return the error that stands for one that the plugin let through."""
        msg = (
            f"{type(error).__name__}: {hide(str(error), self.secrets)} "
            f"(not one of pegboard's errors; please tell {self.distribution})"
        )
        return CallError(msg)

    def overdue(self, call: Call) -> Timeout:
        """Return the error of *call*, whose time is over."""
        section = f"[{self.address}.policy]"
        if asyncio.get_running_loop().time() >= call.ends_at:
            msg = f"took longer than its deadline. Raise deadline in {section}."
            return DeadlineExceeded(msg)
        limit = f"{self.policy.attempt_timeout:g} s"
        msg = f"took longer than {limit}. Raise attempt_timeout in {section}."
        return Timeout(msg)

    def _place(self, call: Call, error: CallError) -> None:
        error.address = call.address
        error.operation = call.operation
        error.attempts = call.attempts
        error.elapsed = _elapsed(call)
        error.redact(self.secrets)


def _elapsed(call: Call) -> float:
    return asyncio.get_running_loop().time() - call.started
