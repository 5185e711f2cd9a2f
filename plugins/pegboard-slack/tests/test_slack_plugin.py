from __future__ import annotations

import asyncio
import inspect
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import pytest
from pegboard import Messenger, Pegboard, sync
from pegboard.contracts.declare import contract_info
from pegboard.errors import CallError, InvalidRequest, SettingsError
from pegboard.testing import FaultServer, Scripted
from pegboard.testing.slack_wire import TOKEN, Workspace, error
from pegboard_slack.contract import Slack
from pegboard_slack.sync import Slack as BlockingSlack

if TYPE_CHECKING:
    from .conftest import OpenBoard

CHANNEL = "C0000000001"


def problem(**options: object) -> str:
    """Return what is wrong with these settings."""
    section = {"provider": "slack", **options}
    with pytest.raises(SettingsError) as caught:
        Pegboard.isolated({"integrations": {"alerts": section}}).integration(
            "alerts", Messenger
        )
    return str(caught.value)


async def test_token_may_be_in_the_usual_variable(
    server: FaultServer,
    workspace: Workspace,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path,
) -> None:
    """As Slack's own tools have it."""
    monkeypatch.setenv("SLACK_BOT_TOKEN", TOKEN)
    section = {"provider": "slack", "base_url": server.url}
    async with Pegboard({"integrations": {"x": section}}, folder=tmp_path) as board:
        await board.integration("x", Messenger).post_message("#ops", "Hello.")

    assert workspace.shown() == "Hello."


def test_token_is_needed() -> None:
    """Without one, the error says which option and which variable to set."""
    assert "integrations.alerts.token" in problem()


@pytest.mark.parametrize("token", ["", "xoxb-1\n", "xoxb 1", "xoxb-\u00e9", "\x00"])
def test_token_that_fits_no_header_is_refused(token: str) -> None:
    """A line break that was copied along is found at once, and not shown."""
    told = problem(token=token)

    assert "is empty, or has spaces or line breaks in it" in told
    assert "xoxb" not in told


@pytest.mark.parametrize("place", ["slack.com/api", "ftp://slack.com", "https://", ""])
def test_base_url_is_one(place: str) -> None:
    """It begins with http or https."""
    assert "integrations.alerts.base_url" in problem(token="x", base_url=place)


async def test_health_says_who_posts(open_board: OpenBoard) -> None:
    """A call that changes nothing shows that the token is good."""
    (health,) = (await open_board().health()).values()

    assert (health.status, health.reason) == ("up", "posts as pegboard to Workshop")


async def test_health_says_what_is_wrong(open_board: OpenBoard) -> None:
    """A bad token is found before the first alert."""
    (health,) = (await open_board(token="xoxb-old").health()).values()

    assert health.status == "down"
    assert "invalid_auth. Check token." in health.reason


async def test_texts_may_be_markup(open_board: OpenBoard, workspace: Workspace) -> None:
    """Who asks for it can call people, and link words."""
    board = open_board(escape=False)
    await board.integration("alerts", Messenger).post_message("#ops", "<!channel> a&b")

    assert workspace.messages[0].text == "<!channel> a&b"


async def test_text_that_would_be_cut_is_refused(
    open_board: OpenBoard, server: FaultServer, workspace: Workspace
) -> None:
    """What counts is what is sent: an ampersand has five characters there."""
    alerts = open_board().integration("alerts", Messenger)
    await alerts.post_message("#ops", "x" * 40_000)
    await alerts.post_message("#ops", "&" * 8_000)
    for text in ("x" * 40_001, "&" * 8_001):
        with pytest.raises(InvalidRequest, match="Slack would show 40000") as caught:
            await alerts.post_message("#ops", text)
        assert caught.value.request_sent == "no"

    assert len(server.requests) == len(workspace.messages) == 2


async def test_empty_text_is_refused_by_slack(open_board: OpenBoard) -> None:
    """There is nothing to show."""
    with pytest.raises(InvalidRequest, match="no_text"):
        await open_board().integration("alerts", Messenger).post_message("#ops", "")


async def test_token_goes_to_slack_and_nowhere_else(
    open_board: OpenBoard, server: FaultServer
) -> None:
    """The place for a file is another server: it has no business with the token."""
    await open_board().integration("alerts", Slack).upload_file(CHANNEL, "a", b"x")
    proofs = {
        request.path.rpartition("/")[2][:5]: request.headers.get("authorization")
        for request in server.requests
    }

    bearer = f"Bearer {TOKEN}"
    assert proofs == {"files": bearer, "F0000": None}


async def test_nobody_is_followed_elsewhere(
    open_board: OpenBoard, server: FaultServer
) -> None:
    """A redirection would hand over the message, if not the token."""
    headers = {"location": f"{server.url}/api/elsewhere"}
    server.respond(Scripted(status=307, headers=headers))
    board = open_board(policy={"attempts": 1})

    with pytest.raises(CallError, match="status 307"):
        await board.integration("alerts", Messenger).post_message("#ops", "Hello.")
    assert len(server.requests) == 1


