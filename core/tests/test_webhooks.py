"""Signed webhooks, against the library of the standard."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import time
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pegboard.errors import InvalidRequest, SettingsError
from pegboard.webhooks import (
    NotAuthentic,
    Unreadable,
    WebhookEvent,
    new_id,
    new_secret,
    parse,
    receive,
    sign,
    verify,
    write,
)
from standardwebhooks import Webhook, WebhookVerificationError

SECRET, OTHER = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", new_secret()
NOW = 1_800_000_000
TEXTS = st.text(st.characters(codec="utf-8"))


def is_accepted(body, headers, *secrets, now=NOW):
    """Return whether we take a request for authentic."""
    try:
        verify(body, headers, secrets=secrets or [SECRET], clock=lambda: now)
    except NotAuthentic:
        return False
    return True


def signed_by_them(body, id_="msg_1", secret=SECRET, now=NOW):
    """Return headers that the library would make."""
    at = datetime.fromtimestamp(now, tz=UTC)
    signature = Webhook(secret).sign(id_, at, body)
    return {
        "webhook-id": id_,
        "webhook-timestamp": str(now),
        "webhook-signature": signature,
    }


@given(body=TEXTS)
def test_what_they_sign_is_accepted(body):
    """As text and as bytes."""
    headers = signed_by_them(body)

    assert is_accepted(body, headers)
    assert is_accepted(body.encode(), headers)


@given(body=TEXTS, key=st.binary(min_size=1, max_size=64))
def test_they_accept_what_we_sign(body, key):
    """Whatever the secret is, with padding and without."""
    secret = "whsec_" + base64.b64encode(key).decode().rstrip("=")
    headers = sign(body, id="msg_1", secrets=[secret])

    assert Webhook(secret).verify(body, headers, json_parse=False) is None


def test_they_accept_while_secrets_change():
    """A receiver that knows only one of both is content."""
    headers = sign("{}", id="msg_1", secrets=[OTHER, SECRET])

    for secret in (OTHER, SECRET):
        assert Webhook(secret).verify("{}", headers) == {}
    with pytest.raises(WebhookVerificationError):
        Webhook(new_secret()).verify("{}", headers)


def test_we_accept_while_secrets_change():
    """A sender that knows only one of both is heard."""
    assert is_accepted("{}", signed_by_them("{}", secret=OTHER), SECRET, OTHER)
    assert not is_accepted("{}", signed_by_them("{}", secret=OTHER), SECRET)


def test_signatures_of_other_versions_are_passed_over():
    """One that fits is enough, wherever it stands."""
    headers = signed_by_them("{}")
    good = headers["webhook-signature"]
    headers["webhook-signature"] = f"v1a,abc {good} v1,nonsense"

    assert is_accepted("{}", headers)


@pytest.mark.parametrize(
    ("age", "accepted"), [(0, True), (300, True), (301, False), (-301, False)]
)
def test_window(age, accepted):
    """Five minutes, into the past and into the future."""
    assert is_accepted("{}", signed_by_them("{}"), now=NOW + age) is accepted


@pytest.mark.parametrize(
    "name", ["webhook-id", "webhook-timestamp", "webhook-signature"]
)
def test_each_header_is_needed(name):
    """Without one there is no proof; with another value there is none either."""
    headers = signed_by_them("{}")

    assert not is_accepted("{}", {**headers, name: ""})
    assert not is_accepted("{}", {n: v for n, v in headers.items() if n != name})
    assert not is_accepted("{}", {**headers, name: headers[name] + "1"})


def test_names_of_headers_are_in_any_case():
    """As servers hand them over."""
    headers = {name.upper(): value for name, value in signed_by_them("{}").items()}

    assert is_accepted("{}", headers)


def test_no_part_of_a_body_passes_for_the_time():
    """What was signed as a whole is not cut at another place."""
    headers = signed_by_them("1800000000.{}", id_="msg_1", now=NOW)
    shifted = {**headers, "webhook-id": f"msg_1.{NOW}", "webhook-timestamp": str(NOW)}

    assert is_accepted("1800000000.{}", headers)
    assert not is_accepted("{}", shifted)


@given(st.text(), st.text(), st.text())
def test_odd_headers_are_not_authentic(id_, timestamp, signature):
    """And no foreign error comes of them."""
    names = ("webhook-id", "webhook-timestamp", "webhook-signature")
    headers = dict(zip(names, (id_, timestamp, signature), strict=True))

    assert not is_accepted("{}", headers)


@pytest.mark.parametrize("time_", ["now", "-1", "1e9", "٣", "9" * 400, "1800000000.5"])
def test_odd_times_are_not_authentic(time_):
    """Also where they are signed."""
    signed = f"msg_1.{time_}.{{}}".encode()
    import hmac  # noqa: PLC0415 - only here: what a sender without care would do

    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    mac = base64.b64encode(hmac.digest(key, signed, "sha256")).decode()
    headers = {
        "webhook-id": "msg_1",
        "webhook-timestamp": time_,
        "webhook-signature": f"v1,{mac}",
    }

    with pytest.raises(NotAuthentic, match="does not say when"):
        verify("{}", headers, secrets=[SECRET], clock=lambda: NOW)


@pytest.mark.parametrize(
    "secret", ["", "whsec_", "whsec_!!", "whsec_c2Vj!!cmV0", "  ", "é"]
)
def test_what_is_no_secret_is_refused(secret):
    """By both sides, and not shown."""
    with pytest.raises(SettingsError, match="new_secret") as caught:
        sign("{}", id="msg_1", secrets=[secret])
    assert "!!" not in str(caught.value)
    with pytest.raises(SettingsError):
        verify("{}", signed_by_them("{}"), secrets=[secret])


def test_without_a_secret_nobody_is_heard():
    """Anybody could have signed with none."""
    with pytest.raises(SettingsError, match="anybody could sign"):
        verify("{}", signed_by_them("{}"), secrets=[])


@pytest.mark.parametrize("id_", ["", "a.b", "a b", "é", "x" * 201])
def test_what_is_no_id_is_not_sent(id_):
    """Before anything is signed."""
    with pytest.raises(InvalidRequest, match="is no id"):
        sign("{}", id=id_, secrets=[SECRET])


def test_new_ones_differ():
    """Secrets and ids are each used once."""
    secrets = {new_secret() for _ in range(100)}
    ids = {new_id() for _ in range(100)}

    assert (len(secrets), len(ids)) == (100, 100)
    assert len(base64.b64decode(secrets.pop().removeprefix("whsec_"))) == 32
    sign("{}", id=ids.pop(), secrets=[new_secret()])


def test_what_is_written_is_read():
    """Type, time and payload come through, and the id of the header."""
    body = write("order.paid", {"id": 7, "who": "Zoë"}, at=NOW + 0.25)
    headers = sign(body, id="msg_7", secrets=[SECRET], clock=lambda: NOW)
    event = receive(body, headers, secrets=[SECRET], clock=lambda: NOW)

    assert event == WebhookEvent(
        id="msg_7",
        type="order.paid",
        timestamp="2027-01-15T08:00:00.250Z",
        payload={"id": 7, "who": "Zoë"},
    )


def test_they_read_what_we_write():
    """The body is the standard's."""
    body = write("order.paid", [1], at=time.time())
    headers = sign(body, id="msg_7", secrets=[SECRET])
    told = Webhook(SECRET).verify(body, headers)

    assert (told["type"], told["data"]) == ("order.paid", [1])
    assert datetime.fromisoformat(told["timestamp"]).tzinfo is not None


