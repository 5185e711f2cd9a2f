"""The workspace of the tests, asked by Slack's own SDK."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from pegboard.testing.slack_wire import TOKEN, Workspace
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

if TYPE_CHECKING:
    from pegboard.testing import FaultServer


@pytest.fixture
def client(server: FaultServer) -> WebClient:
    """Return the SDK's client, which blocks."""
    return WebClient(token=TOKEN, base_url=f"{server.url}/api/", retry_handlers=[])


async def test_sdk_understands_the_workspace(
    client: WebClient, workspace: Workspace
) -> None:
    """It sends some methods JSON, others a form, and uploads in three steps."""

    def work() -> None:
        told = client.chat_postMessage(channel="#ops", text="Hi", blocks=[])
        place = {"channel": told["channel"], "ts": told["ts"]}
        client.chat_update(**place, text="Ho")
        react = {"channel": told["channel"], "timestamp": told["ts"], "name": "eyes"}
        client.reactions_add(**react)
        client.files_upload_v2(
            channel=told["channel"], content=b"abc", filename="a.txt"
        )
        client.views_open(trigger_id="1", view={"type": "modal"})
        assert client.auth_test()["team"] == "Workshop"

    await asyncio.to_thread(work)
    text, file = workspace.messages

    assert (text.text, text.reactions) == ("Ho", {"eyes"})
    assert file.files == {"a.txt": b"abc"}
    assert workspace.modals == [{"type": "modal"}]


@pytest.mark.parametrize(
    ("method", "fields", "code"),
    [
        ("chat.postMessage", {"channel": "#nowhere", "text": "x"}, "channel_not_found"),
        ("chat.postMessage", {"channel": "#ops"}, "no_text"),
        ("chat.update", {"channel": "C0000000001", "ts": "1.1"}, "message_not_found"),
        ("chat.update", {"channel": "#ops", "ts": "1.1"}, "channel_not_found"),
        ("chat.meMessage", {}, "unknown_method"),
    ],
)
async def test_sdk_understands_refusals(
    client: WebClient, method: str, fields: dict[str, str], code: str
) -> None:
    """They have a code."""
    with pytest.raises(SlackApiError) as caught:
        await asyncio.to_thread(client.api_call, method, data=fields)

    assert caught.value.response["error"] == code


@pytest.mark.parametrize(
    ("token", "code"), [(None, "not_authed"), ("xoxb-2", "invalid_auth")]
)
async def test_stranger_is_refused(
    server: FaultServer, token: str | None, code: str
) -> None:
    """Who has no token, or another one."""
    client = WebClient(token=token, base_url=f"{server.url}/api/")

    with pytest.raises(SlackApiError) as caught:
        await asyncio.to_thread(client.auth_test)
    assert caught.value.response["error"] == code
