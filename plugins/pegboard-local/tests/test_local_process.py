"""What the rest of the process, and the machine, notice of the model."""

from __future__ import annotations

import re
import subprocess
import sys
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from pegboard_local._llama import Load, open_server
from pegboard_local.options import LocalOptions

START = """
import asyncio, os, sys
from pegboard import Pegboard

board = Pegboard.isolated({"llm": {"default": {"provider": "local"}}})
llm = board.llm()

def ask():
    print(asyncio.run(llm.complete("Hello", max_tokens=2)).usage.output, flush=True)
"""
CLOSED = """
async def main():
    async with board:
        print((await llm.complete("Hello", max_tokens=2)).usage.output)
asyncio.run(main())
"""
LEFT = """
async def main():
    stream = llm.stream("Tell me a story.", max_tokens=3000)
    async for _ in stream.text:
        print(2)
        break
asyncio.run(main())
"""
CANCELLED_WHILE_LOADING = """
async def main():
    task = asyncio.create_task(llm.complete("Hello"))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    print(2 if task.cancelled() else task)
asyncio.run(main())
"""
FORKED = """
ask()
child = os.fork()
if not child:
    sys.exit(3)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 3
"""
USED_IN_A_FORK = """
from pegboard.errors import Unavailable
ask()
child = os.fork()
if not child:
    try:
        ask()
    except Unavailable as error:
        sys.exit(3 if "forked" in str(error) else 4)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 3
"""
FORKED_BEFORE = """
child = os.fork()
if not child:
    ask()
    sys.exit(3)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 3
"""
ENVIRONMENT = """
before = dict(os.environ)
ask()
assert os.environ == before
"""
FREED_AT_ONCE = """
from pegboard_local._llama import Load, open_server
for _ in range(8):
    open_server(Load(None, 256, None, None, None))
print(2)
"""
SCRIPTS = {
    "not closed": "ask()",
    "closed": CLOSED,
    "left": LEFT,
    "cancelled while loading": CANCELLED_WHILE_LOADING,
    "forked": FORKED,
    "used in a fork": USED_IN_A_FORK,
    "forked before": FORKED_BEFORE,
    "freed at once": FREED_AT_ONCE,
    "environment": ENVIRONMENT,
}


def run(code):
    """Return how the program *code* ended."""
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("script", SCRIPTS.values(), ids=SCRIPTS)
def test_a_program_ends_cleanly(script):
    """It does not hang, and nothing but its own words reaches the terminal."""
    ended = run(START + script)

    assert ended.stderr == ""
    assert ended.stdout == "2\n"
    assert ended.returncode == 0


def test_every_option_is_explained():
    """With its default, in the table of the README."""
    readme = (Path(__file__).parents[1] / "README.md").read_text()
    explained = re.findall(r"^\| `(\w+)` \|", readme, re.MULTILINE)

    assert explained == list(LocalOptions.model_fields)


def test_loading_the_plugin_imports_nothing_heavy():
    """Neither llama.cpp nor pydantic."""
    code = (
        "import sys, pegboard_local.plugin as p; p.pegboard_llm_providers();"
        "sys.exit(bool({'xllamacpp', 'pydantic'} & set(sys.modules)))"
    )

    assert run(code).returncode == 0


def test_making_a_model_does_nothing_yet():
    """No file is read and llama.cpp is not imported before the first call."""
    code = START.replace('"local"', '"local", "model_path": "/no/such/file"')

    assert run(f"{code}\nsys.exit('xllamacpp' in sys.modules)").returncode == 0


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/models", "/props"])
def test_other_users_of_the_machine_cannot_use_the_model(path):
    """The port that llama.cpp opens is local, and takes a key that nobody knows."""
    server = open_server(Load(None, 256, None, None, None))
    address = urlsplit(server.listening_address)
    connection = HTTPConnection(address.hostname, address.port)
    connection.request("POST" if "chat" in path else "GET", path)
    status = connection.getresponse().status
    connection.close()

    assert address.hostname == "127.0.0.1"
    assert status == 401
