from __future__ import annotations

import json
import subprocess
import sys
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pegboard_slack.inbound import (
    Action,
    Challenge,
    Command,
    Event,
    Interaction,
    NotFromSlack,
    Unreadable,
    parse,
    receive,
    sign,
)

SECRET = "s3cret"
MENTION = {
    "type": "event_callback",
    "token": "verification-token",
    "team_id": "T1",
    "api_app_id": "A1",
    "event_id": "Ev1",
    "event_time": 1763700000,
    "event": {
        "type": "app_mention",
        "user": "U1",
        "text": "<@U0> hello",
        "ts": "1763700000.000100",
        "thread_ts": "1763600000.000100",
        "channel": "C1",
        "event_ts": "1763700000.000100",
    },
}
PRESSED = {
    "type": "block_actions",
    "token": "verification-token",
    "team": {"id": "T1", "domain": "workshop"},
    "user": {"id": "U1", "username": "ada"},
    "container": {"type": "message", "message_ts": "1.2", "channel_id": "C1"},
    "channel": {"id": "C1", "name": "ops"},
    "message": {"type": "message", "ts": "1.2", "text": "Who?"},
    "trigger_id": "12.34.abc",
    "response_url": "https://hooks.slack.com/actions/T1/1/secret",
    "actions": [
        {"type": "button", "action_id": "take", "block_id": "b1", "value": "ticket-7"}
    ],
}
SUBMITTED = {
    "type": "view_submission",
    "team": {"id": "T1"},
    "user": {"id": "U1"},
    "view": {
        "id": "V1",
        "callback_id": "emoji",
        "private_metadata": "{}",
        "state": {"values": {"name": {"text": {"type": "x", "value": "party"}}}},
    },
}
SHORTCUT = {
    "type": "message_action",
    "callback_id": "make_emoji",
    "trigger_id": "12.34.abc",
    "team": {"id": "T1"},
    "user": {"id": "U1"},
    "channel": {"id": "C1"},
    "message": {"ts": "1.2", "text": "So cute."},
    "message_ts": "1.2",
    "response_url": "https://hooks.slack.com/app/T1/1/secret",
}
COMMAND = {
    "token": "verification-token",
    "team_id": "T1",
    "channel_id": "C1",
    "user_id": "U1",
    "command": "/emoji",
    "text": "party & more",
    "trigger_id": "12.34.abc",
    "response_url": "https://hooks.slack.com/commands/T1/1/secret",
}


def form(payload: object) -> str:
    """Return an interaction as Slack sends it."""
    return urlencode({"payload": json.dumps(payload)})


def test_challenge_is_answered_with_its_text() -> None:
    """That is how Slack finds out that an address is ours."""
    told = {"type": "url_verification", "token": "t", "challenge": "3eZbrw1aB"}

    assert parse(json.dumps(told)) == Challenge("3eZbrw1aB")


def test_certificate_check_is_answered_with_nothing() -> None:
    """Slack looks after the certificates of commands."""
    assert parse("ssl_check=1&token=t") == Challenge("")


def test_event_is_read() -> None:
    """What happened, where, by whom."""
    assert parse(json.dumps(MENTION).encode()) == Event(
        id="Ev1",
        type="app_mention",
        team="T1",
        user="U1",
        channel="C1",
        text="<@U0> hello",
        message="1763700000.000100",
        thread="1763600000.000100",
        attempt=0,
        payload=MENTION,
    )


def test_reaction_is_about_a_message() -> None:
    """Where the event names it as an item."""
    item = {"type": "message", "channel": "C1", "ts": "1.2"}
    inner = {"type": "reaction_added", "user": "U1", "item": item, "reaction": "eyes"}
    event = parse(json.dumps({**MENTION, "event": inner}))

    assert (event.type, event.channel, event.message) == ("reaction_added", "C1", "1.2")


def test_new_channel_is_told_by_its_id() -> None:
    """Some events have whole objects where others have ids."""
    inner = {"type": "channel_created", "channel": {"id": "C9", "name": "new"}}

    assert parse(json.dumps({**MENTION, "event": inner})).channel == "C9"


def test_event_without_an_inner_one_is_read() -> None:
    """Such as the note that there were too many."""
    told = {"type": "app_rate_limited", "team_id": "T1", "minute_rate_limited": 1}
    event = parse(json.dumps(told))

    assert (event.type, event.id, event.payload) == ("app_rate_limited", "", told)


@pytest.mark.parametrize(
    ("headers", "attempt"),
    [
        ({}, 0),
        ({"X-Slack-Retry-Num": "2", "X-Slack-Retry-Reason": "http_timeout"}, 2),
        ({"x-slack-retry-num": "1"}, 1),
        ({"X-Slack-Retry-Num": "soon"}, 0),
    ],
)
def test_attempts_are_counted(headers: dict[str, str], attempt: int) -> None:
    """Slack sends again what nobody answered in time."""
    assert parse(json.dumps(MENTION), headers).attempt == attempt


