from __future__ import annotations

import asyncio
import socket
import threading
import time

import pytest
from pegboard.testing.clock import ManualClock, RealClock, VirtualTimeLoop, run_virtual


async def _echo_once(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    writer.write(await reader.readline())
    await writer.drain()
    writer.close()


def _echo_to_one_client(listener: socket.socket) -> None:
    connection, _ = listener.accept()
    with connection:
        connection.sendall(connection.recv(100))


class TestManualClock:
    def test_it_stands_still(self) -> None:
        """Time does not pass by itself."""
        clock = ManualClock(5)

        assert clock() == 5
        assert clock() == 5

    def test_it_advances(self) -> None:
        """Time passes by hand, exactly."""
        clock = ManualClock(5)
        clock.advance(2.5)

        assert clock() == 7.5

    async def test_sleeping_advances_it(self) -> None:
        """Sleep moves the clock and returns at once."""
        clock = ManualClock(5)
        await clock.sleep(3600)

        assert clock() == 3605


class TestRealClock:
    async def test_it_is_the_time_of_day(self) -> None:
        """A real clock lies between two readings of the system's."""
        before = time.time()
        now = RealClock()()

        assert before <= now <= time.time()

    async def test_it_waits(self) -> None:
        """Both ways to let time pass do let it pass."""
        clock = RealClock()
        start = time.monotonic()
        clock.advance(0.01)
        await clock.sleep(0.01)

        assert time.monotonic() - start >= 0.019


class TestVirtualTimeLoop:
    def test_time_begins_at_zero(self) -> None:
        """The first reading is 0, and code takes no time."""

        async def read() -> float:
            return asyncio.get_running_loop().time()

        assert run_virtual(read()) == 0

    def test_a_month_passes_exactly(self) -> None:
        """A sleep takes as long as asked on the loop's clock."""

        async def sleep() -> float:
            await asyncio.sleep(30 * 24 * 3600)
            return asyncio.get_running_loop().time()

        assert run_virtual(sleep()) == 30 * 24 * 3600

    def test_a_century_passes(self) -> None:
        """Times at which floats are coarser than timers still come."""

        async def sleep() -> float:
            await asyncio.sleep(1.1e9)
            await asyncio.sleep(2.2e9)
            return asyncio.get_running_loop().time()

        assert run_virtual(sleep()) == pytest.approx(3.3e9)

    def test_timers_fire_in_order(self) -> None:
        """Sleepers wake at their own times."""
        woken: list[tuple[int, float]] = []

        async def sleep(seconds: int) -> None:
            await asyncio.sleep(seconds)
            woken.append((seconds, asyncio.get_running_loop().time()))

        async def main() -> None:
            await asyncio.gather(*map(sleep, (30, 10, 20)))

        run_virtual(main())

        assert woken == [(10, 10), (20, 20), (30, 30)]

    def test_a_timeout_is_exact(self) -> None:
        """What never answers is given up at the very second."""

        async def main() -> float:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(7):
                    await asyncio.Event().wait()
            return asyncio.get_running_loop().time()

        assert run_virtual(main()) == 7

    def test_threads_are_waited_for(self) -> None:
        """A slow thread is not overtaken by a timeout."""

        async def main() -> float:
            async with asyncio.timeout(0.001):
                await asyncio.to_thread(time.sleep, 0.05)
            return asyncio.get_running_loop().time()

        assert run_virtual(main()) == 0

    def test_sockets_of_the_same_loop_work(self) -> None:
        """A server and its client in one loop are not overtaken by a timeout."""

        async def main() -> bytes:
            server = await asyncio.start_server(_echo_once, "127.0.0.1", 0)
            async with server, asyncio.timeout(60):
                address = server.sockets[0].getsockname()
                reader, writer = await asyncio.open_connection(*address)
                writer.write(b"hello\n")
                answer = await reader.read()
                writer.close()
                return answer

        assert run_virtual(main()) == b"hello\n"

    def test_sockets_of_another_thread_work(self) -> None:
        """A server in another thread has real time to answer."""
        listener = socket.create_server(("127.0.0.1", 0))
        server = threading.Thread(target=_echo_to_one_client, args=(listener,))

        async def main() -> bytes:
            async with asyncio.timeout(60):
                reader, writer = await asyncio.open_connection(*listener.getsockname())
                writer.write(b"hello\n")
                answer = await reader.read()
                writer.close()
                return answer

        server.start()
        with asyncio.Runner(loop_factory=lambda: VirtualTimeLoop(patience=10)) as loop:
            answer = loop.run(main())
        server.join()
        listener.close()

        assert answer == b"hello\n"

    def test_an_open_but_silent_socket_does_not_stop_time(self) -> None:
        """A server that nobody calls costs patience, not the test."""

        async def main() -> float:
            server = await asyncio.start_server(_echo_once, "127.0.0.1", 0)
            async with server:
                await asyncio.sleep(100)
            return asyncio.get_running_loop().time()

        assert run_virtual(main()) == 100
