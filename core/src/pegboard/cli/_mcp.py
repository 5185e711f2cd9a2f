"""``pegboard mcp``: operations as tools for programs that speak MCP."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

import click

from pegboard import __version__
from pegboard._models.toolbox import Toolbox, ToolUse
from pegboard._observers.activities import Activities
from pegboard.contracts.chat import ToolCall
from pegboard.errors import PluginError

try:
    import uvicorn
    from mcp import types
    from mcp.server.lowlevel import Server
    from mcp.server.stdio import stdio_server
except ImportError as error:
    _msg = (
        f"pegboard mcp needs its SDK: {error}. Install it: pip install 'pegboard[mcp]'."
    )
    raise PluginError(_msg) from error

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from mcp.server import ServerRequestContext
    from mcp.types import CallToolRequestParams, PaginatedRequestParams

    from pegboard.contracts.chat import Tool

    from ._place import Place

PARALLEL = 8
"""Calls that are made at once."""
LEAVING = 2
"""Seconds that connections have to end after Ctrl-C."""


def run(place: Place, names: Sequence[str], port: int | None) -> None:
    """Serve the operations that *names* name: over HTTP if there is a *port*."""
    if not names:
        msg = "Name integrations: --integrations alerts,pages."
        raise click.UsageError(msg)
    asyncio.run(_run(place, names, port))
    if port is not None:
        # Only Ctrl-C ends it. asyncio tells only if the signal meets an await.
        raise KeyboardInterrupt


async def _run(place: Place, names: Sequence[str], port: int | None) -> None:
    async with place.board() as board:
        secrets = board._instances.secrets  # noqa: SLF001 - the board's own command
        server = make_server(board.tools(*names), secrets)
        if port is None:
            await _over_stdio(server)
        else:
            await _over_http(server, port)


def make_server(tools: Sequence[Tool], secrets: Callable[[], Iterable[str]]) -> Server:
    """Return an MCP server of *tools*, which tells of failures without *secrets*."""
    toolbox = Toolbox(
        tools,
        parallel=PARALLEL,
        activities=Activities((), "mcp", "mcp"),  # the SDK makes a span of each call
        secrets=secrets,
        tell=_nothing,
    )
    listed = types.ListToolsResult(tools=[*map(_described, tools)])

    async def list_tools(
        _context: ServerRequestContext, _asked: PaginatedRequestParams | None
    ) -> types.ListToolsResult:
        return listed

    async def call_tool(
        _context: ServerRequestContext, asked: CallToolRequestParams
    ) -> types.CallToolResult:
        (use,) = await toolbox.use([ToolCall("", asked.name, asked.arguments or {})])
        return _told(use)

    return Server(
        "pegboard",
        version=__version__,
        on_list_tools=list_tools,
        on_call_tool=call_tool,
    )


def _described(tool: Tool) -> types.Tool:
    return types.Tool(
        name=tool.name,
        description=tool.description,
        input_schema=dict(tool.parameters),
    )


def _told(use: ToolUse) -> types.CallToolResult:
    text = types.TextContent(type="text", text=use.result.content)
    return types.CallToolResult(content=[text], is_error=use.result.is_error)


async def _over_stdio(server: Server) -> None:
    async with stdio_server() as (read, write):
        await server.run(read, write, server.create_initialization_options())


async def _over_http(server: Server, port: int) -> None:
    """Serve on this machine only: MCP over HTTP asks nobody who they are."""
    config = uvicorn.Config(
        server.streamable_http_app(),
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=LEAVING,
    )
    with _listening(port) as listening:
        announced = Announced(config)
        await announced.serve(sockets=[listening])
    if not announced.started:
        msg = "The MCP server did not start."
        raise click.ClickException(msg)


def _listening(port: int) -> socket.socket:
    try:
        return socket.create_server(("127.0.0.1", port))
    except OSError as error:
        msg = f"Nothing can listen on port {port}: {error.strerror}."
        raise click.ClickException(msg) from error


class Announced(uvicorn.Server):
    """Says where it listens, once Ctrl-C would end it properly."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to serve."""
        await super().startup(sockets=sockets)
        for one in sockets or ():
            host, port = one.getsockname()
            click.echo(f"Serving MCP at http://{host}:{port}/mcp", err=True)


def _nothing(_: ToolUse) -> None:
    """Tell nobody."""
