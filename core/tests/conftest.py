"""What tests of the command line share: plugins that are really installed."""

import contextlib
import json
import os
import pty
import subprocess
import sys

import pytest

SETTINGS = """
[llm.default]
provider = "fake"
model = "echo-1"

[storage.notes]
provider = "memory"
"""
RUN = """
import atexit
import json
import signal
import sys

# A program started in the background may have been told to ignore Ctrl-C.
signal.signal(signal.SIGINT, signal.default_int_handler)
if sys.argv.pop(1) == "modules":
    atexit.register(lambda: print("\\n" + json.dumps(list(sys.modules))))
from pegboard.cli import main
main()
"""


@pytest.fixture
def install(tmp_path_factory, monkeypatch):
    """Return how to install a plugin: a module, and the metadata that pip writes."""
    site = tmp_path_factory.mktemp("site")
    monkeypatch.syspath_prepend(site)
    monkeypatch.setenv("PYTHONPATH", str(site))
    installed = []

    def install(name, code):
        metadata = site / f"{name}-1.0.dist-info"
        metadata.mkdir()
        (metadata / "entry_points.txt").write_text(f"[pegboard]\n{name} = {name}\n")
        (site / f"{name}.py").write_text(code)
        installed.append(name)

    yield install
    for name in installed:
        sys.modules.pop(name, None)


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Be in a project with a fake model and a storage."""
    (tmp_path / "pegboard.toml").write_text(SETTINGS)
    monkeypatch.chdir(tmp_path)
    return tmp_path


class Program:
    """The command line in a process of its own."""

    def __call__(self, *arguments, **options):
        """Run it to its end."""
        command = [sys.executable, "-c", RUN, "run", *arguments]
        given = {"stdin": subprocess.DEVNULL} if "input" not in options else {}
        return subprocess.run(
            command,
            **given,
            **options,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    def start(self, *arguments, **options):
        """Start it and return the process."""
        command = [sys.executable, "-c", RUN, "run", *arguments]
        given = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE}
        return subprocess.Popen(
            command, **(given | options), stderr=subprocess.PIPE, bufsize=0
        )

    def on_terminal(self, *arguments):
        """Return what a terminal shows of it, as bytes."""
        leader, follower = pty.openpty()
        with self.start(*arguments, stdout=follower) as process:
            os.close(follower)
            output = b""
            with contextlib.suppress(OSError):  # how Linux says that all is read
                while piece := os.read(leader, 1024):
                    output += piece
            process.communicate(timeout=60)
        os.close(leader)
        return output

    def modules(self, *arguments):
        """Return what was imported when it ended."""
        command = [sys.executable, "-c", RUN, "modules", *arguments]
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        return set(json.loads(done.stdout.splitlines()[-1]))


@pytest.fixture
def program():
    """Return the command line, to be run as a user does."""
    return Program()
