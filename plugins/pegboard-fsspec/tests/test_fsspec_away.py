"""What happens while the server is away, and when it is back."""

from __future__ import annotations

import asyncio
import signal
import time

import pytest
from pegboard import Blobs, Files, Pegboard, errors
from pegboard.testing import TcpProxy, no_leaks

ONCE = {"attempts": 1, "breaker": {"enabled": False}}


@pytest.fixture
async def proxy(shared_server):
    """Return a way to the server that can be broken."""
    async with TcpProxy("127.0.0.1", shared_server.port) as proxy:
        yield proxy


@pytest.fixture
async def open_board(settings_of):
    """Return a function that opens a board with the store of a port."""
    boards = []

    def open_board(port, **changes):
        given = settings_of(port, **{"policy": ONCE, "connections": 1, **changes})
        board = Pegboard.isolated({"storage": {"kit": given}})
        boards.append(board)
        return board

    yield open_board
    for board in boards:
        await board.aclose()


async def test_refused_connection_is_told_and_over_when_it_is_over(open_board, proxy):
    """A server that is not there was sent nothing; one call later it is used again."""
    board = open_board(proxy.port)
    blobs, files = board.storage("kit", Blobs), board.storage("kit", Files)
    await proxy.refuse()

    calls = (
        lambda: blobs.get("key"),
        lambda: blobs.put("key", b"x"),
        lambda: files.read("a"),
        lambda: files.write("a", b"x"),
        lambda: anext(files.stream("a")),
    )
    for call in calls:
        with pytest.raises(errors.ConnectionFailed) as caught:
            await call()
        assert caught.value.request_sent == "no"
    await proxy.accept()
    await files.write("a", b"content")
    assert await files.read("a") == b"content"


async def test_reset_connection_is_told_and_over_when_it_is_over(open_board, proxy):
    """One call fails, the next one has a new connection."""
    files = open_board(proxy.port).storage("kit", Files)
    await files.write("a", b"content")
    proxy.reset()

    with pytest.raises(errors.ConnectionFailed):
        await files.read("a")
    assert await files.read("a") == b"content"


async def test_server_that_is_killed_is_used_again(open_board, server):
    """A server that was started again serves the next call."""
    blobs = open_board(server.port).storage("kit", Blobs)
    await blobs.put("key", b"content")
    server.kill()
    for _ in range(2):
        with pytest.raises(errors.ConnectionFailed):
            await blobs.get("key")
    server.start()

    assert await blobs.get("key") == b"content"


async def test_half_a_stream_is_an_error(open_board, proxy):
    """A download that breaks off is not a short file."""
    files = open_board(proxy.port).storage("kit", Files)
    await files.write("a", bytes(4_000_000))
    stream = files.stream("a")
    assert await anext(stream)
    proxy.reset()

    with pytest.raises(errors.ConnectionFailed) as caught:
        async for _ in stream:
            pass
    assert caught.value.in_stream
    assert (await files.stat("a")).size == 4_000_000


async def test_upload_that_breaks_off_leaves_what_was_there(open_board, proxy):
    """Half a file is not in the place of the old one."""
    files = open_board(proxy.port).storage("kit", Files)
    await files.write("a", b"old")

    async def content():
        yield bytes(1_000_000)
        proxy.reset()
        yield bytes(1_000_000)

    with pytest.raises(errors.ConnectionFailed) as caught:
        await files.write("a", content())
    assert not caught.value.retryable
    assert await files.read("a") == b"old"


async def test_server_that_stands_still_is_left_at_the_deadline(open_board, server):
    """Who waits is told in time, and is served again when the server goes on."""
    policy = {**ONCE, "deadline": 0.3}
    board = open_board(server.port, policy=policy, connections=2)
    files = board.storage("kit", Files)
    files_in_time = open_board(server.port).storage("kit", Files)
    await files_in_time.write("warm", b"")
    await asyncio.wait_for(files.list(), 10)
    server.process.send_signal(signal.SIGSTOP)
    begun = time.monotonic()
    with pytest.raises(errors.DeadlineExceeded):
        await files.list()
    took = time.monotonic() - begun
    server.process.send_signal(signal.SIGCONT)

    assert took < 30  # and not the hours of a connection that nobody closes
    assert (await files_in_time.list()).paths == ("warm",)


async def test_nothing_is_left_open(settings_of, shared_server):
    """Connections and threads go with the board."""
    async with no_leaks():
        given = settings_of(shared_server.port)
        async with Pegboard.isolated({"storage": {"kit": given}}) as board:
            files = board.storage("kit", Files)
            await asyncio.gather(*(files.write(f"{n}", b"x") for n in range(6)))
            assert len((await files.list()).paths) == 6
            assert (await board.health())["storage.kit"].status == "up"
