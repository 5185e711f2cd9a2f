"""The group of all commands: those of plugins, and errors as messages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from pegboard.errors import PegboardError, PluginError

from ._place import Place

if TYPE_CHECKING:
    from collections.abc import Iterator

INTERRUPTED = 130
"""What a shell expects of a command that Ctrl-C ended."""
ADDED = "pegboard.cli.added"


class Commands(click.Group):
    """
    The commands of pegboard, and those of the plugins that ``plugins.use`` names.

    Plugins are looked at only for ``--help`` and for a command not known otherwise.
    """

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands."""
        return [*self.commands, *sorted(self._added(ctx))]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command of that name, if there is one."""
        return self.commands.get(cmd_name) or self._added(ctx).get(cmd_name)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; what pegboard raises becomes a message and exit code 1."""
        try:
            return super().invoke(ctx)
        except PegboardError as error:
            raise click.ClickException(str(error)) from error
        except KeyboardInterrupt:
            ctx.exit(INTERRUPTED)

    def _added(self, context: click.Context) -> dict[str, click.Command]:
        if ADDED not in context.meta:
            context.meta[ADDED] = self._from_plugins(context)
        added: dict[str, click.Command] = context.meta[ADDED]
        return added

    def _from_plugins(self, context: click.Context) -> dict[str, click.Command]:
        place = Place(context.params.get("folder"), context.params.get("profile"))
        found: dict[str, click.Command] = {}
        try:
            for plugin, name, command in _of_plugins(place):
                if name in self.commands or name in found:
                    _warn(f"{plugin} adds a command {name!r}, which exists already.")
                else:
                    found[name] = command
        except PegboardError as error:
            _warn(f"The commands of plugins are missing. {error}")
        return found


def _of_plugins(place: Place) -> Iterator[tuple[str, str, click.Command]]:
    """
    Yield plugin, name and command. A broken plugin is told and left out.

    Raises:
        PegboardError: The settings are wrong, so that it is unknown which are used.

    """
    if not place.mentions_plugins():
        return
    from pegboard._plugins.registry import Registry  # noqa: PLC0415 - rarely needed

    rules = place.settings().top.plugins
    registry = Registry(allow=rules.allow, deny=rules.deny)
    for plugin in rules.use:
        own = click.Group()
        try:
            registry.used([plugin])[0].hook.pegboard_commands(cli=own)
        except PluginError as error:
            _warn(str(error))
        except Exception as error:  # noqa: BLE001 - the others' commands must still work
            _warn(f"{plugin} cannot add commands: {type(error).__name__}: {error}")
        else:
            yield from ((plugin, name, found) for name, found in own.commands.items())


def _warn(message: str) -> None:
    click.echo(f"Warning: {message}", err=True)