@pytest.mark.parametrize(("broadcast", "sent"), [(True, ["true"]), (False, None)])
async def test_reply_may_be_shown_in_the_channel_too(
    open_board: OpenBoard,
    server: FaultServer,
    broadcast: bool,  # noqa: FBT001
    sent: list[str] | None,
) -> None:
    """It is not, unless it is said."""
    slack = open_board().integration("alerts", Slack)
    posted = await slack.post_blocks(CHANNEL, [{"type": "divider"}], text="x")
    await slack.reply(CHANNEL, posted.id, "y", broadcast=broadcast)

    form = parse_qs(server.requests[-1].body.decode())
    assert form.get("reply_broadcast") == sent


async def test_operations_can_be_called_by_name(
    open_board: OpenBoard, workspace: Workspace
) -> None:
    """With JSON, as a shell or a model does."""
    board = open_board()
    blocks = [{"type": "divider"}]
    arguments: dict[str, Any] = {"channel": "#ops", "blocks": blocks, "text": "x"}
    posted = await board.call("alerts.post_blocks", arguments)
    arguments = {"channel": posted["channel"], "message": posted["id"], "emoji": "eyes"}
    await board.call("alerts.add_reaction", arguments)

    assert workspace.messages[0].blocks == blocks
    assert workspace.messages[0].reactions == {"eyes"}


def test_models_get_what_they_can_use(settings: dict[str, object]) -> None:
    """A dialog needs somebody who has just pressed something."""
    board = Pegboard.isolated({"integrations": {"alerts": settings}})

    assert {tool.name.removeprefix("alerts-") for tool in board.tools("alerts")} == {
        "post_message",
        "post_blocks",
        "reply",
        "update_message",
        "add_reaction",
        "remove_reaction",
        "upload_file",
    }


async def test_programs_may_be_without_async(
    settings: dict[str, object], workspace: Workspace
) -> None:
    """The blocking board has the same operations."""

    def post() -> None:
        layers = {"integrations": {"alerts": settings}}
        with sync.Pegboard.isolated(layers) as board:
            alerts = board.integration("alerts", sync.Messenger)
            posted = alerts.post_message("#ops", "Hello.")
            slack = board.integration("alerts", BlockingSlack)
            slack.add_reaction(posted.channel, posted.id, "eyes")

    await asyncio.to_thread(post)

    assert workspace.shown() == "Hello."
    assert workspace.messages[0].reactions == {"eyes"}


def test_blocking_twin_is_whole() -> None:
    """It has every operation with its signature."""
    for name in contract_info(Slack).operations:
        expected = inspect.signature(getattr(Slack, name)).parameters
        assert [*inspect.signature(getattr(BlockingSlack, name)).parameters] == [
            *expected
        ]


async def test_alerts_are_posted(
    settings: dict[str, object], workspace: Workspace
) -> None:
    """A breaker that opens is told to people in Slack."""
    failing = {"provider": "fake", "failures": ["Unavailable"]}
    policy = {"attempts": 1, "breaker": {"failures": 1}}
    layers = {
        "llm": {"default": {**failing, "policy": policy}},
        "integrations": {"ops": settings},
        "alerts": {"to": "ops", "channel": "#ops", "on": ["breaker_open"]},
    }
    async with Pegboard.isolated(layers) as board:
        with pytest.raises(CallError):
            await board.llm().complete("Hello.")

    assert "llm.default: the circuit breaker has opened" in workspace.shown()


async def test_odd_place_for_a_file_is_no_crash(
    open_board: OpenBoard, server: FaultServer
) -> None:
    """Whatever address Slack gives, it is an error of pegboard."""
    place = {"ok": True, "file_id": "F1", "upload_url": "http://[::1/nowhere"}
    server.respond(Scripted.json(place))
    board = open_board(policy={"attempts": 1})

    with pytest.raises(CallError, match="InvalidURL") as caught:
        await board.integration("alerts", Slack).upload_file(CHANNEL, "a", b"x")
    assert caught.value.request_sent == "no"


async def test_dialog_that_slack_does_not_name_is_invalid(
    open_board: OpenBoard, server: FaultServer
) -> None:
    """It is open, but there is no name to return."""
    slack = open_board(policy={"attempts": 1}).integration("alerts", Slack)
    for told in ({}, {"view": None}, {"view": {"id": 5}}):
        server.respond(Scripted.json({"ok": True, **told}))
        with pytest.raises(CallError, match="did not say its id"):
            await slack.open_modal("t", {"type": "modal"})


@pytest.mark.parametrize("code", ["expired_trigger_id", "trigger_expired"])
async def test_late_dialog_is_explained(
    open_board: OpenBoard, server: FaultServer, code: str
) -> None:
    """Three seconds are soon over."""
    server.respond(Scripted.json(error(code)))

    with pytest.raises(InvalidRequest, match="good for three seconds"):
        await open_board().integration("alerts", Slack).open_modal("t", {})