@pytest.mark.parametrize("payload", [float("nan"), {1, 2}, "half \ud83d", object()])
def test_what_is_no_json_is_not_sent(payload):
    """And what it was is not repeated."""
    with pytest.raises(InvalidRequest, match="cannot be sent") as caught:
        write("x", payload, at=NOW)
    assert "half" not in str(caught.value)


@pytest.mark.parametrize(
    "body", ["", "{", "[]", "5", "{}", '{"type": "x"}', "[" * 100_000, b"\xff\xfe\x00"]
)
def test_other_bodies_are_unreadable(body):
    """They are no other error."""
    with pytest.raises(Unreadable, match="no event"):
        parse(body, {})


def test_nothing_is_read_that_is_not_signed():
    """Not even to say that it is unreadable."""
    with pytest.raises(NotAuthentic):
        receive("{", {}, secrets=[SECRET])
    with pytest.raises(Unreadable):
        receive("{", signed_by_them("{"), secrets=[SECRET], clock=lambda: NOW)


def test_no_event_shows_its_payload():
    """It may be personal, and events are logged."""
    body = json.dumps({"type": "x", "data": "sentinel"})

    assert "sentinel" not in repr(parse(body, {}))


def test_importing_it_brings_nothing_slow():
    """A function that is started for a request has better things to do."""
    slow = "{'httpx', 'asyncio', 'pydantic', 'ssl', 'loguru', 'pluggy'}"
    code = f"import sys, pegboard.webhooks; print({slow} & sys.modules.keys())"
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )

    assert run.stdout == "set()\n"
