from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from pegboard.testing import MessengerContract
from pegboard_slack.testing import SlackContract

if TYPE_CHECKING:
    from collections.abc import Callable

    from pegboard.testing.slack_wire import Workspace


class TestSlackAsMessenger(MessengerContract):
    @pytest.fixture
    def read(self, workspace: Workspace) -> Callable[[], str]:
        """Return what reads the screen."""
        return workspace.shown


class TestSlack(SlackContract):
    """At the workspace of the tests."""
