"""
Prove that a provider keeps the contract of Slack.

    from pegboard_slack.testing import SlackContract


    class TestBridge(SlackContract):
        @pytest.fixture
        def settings(self, server):
            return {"provider": "bridge", "url": server.url}

        @pytest.fixture
        def workspace(self, server):
            return server.workspace

The fixture ``settings`` returns what stands in the settings of an instance, and
``workspace`` what people see, as ``pegboard.testing.slack_wire.Workspace`` has it.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
from pegboard import Messenger, Pegboard, Posted
from pegboard.errors import CallError, InvalidRequest, NotFound
from pegboard.testing import StandardTests

from .contract import Slack

if TYPE_CHECKING:
    from pegboard.testing.slack_wire import Workspace

DIVIDER = {"type": "divider"}
SECTION = {"type": "section", "text": {"type": "mrkdwn", "text": "*Hello* <@U1>"}}
MODAL = {"type": "modal", "title": {"type": "plain_text", "text": "Name?"}}
MISSING = "C0000000404"
LIMIT = 1000


@pytest.mark.asyncio
class SlackContract(StandardTests):
    """What every Slack must do. Inherit it; give ``settings`` and ``workspace``."""

    @pytest.fixture
    def plugins(self) -> Iterable[object]:
        """Return plugins to use that are not installed."""
        return ()

    @pytest_asyncio.fixture
    async def board(
        self, settings: dict[str, Any], plugins: Iterable[object]
    ) -> AsyncGenerator[Pegboard]:
        """Return a board with the workspace, where files may have 1000 bytes."""
        kit = {**settings, "max_upload_bytes": LIMIT}
        layers = {"integrations": {"kit": kit}}
        async with Pegboard.isolated(layers, plugins=plugins) as board:
            yield board

    @pytest.fixture
    def slack(self, board: Pegboard) -> Slack:
        """Return the workspace."""
        return board.integration("kit", Slack)

    @pytest_asyncio.fixture
    async def first(self, board: Pegboard, workspace: Workspace) -> Posted:
        """Return a message that is there."""
        assert workspace.messages == []
        return await board.integration("kit", Messenger).post_message("#ops", "first")

    async def test_blocks_are_shown(self, slack: Slack, workspace: Workspace) -> None:
        """Blocks arrive as they are, with a text for where they cannot be shown."""
        posted = await slack.post_blocks("#ops", [SECTION, DIVIDER], text="a < b")
        (message,) = workspace.messages

        assert (message.channel, message.id) == (posted.channel, posted.id)
        assert message.blocks == [SECTION, DIVIDER]
        assert message.shown == "a < b"

    async def test_a_reply_is_in_the_thread(
        self, slack: Slack, first: Posted, workspace: Workspace
    ) -> None:
        """It names the message that the thread is about."""
        reply = await slack.reply(first.channel, first.id, "a < b", blocks=[DIVIDER])
        message = workspace.messages[-1]

        assert (message.id, message.thread) == (reply.id, first.id)
        assert (message.shown, message.blocks) == ("a < b", [DIVIDER])

    async def test_an_update_replaces_all(
        self, slack: Slack, workspace: Workspace
    ) -> None:
        """Neither the text nor the blocks of before are left."""
        posted = await slack.post_blocks("#ops", [DIVIDER], text="before")
        updated = await slack.update_message(posted.channel, posted.id, "a < b")
        (message,) = workspace.messages

        assert updated == posted
        assert (message.shown, message.blocks) == ("a < b", [])

    async def test_an_update_may_show_blocks(
        self, slack: Slack, first: Posted, workspace: Workspace
    ) -> None:
        """What was a text can become blocks."""
        await slack.update_message(first.channel, first.id, "new", blocks=[DIVIDER])

        assert workspace.messages[0].blocks == [DIVIDER]

    async def test_a_reaction_comes_and_goes(
        self, slack: Slack, first: Posted, workspace: Workspace
    ) -> None:
        """It does not matter whether it is there already, nor how it is spelled."""
        for spelling in ("eyes", ":eyes:"):
            await slack.add_reaction(first.channel, first.id, spelling)
            assert workspace.messages[0].reactions == {"eyes"}
        for spelling in ("eyes", ":eyes:"):
            await slack.remove_reaction(first.channel, first.id, spelling)
            assert workspace.messages[0].reactions == set()

    async def test_a_file_is_shown(
        self, slack: Slack, first: Posted, workspace: Workspace
    ) -> None:
        """Its bytes arrive as they are, with what is said about it, in the thread."""
        content = bytes(range(256))
        file = await slack.upload_file(
            first.channel, "b.bin", content, title="B", comment="<&>", thread=first.id
        )
        message = workspace.messages[-1]

        assert (file.name, bool(file.id)) == ("b.bin", True)
        assert message.files == {"B": content}
        assert (message.shown, message.thread) == ("<&>", first.id)

    async def test_a_file_of_the_most_bytes_is_shown(
        self, slack: Slack, first: Posted, workspace: Workspace
    ) -> None:
        """The limit is what may just be; the title is the name, if there is none."""
        await slack.upload_file(first.channel, "b.bin", bytes(LIMIT))

        assert workspace.messages[-1].files == {"b.bin": bytes(LIMIT)}

    async def test_a_file_beyond_the_limit_is_refused(
        self, slack: Slack, first: Posted, workspace: Workspace
    ) -> None:
        """The error says both sizes, and nothing is sent."""
        with pytest.raises(InvalidRequest, match=r"1001 bytes.* 1000 ") as caught:
            await slack.upload_file(first.channel, "b.bin", bytes(LIMIT + 1))

        assert caught.value.request_sent == "no"
        assert len(workspace.messages) == 1

    async def test_a_dialog_opens_once(
        self, slack: Slack, workspace: Workspace
    ) -> None:
        """What opens it is used up then."""
        opened = await slack.open_modal("trigger-1", MODAL)

        assert opened.id
        assert workspace.modals == [MODAL]
        with pytest.raises(CallError):
            await slack.open_modal("trigger-1", MODAL)
        assert workspace.modals == [MODAL]

    async def test_what_is_not_there_is_not_found(
        self, slack: Slack, first: Posted
    ) -> None:
        """The error names the channel, where there is none of that name."""
        calls = (
            partial(slack.post_blocks, MISSING, [DIVIDER], text="x"),
            partial(slack.reply, MISSING, first.id, "x"),
            partial(slack.update_message, MISSING, first.id, "x"),
            partial(slack.add_reaction, MISSING, first.id, "eyes"),
            partial(slack.remove_reaction, MISSING, first.id, "eyes"),
            partial(slack.upload_file, MISSING, "a.txt", b"x"),
        )
        for call in calls:
            with pytest.raises(NotFound, match=MISSING):
                await call()

    async def test_a_message_that_is_not_there_is_not_found(
        self, slack: Slack, first: Posted
    ) -> None:
        """The channel exists, but the message does not."""
        for call in (
            partial(slack.update_message, first.channel, "1.1", "x"),
            partial(slack.add_reaction, first.channel, "1.1", "eyes"),
        ):
            with pytest.raises(NotFound):
                await call()
