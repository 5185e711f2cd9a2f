from __future__ import annotations

import time
from uuid import uuid4

import pytest
from pegboard.testing.clock import ManualClock

YEARS = 1e9


@pytest.fixture
def settings_of():
    """Return a function that makes settings for a new place in a table."""

    def settings_of(endpoint, **changes):
        return {
            "provider": "dynamodb",
            "url": f"dynamodb://test-table/{uuid4().hex}",
            "endpoint": endpoint,
            "region": "us-east-1",
            "access_key_id": "test",
            "secret_access_key": "test",
            "create_table": True,
            **changes,
        }

    return settings_of


@pytest.fixture
def settings(settings_of, ministack):
    """Return settings for a place that holds nothing yet."""
    return settings_of(ministack)


@pytest.fixture
def clock():
    """Return a clock that is ahead: the server removes what expired by its own."""
    return ManualClock(time.time() + YEARS)
