"""The hooks that a plugin may implement. All are optional, synchronous and pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from collections.abc import Sequence

    import click

    from .descriptors import IntegrationProvider, LLMProvider, StorageProvider
    from .observers import Observer

hookspec = pluggy.HookspecMarker("pegboard")
hookimpl = pluggy.HookimplMarker("pegboard")


@hookspec
def pegboard_llm_providers() -> Sequence[LLMProvider]:
    """Return the llm providers on offer. Called when a provider is looked up."""
    return []


@hookspec
def pegboard_storage_providers() -> Sequence[StorageProvider]:
    """Return the storage backends on offer. Called when a provider is looked up."""
    return []


@hookspec
def pegboard_integrations() -> Sequence[IntegrationProvider]:
    """Return the integrations on offer. Called when a provider is looked up."""
    return []


@hookspec
def pegboard_contracts() -> Sequence[str | type]:
    """
    Return new contracts, or where they are: ``"package.module:Name"``.

    Called before this plugin's providers are looked at.
    """
    return []


@hookspec
def pegboard_observers() -> Sequence[Observer]:
    """
    Return objects that are told of every call.

    Called once, if ``plugins.use`` names this plugin or the program itself brings it.
    """
    return []


@hookspec
def pegboard_commands(cli: click.Group) -> None:
    """Add commands to *cli*. Called at its start, if ``plugins.use`` names this."""