def test_pressed_button_is_read() -> None:
    """What was pressed, under which message, and what may be done about it."""
    assert parse(form(PRESSED)) == Interaction(
        type="block_actions",
        team="T1",
        user="U1",
        channel="C1",
        message="1.2",
        callback=None,
        actions=(Action("take", "b1", "ticket-7"),),
        inputs={},
        trigger="12.34.abc",
        response_url="https://hooks.slack.com/actions/T1/1/secret",
        payload=PRESSED,
    )


@pytest.mark.parametrize(
    ("chosen", "value"),
    [
        ({"selected_option": {"value": "blue"}}, "blue"),
        ({"selected_user": "U7"}, "U7"),
        ({"selected_channel": "C7"}, "C7"),
        ({"selected_conversation": "D7"}, "D7"),
        ({"selected_date": "2030-01-01"}, "2030-01-01"),
        ({"selected_time": "12:30"}, "12:30"),
        ({"selected_option": None}, None),
        ({"selected_options": []}, None),
    ],
)
def test_choice_is_a_value(chosen: dict[str, object], value: str | None) -> None:
    """Whatever it was chosen from; what is not one thing is in the payload."""
    told = {**PRESSED, "actions": [{"action_id": "a", "block_id": "b", **chosen}]}

    assert parse(form(told)).actions == (Action("a", "b", value),)


def test_submitted_dialog_is_read() -> None:
    """Its name, and what was filled in."""
    told = parse(form(SUBMITTED))

    assert (told.type, told.callback) == ("view_submission", "emoji")
    assert told.inputs["name"]["text"]["value"] == "party"
    assert (told.channel, told.message, told.actions) == (None, None, ())


def test_shortcut_is_read() -> None:
    """Which one, at which message."""
    told = parse(form(SHORTCUT))

    assert (told.type, told.callback) == ("message_action", "make_emoji")
    assert (told.channel, told.message, told.trigger) == ("C1", "1.2", "12.34.abc")


def test_command_is_read() -> None:
    """What was typed, where, by whom."""
    assert parse(urlencode(COMMAND).encode()) == Command(
        name="/emoji",
        text="party & more",
        team="T1",
        user="U1",
        channel="C1",
        trigger="12.34.abc",
        response_url="https://hooks.slack.com/commands/T1/1/secret",
        payload=COMMAND,
    )


@pytest.mark.parametrize(
    "body", [json.dumps(MENTION), form(PRESSED), urlencode(COMMAND)]
)
def test_no_value_shows_what_opens_doors(body: str) -> None:
    """Tokens and addresses to answer at stay out of logs."""
    shown = repr(parse(body))

    assert "verification-token" not in shown
    assert "hooks.slack.com" not in shown
    assert "12.34.abc" not in shown


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"hello",
        b"text=hello",
        b"payload=",
        b"payload=%7B%7D",
        b"payload=5",
        b"payload=%5B%5D",
        b"{}",
        b"{",
        b'{"type": "url_verification"}',
        b'{"type": "event_callback", "event": 5}',
        b"\xff\xfe",
        b'{"a":' * 100_000,
        b"[" * 100_000,
    ],
    ids=lambda body: str(body[:20]),
)
def test_other_requests_are_unreadable(body: bytes) -> None:
    """They are no other error, and the body is not repeated."""
    with pytest.raises(Unreadable, match="not one that Slack sends") as caught:
        parse(body)
    assert "hello" not in str(caught.value)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
NAMES = st.sampled_from(
    [
        *("type", "event", "item", "user", "channel", "view", "state", "values"),
        *("actions", "team", "message", "container", "action_id", "challenge"),
    ]
)


@given(st.dictionaries(NAMES, st.dictionaries(NAMES, JSON) | JSON))
def test_odd_requests_are_read_or_unreadable(told: dict[str, object]) -> None:
    """Nothing else happens, whatever stands where."""
    for body in (json.dumps(told), form(told)):
        try:
            read = parse(body)
        except Unreadable:
            continue
        assert isinstance(read, Challenge | Event | Interaction | Command)


def test_what_is_received_is_verified_first() -> None:
    """Nothing is read that nobody has signed, not even a challenge."""
    body = json.dumps({"type": "url_verification", "challenge": "c"})
    headers = sign(body, secret=SECRET)

    assert receive(body, headers, secret=SECRET) == Challenge("c")
    with pytest.raises(NotFromSlack):
        receive(body + " ", headers, secret=SECRET)
    with pytest.raises(NotFromSlack):
        receive("{", {}, secret=SECRET)


def test_importing_it_brings_nothing_slow() -> None:
    """A function that is started for a request has three seconds for all of it."""
    slow = "{'httpx', 'asyncio', 'pydantic', 'ssl', 'slack_sdk', 'loguru', 'pluggy'}"
    code = f"import sys, pegboard_slack.inbound; print({slow} & sys.modules.keys())"
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )

    assert run.stdout == "set()\n"
