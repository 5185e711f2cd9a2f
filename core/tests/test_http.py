"""Retry-After in all its spellings, and errors by status."""

from email.utils import formatdate

import pytest
from pegboard import errors, http

NOW = 1_700_000_000.0


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after-ms": "250"}, 0.25),
        ({"retry-after-ms": "250", "retry-after": "7"}, 0.25),
        ({"retry-after-ms": "soon", "retry-after": "7"}, 7.0),
        ({"retry-after": formatdate(NOW + 90, usegmt=True)}, 90.0),
        ({"retry-after": formatdate(NOW - 90, usegmt=True)}, 0.0),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "1e999"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "99999999999999999999 GMT"}, None),
        ({"retry-after": ""}, None),
        ({}, None),
    ],
)
def test_retry_after_is_read_in_every_spelling(headers, seconds):
    """Seconds, milliseconds and dates are read; garbage says nothing."""
    assert http.retry_after(headers, now=NOW) == seconds


@pytest.mark.parametrize(
    ("status", "kind", "retryable"),
    [
        (400, errors.InvalidRequest, False),
        (401, errors.Authentication, False),
        (403, errors.PermissionDenied, False),
        (404, errors.NotFound, False),
        (408, errors.Timeout, True),
        (409, errors.Conflict, False),
        (429, errors.RateLimited, True),
        (500, errors.Unavailable, True),
        (503, errors.Unavailable, True),
        (529, errors.Overloaded, True),
        (599, errors.Unavailable, True),
        (302, errors.InvalidReply, False),
        (418, errors.InvalidRequest, False),
    ],
)
def test_status_has_its_error(status, kind, retryable):
    """Each status is one of our errors, known or not."""
    assert http.error_class(status) is kind
    assert kind.retryable_by_default is retryable
