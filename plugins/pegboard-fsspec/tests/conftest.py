from __future__ import annotations

import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pytest

SCRIPT = Path(__file__).with_name("sftp_server.py")
USER, PASSWORD = "ann", "a-test-password"


class Server:
    """A real SFTP server on a folder, which can be killed and started again."""

    def __init__(self, folder):
        self.folder = str(folder)
        self.port = 0
        self.start()

    def start(self):
        """Start it, on the port that it had."""
        command = [sys.executable, str(SCRIPT), self.folder, str(self.port)]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe)
        self.port = int(self.process.stdout.readline())

    def kill(self):
        """End it as nothing can prevent."""
        self.process.kill()
        self.process.communicate()


@contextmanager
def running(folder):
    """Run a server on *folder*."""
    server = Server(folder)
    try:
        yield server
    finally:
        server.kill()


@pytest.fixture(scope="session")
def shared_server(tmp_path_factory):
    """Return the server of all tests that leave it alone."""
    with running(tmp_path_factory.mktemp("sftp")) as server:
        yield server


@pytest.fixture
def server(tmp_path):
    """Return a server that a test may do anything to."""
    (tmp_path / "served").mkdir()
    with running(tmp_path / "served") as server:
        yield server


@pytest.fixture
def settings_of():
    """Return a function that makes settings for a new folder on a server."""

    def settings_of(port, **changes):
        return {
            "provider": "fsspec",
            "url": f"sftp://{USER}@127.0.0.1/{uuid4().hex}",
            "options": {"port": port, "look_for_keys": False, "allow_agent": False},
            "secrets": {"password": PASSWORD},
            **changes,
        }

    return settings_of
