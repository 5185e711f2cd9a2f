"""The policy: how calls to an external service behave."""

from __future__ import annotations

import math

from pydantic import BaseModel, ConfigDict, Field

SHAPE = ConfigDict(
    extra="forbid",
    frozen=True,
    hide_input_in_errors=True,
    use_attribute_docstrings=True,
)


class BreakerPolicy(BaseModel):
    """
    When a failing instance is left alone, and for how long.

    Failures are timeouts, broken connections, unavailable services and unusable
    replies. What is the caller's fault, is cancelled or is answered with "too many
    requests" counts neither way. Streams are judged at their end.
    """

    model_config = SHAPE

    enabled: bool = True
    """Whether there is a breaker."""
    failures: int = Field(default=5, ge=1)
    """It opens after so many failures in a row."""
    failure_rate: float = Field(default=0.5, gt=0, le=1)
    """It opens when so large a part of the recent calls failed."""
    minimum_calls: int = Field(default=10, ge=1)
    """Fewer recent calls than these are no basis for a rate."""
    window: float = Field(default=60.0, gt=0)
    """How far back calls are recent."""
    slow_call: float = Field(default=math.inf, gt=0)
    """A call that takes this long counts as failed in the rate."""
    open_for: float = Field(default=30.0, gt=0)
    """How long calls are refused before a probe may pass."""
    probes: int = Field(default=1, ge=1)
    """So many probes may run at once, and so many must succeed to close it."""
    shared: str | None = None
    """A storage, by name, through which processes tell each other of outages."""


class Policy(BaseModel):
    """
    How calls to an external service behave. All times are in seconds.

    Set it for all instances under ``[policy]`` and for one of them under
    ``[llm.NAME.policy]``; what is nearer to the instance wins.
    """

    model_config = SHAPE

    deadline: float = Field(default=120.0, gt=0)
    """Longest time of a call with all its attempts and waits; ``inf`` is no limit."""
    attempts: int = Field(default=3, ge=1)
    """Most times that a call is tried. 1 is no retry."""
    connect_timeout: float = Field(default=5.0, gt=0)
    """Longest time until a connection is made; providers pass it to their SDK."""
    connections: int | None = Field(default=None, ge=1)
    """Most connections that are open at once. Default: as many as the SDK opens."""
    keep_alive: float | None = Field(default=None, ge=0)
    """Longest time that an idle connection stays open. Default: as the SDK says."""
    attempt_timeout: float = Field(default=math.inf, gt=0)
    """Longest time of one attempt; of a stream, the wait for its first event."""
    idle_timeout: float = Field(default=math.inf, gt=0)
    """Longest wait for the next event of a stream."""
    backoff: float = Field(default=0.5, ge=0)
    """Upper bound of the random wait before the second attempt; doubles each time."""
    max_backoff: float = Field(default=20.0, ge=0)
    """Upper bound of any such wait."""
    max_retry_after: float = Field(default=60.0, ge=0)
    """Longest wait that a service may ask for; above it the call fails at once."""
    retry_quota: int = Field(default=500, ge=0)
    """What repeats may cost before successes refill it: 14 each, 5 if throttled."""
    concurrency: int | None = Field(default=None, ge=1)
    """Most calls that run at once; others wait. Default: no limit."""
    requests_per_minute: float | None = Field(default=None, gt=0)
    """Most attempts in a minute; others wait. Default: no limit."""
    tokens_per_minute: float | None = Field(default=None, gt=0)
    """Most tokens of a model in a minute; calls wait. Default: no limit."""
    join_equal: bool = False
    """Whether a call waits for the reply to an equal one that is being made."""
    breaker: BreakerPolicy = BreakerPolicy()
    """When a failing instance is left alone."""
