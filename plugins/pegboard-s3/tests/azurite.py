"""Azure Blob Storage as its maker lets it run on any machine: Azurite, from npm."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import shutil
import subprocess
import time
import urllib.request
from contextlib import contextmanager, suppress
from email.utils import formatdate
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

PACKAGE = "azurite@3.37.0"
FOLDER = Path(__file__).parents[3] / ".venv" / "azurite"
ACCOUNT, KEY = "testaccount", base64.b64encode(b"a key of nobody at all").decode()
CONTAINER = "container"
VERSION = "2021-08-06"
LONGEST_START = 60


class Azurite:
    """Where a running server is."""

    def __init__(self, port):
        self.url = f"http://127.0.0.1:{port}/{ACCOUNT}"

    def create(self, container):
        """Create a container."""
        path = f"/{ACCOUNT}/{ACCOUNT}/{container}\nrestype:container"
        said = {"x-ms-date": formatdate(usegmt=True), "x-ms-version": VERSION}
        lines = "\n".join(f"{name}:{text}" for name, text in said.items())
        signed = "\n".join(["PUT", *([""] * 11), lines, path])
        digest = hmac.new(base64.b64decode(KEY), signed.encode(), hashlib.sha256)
        proof = base64.b64encode(digest.digest()).decode()
        request = urllib.request.Request(  # noqa: S310 - our own server
            f"{self.url}/{container}?restype=container",
            method="PUT",
            headers={
                **said,
                "authorization": f"SharedKey {ACCOUNT}:{proof}",
                "content-length": "0",
            },
        )
        urllib.request.urlopen(request).close()  # noqa: S310 - our own server


@contextmanager
def running(port):
    """Run a server; leave nothing of it behind."""
    program = FOLDER / "node_modules" / ".bin" / "azurite-blob"
    if shutil.which("npm") is None:
        pytest.skip("Azurite needs Node, which is not installed here")
    if not program.exists():
        npm = shutil.which("npm")
        install = (npm, "install", "--no-save", "--prefix", str(FOLDER), PACKAGE)
        subprocess.run(install, check=True, capture_output=True)
    with TemporaryDirectory(prefix="peg", ignore_cleanup_errors=True) as folder:
        # The SDK asks for a version of the API that is newer than Azurite.
        place = ("--blobHost", "127.0.0.1", "--blobPort", str(port))
        more = ("--location", folder, "--silent", "--skipApiVersionCheck")
        process = subprocess.Popen(
            [shutil.which("node"), program, *place, *more],
            cwd=folder,
            env={**os.environ, "AZURITE_ACCOUNTS": f"{ACCOUNT}:{KEY}", "HOME": folder},
            stdout=subprocess.DEVNULL,
        )
        server = Azurite(port)
        try:
            _create_first(server, process)
            yield server
        finally:
            process.kill()
            process.wait()


def _create_first(server, process):
    """Create the container of most tests as soon as the server listens."""
    ends = time.monotonic() + LONGEST_START
    while time.monotonic() < ends and process.poll() is None:
        with suppress(ConnectionError, urllib.error.URLError):
            server.create(CONTAINER)
            return
        time.sleep(0.05)
    pytest.fail("Azurite does not listen")
