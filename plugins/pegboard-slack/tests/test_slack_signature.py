"""Signatures, against the verifier of Slack's own SDK."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pegboard.errors import SettingsError
from pegboard_slack import _signature
from pegboard_slack.inbound import NotFromSlack, sign, verify
from slack_sdk.signature import SignatureVerifier

NOW = 1_800_000_000
SECRET = "8f742231b10e8888abcd99yyyzzz85a5"
TEXTS = st.text(st.characters(codec="utf-8"))


class Clock:
    """The SDK's idea of a clock."""

    def __init__(self, now: float) -> None:
        self.now = lambda: now


def theirs(now: float = NOW, secret: str = SECRET) -> SignatureVerifier:
    """Return the other party."""
    return SignatureVerifier(secret, clock=Clock(now))


def is_accepted(body: bytes | str, headers: dict[str, str], now: float = NOW) -> bool:
    """Return whether we take a request for one of Slack's."""
    try:
        verify(body, headers, secret=SECRET, clock=lambda: now)
    except NotFromSlack:
        return False
    return True


def signed_by_them(body: bytes | str, timestamp: str = str(NOW)) -> dict[str, str]:
    """Return headers that the SDK would make."""
    signature = theirs().generate_signature(timestamp=timestamp, body=body)
    return {"x-slack-request-timestamp": timestamp, "x-slack-signature": signature}


def test_the_documented_request_is_accepted() -> None:
    """Slack's documentation signs one, step by step, and says what comes out."""
    body = (
        "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow"
        "&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA"
        "&user_name=roadrunner&command=%2Fwebhook-collect&text="
        "&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J"
        "%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN"
        "&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
    )
    signature = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"

    made = sign(body, secret=SECRET, clock=lambda: 1531420618)
    assert made["X-Slack-Signature"] == signature


@given(body=TEXTS)
def test_what_they_sign_is_accepted(body: str) -> None:
    """As text and as bytes."""
    headers = signed_by_them(body)

    assert is_accepted(body, headers)
    assert is_accepted(body.encode(), headers)


@given(body=TEXTS, secret=st.text(st.characters(codec="ascii"), min_size=1))
def test_they_accept_what_we_sign(body: str, secret: str) -> None:
    """``sign`` signs as Slack does."""
    secret += "x"
    headers = sign(body, secret=secret, clock=lambda: NOW)

    assert theirs(secret=secret).is_valid_request(body, headers)


@given(st.integers(-400, 400))
def test_window_is_theirs(age: int) -> None:
    """Five minutes, back and forth."""
    headers = signed_by_them("x", str(NOW - age))

    assert is_accepted("x", headers) == theirs().is_valid_request("x", headers)


@pytest.mark.parametrize(
    ("age", "accepted"),
    [(0, True), (300, True), (-300, True), (300.5, False), (-301, False), (301, False)],
)
def test_window_is_five_minutes(age: float, accepted: bool) -> None:  # noqa: FBT001
    """What is older may be a replay; what is newer is as odd."""
    assert is_accepted("x", signed_by_them("x"), now=NOW + age) == accepted


def test_replay_is_refused_when_the_window_has_passed() -> None:
    """Within it, the same request is accepted again: programs count its id once."""
    headers = signed_by_them("x")

    assert is_accepted("x", headers, now=NOW + 10)
    assert is_accepted("x", headers, now=NOW + 20)
    with pytest.raises(NotFromSlack, match="3600 s old"):
        verify("x", headers, secret=SECRET, clock=lambda: NOW + 3600)


def test_new_date_on_an_old_request_is_refused() -> None:
    """The time is part of what is signed."""
    old = signed_by_them("x", str(NOW - 3600))
    headers = {**old, "x-slack-request-timestamp": str(NOW)}

    assert not is_accepted("x", headers)


@given(body=st.binary(min_size=1), at=st.integers(0), bit=st.integers(0, 7))
def test_no_bit_may_differ(body: bytes, at: int, bit: int) -> None:
    """Whatever is changed in the body, it is not what was signed."""
    headers = sign(body, secret=SECRET, clock=lambda: NOW)
    changed = bytearray(body)
    changed[at % len(body)] ^= 1 << bit

    assert is_accepted(body, headers)
    assert not is_accepted(bytes(changed), headers)


@given(signature=st.text(), timestamp=st.text())
def test_garbage_is_refused(signature: str, timestamp: str) -> None:
    """It never is another error, whatever stands in the headers."""
    headers = {"X-Slack-Signature": signature, "X-Slack-Request-Timestamp": timestamp}

    assert not is_accepted("x", headers)


@pytest.mark.parametrize(
    "timestamp",
    ["", " ", "1.8e9", "-1800000000", "\uff11", "9" * 5000, "1800000000\n", "inf"],
)
def test_odd_date_is_refused_though_it_is_signed(timestamp: str) -> None:
    """A number of seconds, or nothing."""
    signature = _signature._signature(b"x", timestamp, SECRET)
    headers = {"X-Slack-Signature": signature, "X-Slack-Request-Timestamp": timestamp}

    assert not is_accepted("x", headers)


@pytest.mark.parametrize("left_out", ["X-Slack-Signature", "X-Slack-Request-Timestamp"])
def test_request_without_a_signature_is_refused(left_out: str) -> None:
    """The error says that it is not signed."""
    headers = sign("x", secret=SECRET, clock=lambda: NOW)
    del headers[left_out]

    with pytest.raises(NotFromSlack, match="is not signed"):
        verify("x", headers, secret=SECRET, clock=lambda: NOW)


@pytest.mark.parametrize("change", [str.lower, str.upper, str.title, str.swapcase])
def test_headers_are_found_in_any_case(change) -> None:
    """Gateways spell them as they like."""
    headers = sign("x", secret=SECRET, clock=lambda: NOW)

    assert is_accepted("x", {change(name): value for name, value in headers.items()})


@pytest.mark.parametrize("secret", ["", " "])
def test_no_secret_is_no_proof(secret: str) -> None:
    """Otherwise everybody could sign, who knows that there is none."""
    with pytest.raises(SettingsError, match="signing secret: is empty"):
        verify("x", signed_by_them("x"), secret=secret, clock=lambda: NOW)


def test_other_secret_is_refused() -> None:
    """And the error shows neither it nor the right signature."""
    headers = sign("x", secret="another", clock=lambda: NOW)
    right = sign("x", secret=SECRET, clock=lambda: NOW)["X-Slack-Signature"]

    with pytest.raises(NotFromSlack, match="does not fit") as caught:
        verify("x", headers, secret=SECRET, clock=lambda: NOW)
    assert SECRET not in str(caught.value)
    assert right not in str(caught.value)


def test_comparison_takes_the_same_time_for_all(monkeypatch) -> None:
    """It is left to ``hmac.compare_digest``, which is made for that."""
    compared = []

    def compare(one: bytes, other: bytes) -> bool:
        compared.append((one, other))
        return False

    monkeypatch.setattr(_signature.hmac, "compare_digest", compare)

    assert not is_accepted("x", signed_by_them("x"))
    assert [one == other for one, other in compared] == [True]


def test_clock_is_the_real_one_unless_said() -> None:
    """What is signed now is accepted now."""
    verify("x", sign("x", secret=SECRET), secret=SECRET)
