"""Requests of Slack, taken by the application for webhooks."""

from __future__ import annotations

import json
from functools import partial

import httpx
import pytest
from pegboard import KeyValue, Pegboard
from pegboard.webhook_app import WebhookApp
from pegboard_slack.inbound import Challenge, receive, sign

SECRET = "8f742231b10e8888abcd99yyyzzz85a5"
EVENT = {
    "type": "event_callback",
    "event_id": "Ev1",
    "event": {"type": "app_mention", "user": "U1", "channel": "C1", "ts": "1.2"},
}


@pytest.fixture
def handled():
    """Return what was handled."""
    return []


@pytest.fixture
async def post(handled):
    """Return what posts a body to an application that remembers ids."""

    async def handle(request):
        handled.append(request)
        return request.text if isinstance(request, Challenge) else None

    settings = {"storage": {"hooks": {"provider": "memory"}}}
    async with Pegboard.isolated(settings) as board:
        seen = board.storage("hooks", KeyValue)
        app = WebhookApp(partial(receive, secret=SECRET), handle, seen=seen)
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(
            transport=transport, base_url="http://x"
        ) as client:

            async def post(body, headers=None):
                signed = sign(body, secret=SECRET) if headers is None else headers
                return await client.post("http://x/", content=body, headers=signed)

            yield post


async def test_challenge_is_answered(post):
    """With its text."""
    answer = await post(json.dumps({"type": "url_verification", "challenge": "c"}))

    assert (answer.status_code, answer.text) == (200, "c")


async def test_what_slack_sends_again_is_handled_once(post, handled):
    """As it does when no answer came in three seconds."""
    answers = [await post(json.dumps(EVENT)) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [200, 200]
    assert len(handled) == 1


async def test_what_has_no_id_is_handled_each_time(post, handled):
    """Two slash commands are two."""
    for _ in range(2):
        await post("command=%2Fdeploy&text=now&user_id=U1")

    assert len(handled) == 2


@pytest.mark.parametrize(
    ("body", "headers", "status"), [("{}", {}, 401), ("hello", None, 400)]
)
async def test_others_are_turned_away(post, handled, body, headers, status):
    """Those of somebody else, and those that are none of Slack's."""
    assert (await post(body, headers)).status_code == status
    assert handled == []
