"""
Workspaces that each break one promise, and the kit run against them.

Not collected by itself: ``test_slack_kit.py`` runs it and looks at what fails.
"""

# ruff: noqa: ARG002 - what a broken method leaves out is why it is broken

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import pytest
from pegboard import IntegrationProvider, Posted, hookimpl
from pegboard.errors import CallError, InvalidRequest, NotFound
from pegboard.testing import FaultServer
from pegboard.testing.slack_wire import TOKEN, Workspace
from pegboard_slack._workspace import SlackWorkspace
from pegboard_slack.contract import Modal, SharedFile
from pegboard_slack.options import SlackOptions
from pegboard_slack.testing import SlackContract

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

NOT_THERE = (
    "test_what_is_not_there_is_not_found",
    "test_a_message_that_is_not_there_is_not_found",
)


class Sound(SlackWorkspace):
    """A workspace that keeps every promise."""

    caught_by: ClassVar[tuple[str, ...]] = ()
    """The tests that have to fail."""


class LosesBlocks(Sound):
    caught_by = ("test_blocks_are_shown",)

    async def post_blocks(self, channel, blocks, *, text):
        return await self.post_message(channel, text)


class LosesTheText(Sound):
    caught_by = ("test_blocks_are_shown",)

    async def post_blocks(self, channel, blocks, *, text):
        return await super().post_blocks(channel, blocks, text="")


class AnswersInTheChannel(Sound):
    caught_by = ("test_a_reply_is_in_the_thread",)

    async def reply(self, channel, thread, text, *, blocks=(), broadcast=False):
        return await self._post(channel, text, blocks=list(blocks))


class LosesBlocksOfReplies(Sound):
    caught_by = ("test_a_reply_is_in_the_thread",)

    async def reply(self, channel, thread, text, *, blocks=(), broadcast=False):
        return await super().reply(channel, thread, text, broadcast=broadcast)


class KeepsOldBlocks(Sound):
    caught_by = ("test_an_update_replaces_all",)

    async def update_message(self, channel, message, text, *, blocks=()):
        told = await self._connection.call(
            "chat.update",
            channel=channel,
            ts=message,
            text=self._shown(text),
            blocks=list(blocks) or None,
        )
        return Posted(told["channel"], told["ts"])


class UpdatesTextsOnly(Sound):
    caught_by = ("test_an_update_may_show_blocks",)

    async def update_message(self, channel, message, text, *, blocks=()):
        return await super().update_message(channel, message, text)


class PostsAnew(Sound):
    caught_by = ("test_an_update_replaces_all",)

    async def update_message(self, channel, message, text, *, blocks=()):
        return await self.post_message(channel, text)


class MindsOldReactions(Sound):
    caught_by = ("test_a_reaction_comes_and_goes",)

    async def add_reaction(self, channel, message, emoji):
        await self._react("reactions.add", "", channel, message, emoji)


class MindsMissingReactions(Sound):
    caught_by = ("test_a_reaction_comes_and_goes",)

    async def remove_reaction(self, channel, message, emoji):
        await self._react("reactions.remove", "", channel, message, emoji)


class MindsNothing(Sound):
    caught_by = NOT_THERE

    async def add_reaction(self, channel, message, emoji):
        try:
            await super().add_reaction(channel, message, emoji)
        except CallError:
            return


class KeepsColons(Sound):
    caught_by = ("test_a_reaction_comes_and_goes",)

    async def _react(self, method, done, channel, message, emoji):
        await self._connection.call(
            method, channel=channel, timestamp=message, name=emoji
        )


class SharesNothing(Sound):
    caught_by = ("test_a_file_is_shown",)

    async def upload_file(self, channel, name, content, **_more):
        return SharedFile("F1", name)


class ReadsFilesAsText(Sound):
    caught_by = ("test_a_file_is_shown",)

    async def upload_file(self, channel, name, content, **more):
        text = content.decode(errors="replace").encode()
        return await super().upload_file(channel, name, text, **more)


class ForgetsTheThreadOfFiles(Sound):
    caught_by = ("test_a_file_is_shown",)

    async def upload_file(self, channel, name, content, *, thread=None, **more):
        return await super().upload_file(channel, name, content, **more)


class ForgetsTitles(Sound):
    caught_by = ("test_a_file_is_shown",)

    async def upload_file(self, channel, name, content, *, title=None, **more):
        return await super().upload_file(channel, name, content, **more)


class TitlesAreNeeded(Sound):
    caught_by = ("test_a_file_of_the_most_bytes_is_shown",)

    async def upload_file(self, channel, name, content, *, title="file", **more):
        return await super().upload_file(channel, name, content, title=title, **more)


class LimitIsOneLess(Sound):
    caught_by = ("test_a_file_of_the_most_bytes_is_shown",)

    def _check_size(self, name, content):
        super()._check_size(name, content + b"x")


class KnowsNoLimit(Sound):
    caught_by = ("test_a_file_beyond_the_limit_is_refused",)

    def _check_size(self, name, content):
        pass


class MayHaveSentTooMuch(Sound):
    caught_by = ("test_a_file_beyond_the_limit_is_refused",)

    def _check_size(self, name, content):
        try:
            super()._check_size(name, content)
        except InvalidRequest as error:
            raise InvalidRequest(error.message) from error


class OpensNothing(Sound):
    caught_by = ("test_a_dialog_opens_once",)

    async def open_modal(self, trigger, view):
        return Modal("V1")


class OpensAgain(Sound):
    caught_by = ("test_a_dialog_opens_once",)

    async def open_modal(self, trigger, view):
        try:
            return await super().open_modal(trigger, view)
        except CallError:
            return await super().open_modal(trigger + "x", view)


class NamesNoChannel(Sound):
    caught_by = ("test_what_is_not_there_is_not_found",)

    async def reply(self, channel, thread, text, *, blocks=(), broadcast=False):
        try:
            return await super().reply(channel, thread, text)
        except NotFound as error:
            msg = "channel_not_found"
            raise NotFound(msg) from error


class Offer:
    """A plugin that offers one workspace."""

    def __init__(self, workspace):
        self.workspace = workspace

    @hookimpl
    def pegboard_integrations(self):
        """Offer the workspace under a name of its own."""
        return [
            IntegrationProvider(
                name="sample",
                factory=self.workspace,
                options=SlackOptions,
                contracts={"Messenger": 1, "Slack": 1},
            )
        ]

    @hookimpl
    def pegboard_contracts(self):
        """Bring the contract."""
        return ["pegboard_slack.contract:Slack"]


class Kit(SlackContract):
    """The kit, for one of the workspaces."""

    __test__ = False
    workspace_class: ClassVar[type[Sound]]

    @pytest.fixture
    def plugins(self):
        """Return what offers the workspace."""
        return [Offer(self.workspace_class)]

    @pytest.fixture
    def workspace(self) -> Workspace:
        """Return a workspace in which nothing was said."""
        return Workspace()

    @pytest.fixture
    async def settings(self, workspace) -> AsyncIterator[dict[str, str]]:
        """Return settings that name the workspace."""
        async with FaultServer(otherwise=workspace) as server:
            place = {"token": TOKEN, "base_url": server.url}
            yield {"provider": "sample", **place}


WORKSPACES = [
    kind
    for kind in [*vars().values()]
    if isinstance(kind, type) and issubclass(kind, Sound)
]
globals().update(
    {
        f"Test{workspace.__name__}": type(
            f"Test{workspace.__name__}",
            (Kit,),
            {"workspace_class": workspace, "__test__": True},
        )
        for workspace in WORKSPACES
    }
)
