from __future__ import annotations

import string
from datetime import UTC, datetime
from unittest import mock

from botocore import auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st
from pegboard_aws._signature import Keys, Signer

WORD = st.text(string.ascii_letters + string.digits + "/+=", min_size=1, max_size=40)
PLACE = st.text(string.ascii_lowercase + string.digits + "-", min_size=1)
HEADERS = {"content-type": "application/x-amz-json-1.0", "host": "a.example:8443"}


def signed_by_the_sdk(headers, body, keys, region, service):
    """Return the headers that the SDK signs for the same request."""
    credentials = Credentials(
        keys.access_key_id, keys.secret_access_key, keys.session_token
    )
    url = f"https://{headers['host']}/"
    request = AWSRequest("POST", url, headers=dict(headers), data=body)
    auth.SigV4Auth(credentials, service, region).add_auth(request)
    return {name.lower(): value for name, value in request.headers.items()}


@given(
    keys=st.builds(Keys, WORD, WORD, st.none() | WORD),
    body=st.binary(),
    region=PLACE,
    service=PLACE,
    target=WORD,
    now=st.integers(946_684_800, 4_102_444_800),
)
def test_signature_is_that_of_the_sdk(keys, body, region, service, target, now):
    """Whatever is signed, for whomever, whenever."""
    headers = {**HEADERS, "x-amz-target": target}
    time = datetime.fromtimestamp(now, UTC).replace(tzinfo=None)
    with mock.patch.object(auth, "get_current_datetime", return_value=time):
        expected = signed_by_the_sdk(headers, body, keys, region, service)

    signer = Signer(region, service)
    assert expected == signer.sign(headers, body, keys=keys, now=now)
    assert expected == signer.sign(headers, body, keys=keys, now=now)


def test_key_of_a_day_is_made_anew():
    """A signer that lives on signs as one that is new, also for other keys."""
    signer = Signer("r", "s")
    for secret in ("one", "two"):
        for now in (0.0, 86_399.0, 86_400.0):
            keys = Keys("id", secret)
            signed = signer.sign(HEADERS, b"", keys=keys, now=now)
            assert signed == Signer("r", "s").sign(HEADERS, b"", keys=keys, now=now)


def test_keys_show_nothing():
    """Neither in logs nor in tracebacks."""
    assert repr(Keys("id", "secret", "token")) == "Keys()"
