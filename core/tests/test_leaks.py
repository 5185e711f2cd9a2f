from __future__ import annotations

import asyncio
import socket
import threading

import pytest
from pegboard.testing.leaks import no_leaks, open_files


class TestNoLeaks:
    async def test_a_clean_block_passes(self) -> None:
        """What is closed in the block is not left behind."""
        async with no_leaks(patience=0):
            socket.socket().close()
            await asyncio.create_task(asyncio.sleep(0))

    async def test_a_task_is_found(self) -> None:
        """A task that still runs is named."""
        with pytest.raises(AssertionError, match="forgotten"):
            async with no_leaks(patience=0):
                task = asyncio.create_task(asyncio.sleep(60), name="forgotten")
        task.cancel()

    async def test_a_socket_is_found(self) -> None:
        """A socket that is still open is named."""
        with pytest.raises(AssertionError, match="socket:"):
            async with no_leaks(patience=0):
                left = socket.socket()
        left.close()

    async def test_what_was_there_before_is_not_counted(self) -> None:
        """Tasks and sockets from outside the block may stay."""
        task = asyncio.create_task(asyncio.sleep(60))
        with socket.socket():
            async with no_leaks(patience=0):
                pass
        task.cancel()

    async def test_what_is_on_its_way_out_is_waited_for(self) -> None:
        """A task that ends soon is no leak."""
        async with no_leaks(patience=10):
            asyncio.get_running_loop().call_soon(asyncio.create_task, asyncio.sleep(0))

    async def test_another_thread_gets_time_to_close(self) -> None:
        """A socket that another thread closes soon is no leak."""
        leaving = threading.Event()
        async with no_leaks(patience=10):
            left = socket.socket()

            def close_later() -> None:
                leaving.wait()
                left.close()

            threading.Thread(target=close_later).start()
            asyncio.get_running_loop().call_soon(leaving.set)

    async def test_an_error_in_the_block_wins(self) -> None:
        """The error of the block is not hidden by what it left behind."""

        async def fail_and_leak() -> None:
            async with no_leaks(patience=0):
                tasks.append(asyncio.create_task(asyncio.sleep(60)))
                raise ZeroDivisionError

        tasks: list[asyncio.Task[None]] = []
        with pytest.raises(ZeroDivisionError):
            await fail_and_leak()
        tasks[0].cancel()

    async def test_the_fixture_checks_the_whole_test(self, no_leaks: None) -> None:
        """A clean test passes under the fixture."""
        await asyncio.create_task(asyncio.sleep(0))

        assert no_leaks is None


def test_open_files_names_a_socket() -> None:
    """An open socket is listed under its number."""
    with socket.socket() as opened:
        assert open_files()[str(opened.fileno())].startswith("socket:")
