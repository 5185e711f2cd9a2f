"""What pegboard-slack offers: a Slack workspace to post to."""

from __future__ import annotations

from pegboard import IntegrationProvider, hookimpl


@hookimpl
def pegboard_integrations() -> list[IntegrationProvider]:
    """Return the one provider."""
    return [
        IntegrationProvider(
            name="slack",
            factory="pegboard_slack._workspace:SlackWorkspace",
            options="pegboard_slack.options:SlackOptions",
            contracts={"Messenger": 1, "Slack": 1},
            install="pegboard-slack",
            env={"token": ("SLACK_BOT_TOKEN",)},
            summary="messages, reactions, files and dialogs in Slack",
        )
    ]


@hookimpl
def pegboard_contracts() -> list[str]:
    """Say where the contract is that only Slack keeps."""
    return ["pegboard_slack.contract:Slack"]
