"""What pegboard-phoenix offers: Phoenix as a place where traces go."""

from __future__ import annotations

from pegboard import IntegrationProvider, hookimpl


@hookimpl
def pegboard_integrations() -> list[IntegrationProvider]:
    """Return the one provider."""
    return [
        IntegrationProvider(
            name="phoenix",
            factory="pegboard_phoenix._phoenix:Phoenix",
            options="pegboard_phoenix.options:PhoenixOptions",
            contracts={"Tracing": 1},
            external=False,
            install="pegboard-phoenix",
            env={
                "endpoint": ("PHOENIX_COLLECTOR_ENDPOINT",),
                "api_key": ("PHOENIX_API_KEY",),
                "project": ("PHOENIX_PROJECT_NAME",),
            },
            summary="traces of calls in Arize Phoenix",
        )
    ]
