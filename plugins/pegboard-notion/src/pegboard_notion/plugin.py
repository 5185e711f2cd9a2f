"""What pegboard-notion offers: a Notion workspace to read and to write."""

from __future__ import annotations

from pegboard import IntegrationProvider, hookimpl


@hookimpl
def pegboard_integrations() -> list[IntegrationProvider]:
    """Return the one provider."""
    return [
        IntegrationProvider(
            name="notion",
            factory="pegboard_notion._workspace:NotionWorkspace",
            options="pegboard_notion.options:NotionOptions",
            contracts={"Notion": 1},
            install="pegboard-notion",
            # On average; the service lets short bursts pass, and so does the limiter.
            defaults={"policy": {"requests_per_minute": 180}},
            env={"token": ("NOTION_TOKEN", "NOTION_API_KEY")},
            summary="pages and databases of Notion",
        )
    ]


@hookimpl
def pegboard_contracts() -> list[str]:
    """Say where the contract is that only Notion keeps."""
    return ["pegboard_notion.contract:Notion"]
