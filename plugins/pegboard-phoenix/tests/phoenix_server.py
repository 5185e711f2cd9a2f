"""
Against a real Phoenix: that it takes what is sent, and shows it for what it is.

Not collected by itself, as it needs an environment of its own that is large, and a
server that starts slowly. ``make test-phoenix`` makes the one and starts the other.
"""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess

import httpx
import pytest
import pytest_asyncio
from pegboard import Pegboard, Tracing
from pegboard.errors import Authentication

PRICED = "gpt-4o-mini"
COSTS = """
{ projects { edges { node {
  name traceCount tokenCountTotal costSummary { total { cost } }
} } } }
"""


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="module")
def phoenix(tmp_path_factory):
    """Run a server for all tests of this file, and return where it is."""
    folder = tmp_path_factory.mktemp("phoenix")
    port, other_port = _free_port(), _free_port()
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "PHOENIX_WORKING_DIR": str(folder),
        "PHOENIX_SQL_DATABASE_URL": "sqlite:///:memory:",
        "PHOENIX_HOST": "127.0.0.1",
        "PHOENIX_PORT": str(port),
        "PHOENIX_GRPC_PORT": str(other_port),
        "PHOENIX_TELEMETRY_ENABLED": "false",
        "PHOENIX_ALLOW_EXTERNAL_RESOURCES": "false",
    }
    with (folder / "log").open("w") as log:
        command = [os.environ["PHOENIX"], "serve"]
        server = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    url = f"http://127.0.0.1:{port}"
    try:
        asyncio.run(_up(url, server))
        yield url
    finally:
        server.terminate()
        server.wait()


async def _up(url, server) -> None:
    """Wait until the server answers. It says so nowhere else."""
    async with httpx.AsyncClient() as client, asyncio.timeout(300):
        while server.poll() is None:
            try:
                if (await client.get(f"{url}/healthz")).is_success:
                    return
            except httpx.TransportError:
                pass
            await asyncio.sleep(0.5)
    pytest.fail("Phoenix ended instead of answering.")


@pytest_asyncio.fixture
async def client(phoenix):
    """Return what asks Phoenix."""
    async with httpx.AsyncClient(base_url=phoenix) as asking:
        yield asking


def board_of(url: str, project: str, **llm: object) -> Pegboard:
    """Return a board that traces to a project."""
    section = {"provider": "phoenix", "endpoint": url, "project": project}
    settings = {
        "tracing": {"to": "phoenix", "capture_content": True},
        "integrations": {"phoenix": section},
        "llm": {"default": {"provider": "fake", "model": PRICED, **llm}},
    }
    return Pegboard.isolated(settings)


async def spans_of(client: httpx.AsyncClient, project: str, count: int) -> list[dict]:
    """Return the spans of *project* as soon as there are *count*."""
    async with asyncio.timeout(30):
        while True:
            answer = await client.get(f"/v1/projects/{project}/spans")
            spans = answer.json()["data"] if answer.is_success else []
            if len(spans) >= count:
                return spans
            await asyncio.sleep(0.1)


async def test_it_is_healthy(phoenix):
    """A check sends no spans, and Phoenix accepts that."""
    async with board_of(phoenix, "health") as board:
        health = (await board.health())["integrations.phoenix"]

    assert health.status == "up", health.reason


async def test_prompts_and_replies_are_shown(phoenix, client):
    """As the messages of a call to a model, within the program's span."""
    async with board_of(phoenix, "words", replies=["Hello Ann."]) as board:
        with board.tracer("shop").start_as_current_span("thanks"):
            await board.llm().complete("Greet Ann.")
    spans = {span["name"]: span for span in await spans_of(client, "words", 2)}
    call, outer = spans[f"chat {PRICED}"], spans["thanks"]
    known = call["attributes"]

    assert (call["span_kind"], outer["span_kind"]) == ("LLM", "CHAIN")
    assert call["parent_id"] == outer["context"]["span_id"]
    assert known["llm.input_messages.0.message.content"] == "Greet Ann."
    assert known["llm.output_messages.0.message.content"] == "Hello Ann."
    assert known["input.value"] == "Greet Ann."


async def test_tokens_and_cost_are_summed_up(phoenix, client):
    """By Phoenix, which knows what this model costs."""
    async with board_of(phoenix, "cost") as board:
        replies = [await board.llm().complete("one two three") for _ in range(3)]
        await board.integration("phoenix", Tracing).flush()
    tokens = sum(reply.usage.input + reply.usage.output for reply in replies)
    await spans_of(client, "cost", 3)
    found = await _priced(client, "cost")

    assert (found["traceCount"], found["tokenCountTotal"]) == (3, tokens)
    assert found["costSummary"]["total"]["cost"] > 0


async def _priced(client: httpx.AsyncClient, project: str) -> dict:
    """Return the sums of *project*, as soon as its cost is one of them."""
    async with asyncio.timeout(30):
        while True:
            answer = await client.post("/graphql", json={"query": COSTS})
            edges = answer.json()["data"]["projects"]["edges"]
            found = next(e["node"] for e in edges if e["node"]["name"] == project)
            if found["costSummary"]["total"]["cost"]:
                return found
            await asyncio.sleep(0.1)


async def test_a_run_is_an_agent_with_its_tools(phoenix, client):
    """One tree of kinds that Phoenix knows."""

    def add(a: int, b: int) -> int:
        """Add two numbers."""
        return a + b

    call = {"tool": "add", "arguments": {"a": 1, "b": 2}}
    async with board_of(phoenix, "runs", replies=[call, "Three."]) as board:
        await board.llm().run("What is 1 + 2?", tools=[add])
    spans = await spans_of(client, "runs", 4)
    kinds = sorted(span["span_kind"] for span in spans)
    trees = {span["context"]["trace_id"] for span in spans}

    assert kinds == ["AGENT", "LLM", "LLM", "TOOL"]
    assert len(trees) == 1


async def test_a_failed_call_is_an_error(phoenix, client):
    """With its status and its kind."""
    async with board_of(phoenix, "errors", failures=["Authentication"]) as board:
        with pytest.raises(Authentication):
            await board.llm().complete("Hello?")
    (span,) = await spans_of(client, "errors", 1)

    assert span["status_code"] == "ERROR"
    assert span["attributes"]["error.type"] == "Authentication"
