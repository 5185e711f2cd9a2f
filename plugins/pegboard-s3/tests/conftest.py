from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

import pytest

KEY, SECRET = "test-key", "test-secret-0123456789"
LONGEST_START = 60
PARTS = ("s3", "master", "volume", "filer")
WITHOUT = (
    *("-webdav=false", "-admin.ui=false", "-s3.port.iceberg=0", "-s3.port.lance=0"),
    "-volume.max=100",
)


def free_ports(count):
    """Return ports that nobody listens on."""
    probes = [socket.socket() for _ in range(count)]
    for probe in probes:
        probe.bind(("127.0.0.1", 0))
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports


class Server:
    """A real S3 server, which can be killed and started again."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.port, *self._ports = free_ports(9)
        self.start()

    @property
    def endpoint(self):
        """Where it is."""
        return f"http://127.0.0.1:{self.port}"

    def start(self):
        """Start it and wait until it answers."""
        ports = [self.port, *self._ports]
        given = [f"-{part}.port={ports.pop(0)}" for part in PARTS]
        given += [f"-{part}.port.grpc={ports.pop(0)}" for part in PARTS]
        address = ("-ip=127.0.0.1", "-ip.bind=127.0.0.1", f"-admin.port={ports[0]}")
        binary = shutil.which("weed", path=str(Path(sys.executable).parent))
        with (self.folder / "log").open("wb") as log:
            self.process = subprocess.Popen(
                [binary, "mini", f"-dir={self.folder}", *address, *given, *WITHOUT],
                cwd=self.folder,
                env={
                    "AWS_ACCESS_KEY_ID": KEY,
                    "AWS_SECRET_ACCESS_KEY": SECRET,
                    "HOME": str(self.folder),
                    "PATH": os.environ["PATH"],
                },
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self._wait()

    def kill(self):
        """End it as nothing can prevent."""
        self.process.kill()
        self.process.wait()

    def _wait(self):
        ends = time.monotonic() + LONGEST_START
        while time.monotonic() < ends and self.process.poll() is None:
            with suppress(OSError):
                address = f"{self.endpoint}/status"
                with urllib.request.urlopen(address, timeout=1):  # noqa: S310 - its own
                    return
            time.sleep(0.05)
        self.kill()
        pytest.fail((self.folder / "log").read_text()[-2000:])


@contextmanager
def running():
    """Run a server; leave nothing of it behind."""
    with TemporaryDirectory(prefix="peg", ignore_cleanup_errors=True) as folder:
        server = Server(folder)
        try:
            yield server
        finally:
            server.kill()


@pytest.fixture(scope="session")
def shared_server():
    """Return the server of all tests that leave it alone."""
    with running() as server:
        yield server


@pytest.fixture
def server():
    """Return a server that a test may do anything to."""
    with running() as server:
        yield server


@pytest.fixture
def settings_of():
    """Return a function that makes settings for a new place on a server."""

    def settings_of(endpoint, **changes):
        return {
            "provider": "s3",
            "url": f"s3://bucket/{uuid4().hex}",
            "endpoint": endpoint,
            "access_key_id": KEY,
            "secret_access_key": SECRET,
            **changes,
        }

    return settings_of
