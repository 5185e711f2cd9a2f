"""The contract of Slack, for programs without async."""

from __future__ import annotations

from pegboard.sync import Blocking, blocking, twin_of

from . import contract


@twin_of(contract.Slack)
class Slack(Blocking):
    """A Slack workspace; see ``pegboard_slack.contract.Slack``."""

    post_blocks = blocking(contract.Slack.post_blocks)
    reply = blocking(contract.Slack.reply)
    update_message = blocking(contract.Slack.update_message)
    add_reaction = blocking(contract.Slack.add_reaction)
    remove_reaction = blocking(contract.Slack.remove_reaction)
    upload_file = blocking(contract.Slack.upload_file)
    open_modal = blocking(contract.Slack.open_modal)
