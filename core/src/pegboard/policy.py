"""The policy: how calls to an external service behave."""

from __future__ import annotations

import math

from pydantic import BaseModel, ConfigDict, Field


class Policy(BaseModel):
    """
    How calls to an external service behave. All times are in seconds.

    Set it for all instances under ``[policy]`` and for one of them under
    ``[llm.NAME.policy]``; what is nearer to the instance wins.
    """

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
        use_attribute_docstrings=True,
    )

    deadline: float = Field(default=120.0, gt=0)
    """Longest time of a call with all its attempts and waits; ``inf`` is no limit."""
    attempts: int = Field(default=3, ge=1)
    """Most times that a call is tried. 1 is no retry."""
    attempt_timeout: float = Field(default=math.inf, gt=0)
    """Longest time of one attempt; of a stream, the wait for its first event."""
    backoff: float = Field(default=0.5, ge=0)
    """Upper bound of the random wait before the second attempt; doubles each time."""
    max_backoff: float = Field(default=20.0, ge=0)
    """Upper bound of any such wait."""
    max_retry_after: float = Field(default=60.0, ge=0)
    """Longest wait that a service may ask for; above it the call fails at once."""
