"""Twenty thousand calls while a service fails: what reaches it, what comes back."""

import asyncio
import random

import pytest
from pegboard import (
    LLMProvider,
    Options,
    Pegboard,
    Reply,
    Text,
    Usage,
    errors,
    hookimpl,
)
from pegboard.testing.clock import run_virtual

CALLS, ATTEMPTS, QUOTA, COST = 20_000, 3, 500, 14
REPLY = Reply(parts=(Text("yes"),), finish_reason="stop", usage=Usage(), model="frail")


class Frail:
    """Offers a model that fails at a rate, and counts what reaches it."""

    def __init__(self, rate):
        self.fails = failures(rate)
        self.attempts = 0

    @hookimpl
    def pegboard_llm_providers(self):
        """Return what is on offer."""
        contracts = {"ChatModel": 1}
        return [
            LLMProvider(
                name="frail",
                factory=lambda _options, _context: self,
                options=Options,
                contracts=contracts,
            )
        ]

    async def complete(self, _request):
        """Answer, or fail."""
        self.attempts += 1
        if next(self.fails):
            msg = "down"
            raise errors.Unavailable(msg)
        return REPLY


def failures(rate):
    """Yield whether the next attempt fails: the same sequence for the same rate."""
    chance = random.Random(rate)  # noqa: S311 - no secret depends on it
    while True:
        yield chance.random() < rate


def expected(rate):
    """Return attempts and successes, counted by the rules as they are written."""
    attempts, successes, left, fails = 0, 0, QUOTA, failures(rate)
    for _ in range(CALLS):
        paid = 1
        for number in range(1, ATTEMPTS + 1):
            attempts += 1
            if not next(fails):
                successes += 1
                left = min(QUOTA, left + paid)
                break
            if number == ATTEMPTS or left < COST:
                break
            left, paid = left - COST, COST
    return attempts, successes


def simulated(service, *, pause=0.0, **policy):
    """Return how many calls to *service* succeeded, made one after the other."""
    frail = {"provider": "frail", "policy": policy}

    async def main():
        successes = 0
        settings = {"llm": {"default": frail}}
        async with Pegboard.isolated(settings, plugins=[service]) as board:
            llm = board.llm()
            for _ in range(CALLS):
                try:
                    await llm.complete("?")
                    successes += 1
                except errors.Unavailable:
                    pass
                await asyncio.sleep(pause)
        return successes

    return run_virtual(main())


TABLE = {0.01: (1.01, 1.0), 0.05: (1.05, 1.0), 0.2: (1.24, 0.99), 0.5: (1.07, 0.54)}


@pytest.mark.parametrize("rate", [*TABLE, 1.0])
def test_quota_allows_what_its_rules_say(rate):
    """Attempt by attempt, through the board: full help when little fails."""
    service = Frail(rate)
    successes = simulated(service, backoff=0, breaker={"enabled": False})

    assert (service.attempts, successes) == expected(rate)
    if rate in TABLE:
        assert (service.attempts / CALLS, successes / CALLS) == pytest.approx(
            TABLE[rate], abs=0.01
        )
    else:
        assert service.attempts - CALLS == QUOTA // COST
        assert service.attempts / CALLS <= 1.01


def test_breaker_keeps_an_outage_from_the_service():
    """Five failures open it, then one probe passes each half a minute."""
    service = Frail(1.0)

    simulated(service, pause=0.25, attempts=1, breaker={"open_for": 30})

    assert service.attempts == 5 + CALLS * 0.25 // 30
