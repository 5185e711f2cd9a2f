"""Clients of async SDKs belong to one event loop: keep one per running loop."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

Client = TypeVar("Client")


class PerLoop(Generic[Client]):
    """
    One client for each running event loop, made on first use.

    A client is closed by ``aclose()`` or with its loop, whichever comes first: it
    lives in an async generator, and ``asyncio.run`` closes those at its end. So a
    program that calls ``asyncio.run`` twice leaks nothing and never meets a client
    of a loop that is gone.
    """

    def __init__(
        self, make: Callable[[], Client], close: Callable[[Client], Awaitable[object]]
    ) -> None:
        """Keep what *make* returns; *close* it in the loop that it was made in."""
        self._make = make
        self._close = close
        self._clients: dict[asyncio.AbstractEventLoop, Client] = {}
        self._keepers: dict[asyncio.AbstractEventLoop, AsyncGenerator[Client]] = {}

    async def get(self) -> Client:
        """Return the client of the running loop."""
        loop = asyncio.get_running_loop()
        if loop in self._clients:
            return self._clients[loop]
        keeper = self._keepers[loop] = self._keep(loop)
        return await anext(keeper)

    async def aclose(self) -> None:
        """Close the clients of all loops that still run."""
        here = asyncio.get_running_loop()
        for loop, keeper in list(self._keepers.items()):
            if loop is here:
                await keeper.aclose()
            elif loop.is_running():
                closing = asyncio.run_coroutine_threadsafe(_close(keeper), loop)
                await asyncio.wrap_future(closing)

    async def _keep(self, loop: asyncio.AbstractEventLoop) -> AsyncGenerator[Client]:
        client = self._clients[loop] = self._make()
        try:
            yield client
        finally:
            del self._clients[loop], self._keepers[loop]
            await self._close(client)


async def _close(keeper: AsyncGenerator[Client]) -> None:
    await keeper.aclose()
