"""One program on every provider, by settings alone, and the trace that it leaves."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
from pegboard.testing import FaultServer, Scripted

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping
    from pathlib import Path

    from pegboard.testing.fault_server import Received

PROGRAM = """
from pegboard import Pegboard
from pydantic import BaseModel

class City(BaseModel):
    name: str
    country: str

def temperature(city: str) -> str:
    return f"It is 30 degrees in {city}."

async def main():
    async with Pegboard() as board:
        llm, vectors, few = board.llm(), board.llm("vectors"), {"max_tokens": 80}
        yield "words", (await llm.complete("Say hello.", **few)).text
        async with llm.stream("Count to three.", **few) as stream:
            yield "pieces", "".join([text async for text in stream.text])
        question = "Which city is the capital of France?"
        yield "value", (await llm.complete(question, output=City, **few)).output.name
        if "tools" in llm.capabilities:
            run = await llm.run("How warm is Paris?", tools=[temperature], **few)
            yield "run", [run.text, run.rounds, len(run.tool_uses)]
        if "embeddings" in vectors.abilities:
            yield "vector", len((await vectors.embed("A board with pegs.")).vectors[0])
"""
WATCH = """
import asyncio, json
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

exporter, provider = InMemorySpanExporter(), TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(exporter))
trace.set_tracer_provider(provider)

from program import main

async def said():
    return {name: value async for name, value in main()}

said = asyncio.run(said())
ended = exporter.get_finished_spans()
spans = [[s.instrumentation_scope.name, dict(s.attributes)] for s in ended]
print(json.dumps({"said": said, "spans": spans}))
"""
PARIS = {"name": "Paris", "country": "France"}
CALL = {"name": "temperature", "arguments": {"city": "Paris"}}
WARM = "It is warm: 30 degrees."
ANSWERS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    # Claude Code has values come through a tool of its own.
    (
        {"toolName": "StructuredOutput"},
        {"toolCalls": [{"name": "StructuredOutput", "arguments": json.dumps(PARIS)}]},
    ),
    ({"userMessage": "capital of France"}, {"content": json.dumps(PARIS)}),
    ({"userMessage": "How warm", "hasToolResult": True}, {"content": WARM}),
    ({"userMessage": "How warm"}, {"toolCalls": [CALL]}),
    ({"userMessage": "Count to three"}, {"content": "One, two, three."}),
    ({"userMessage": "Say hello"}, {"content": "Hello."}),
]
"""What the mock says to what it is asked: the first that fits."""
USAGE = {
    "prompt_tokens": 20,
    "completion_tokens": 7,
    "total_tokens": 27,
    "input_tokens": 20,
    "output_tokens": 7,
}
"""By the names of all services that the mock can count for."""

SETTINGS = {
    "fake": """
        [llm.default]
        provider = "fake"
        replies = [
            "Hello.", "One, two, three.", '{"name": "Paris", "country": "France"}',
            {tool = "temperature", arguments = {city = "Paris"}},
            "It is warm: 30 degrees.",
        ]
    """,
    "local": """
        [llm.default]
        provider = "local"
        temperature = 0
    """,
    "llama-cpp": """
        [llm.default]
        provider = "llama-cpp"
        model = "smollm2"
        base_url = "REAL/v1"
        api_key = "KEY"
    """,
    "openai": """
        [llm.default]
        provider = "openai"
        model = "gpt-5-nano"
        base_url = "MOCK/v1"
        api_key = "k"

        [llm.vectors]
        provider = "openai"
        model = "text-embedding-3-small"
        base_url = "MOCK/v1"
        api_key = "k"
    """,
    "openai, chat": """
        [llm.default]
        provider = "openai"
        api = "chat"
        model = "gpt-5-nano"
        base_url = "MOCK/v1"
        api_key = "k"

        [llm.vectors]
        provider = "openai"
        model = "text-embedding-3-small"
        base_url = "MOCK/v1"
        api_key = "k"
    """,
    "openai-compatible": """
        [llm.default]
        provider = "openai-compatible"
        model = "any"
        base_url = "MOCK/v1"
    """,
    "azure": """
        [llm.default]
        provider = "azure"
        model = "gpt-5-nano"
        endpoint = "MOCK"
        api_key = "k"

        [llm.vectors]
        provider = "azure"
        model = "text-embedding-3-small"
        endpoint = "MOCK"
        api_key = "k"
    """,
    "anthropic": """
        [llm.default]
        provider = "anthropic"
        model = "claude-opus-5-5"
        base_url = "MOCK"
        api_key = "k"
    """,
    "gemini": """
        [llm.default]
        provider = "gemini"
        model = "gemini-3-flash"
        base_url = "MOCK"
        api_version = "v1beta"
        api_key = "k"

        [llm.vectors]
        provider = "gemini"
        model = "gemini-embedding-001"
        base_url = "STAND-IN"
        api_key = "k"
    """,
    "ollama": """
        [llm.default]
        provider = "ollama"
        model = "any"
        host = "MOCK"

        [llm.vectors]
        provider = "ollama"
        model = "any"
        host = "STAND-IN"
    """,
    "claude-code": """
        [llm.default]
        provider = "claude-code"
        model = "claude-opus-4-6"
        base_url = "MOCK"
        api_key = "k"
        thinking = "disabled"
    """,
}
"""All that differs between the runs of the program."""
REAL = {"local", "llama-cpp"}
"""A real model answers, of which nobody knows the words; it is too small for tools."""
NO_TOOLS = {"claude-code"}
NO_VECTORS = {"anthropic", "claude-code"}

CALLED = {"pegboard.address", "pegboard.operation", "pegboard.provider"}
CALLED |= {"pegboard.attempts", "gen_ai.operation.name", "gen_ai.provider.name"}
CALLED |= {"gen_ai.request.model", "gen_ai.response.model"}
USED = {"gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens"}
CHAT = CALLED | USED
CHAT |= {"gen_ai.request.max_tokens", "gen_ai.response.finish_reasons"}
WITHIN = {"pegboard.address", "gen_ai.operation.name"}
NAMES: Mapping[str, set[str]] = {
    "chat": CHAT,
    "chat stream": CHAT
    | {"gen_ai.request.stream", "gen_ai.response.time_to_first_chunk"},
    "chat json": CHAT | {"gen_ai.output.type"},
    "embeddings": CALLED | USED,
    "invoke_agent": WITHIN | {"gen_ai.provider.name", "gen_ai.agent.name"},
    "execute_tool": WITHIN
    | {"gen_ai.tool.call.id", "gen_ai.tool.name", "gen_ai.tool.type"},
}
"""The attributes of each kind of span, whoever is asked."""
SOME_TOKENS = {
    "gen_ai.usage.cache_read.input_tokens",
    "gen_ai.usage.cache_creation.input_tokens",
    "gen_ai.usage.reasoning.output_tokens",
}
"""Only there where there were such tokens."""


@pytest.fixture(scope="module")
def mock(
    run_aimock: Callable[[Path], str], tmp_path_factory: pytest.TempPathFactory
) -> str:
    """Run the mock server that others wrote, and return its address."""
    folder = tmp_path_factory.mktemp("fixtures")
    fixtures = [
        {"match": match, "response": {**said, "usage": USAGE}}
        for match, said in ANSWERS
    ]
    (folder / "answers.json").write_text(json.dumps({"fixtures": fixtures}))
    return run_aimock(folder)


def vector(request: Received) -> Scripted:
    """Answer as Ollama and Gemini do for vectors, which the mock knows nothing of."""
    if request.path == "/api/embed":
        counted = {"prompt_eval_count": 5}
        return Scripted.json({"model": "any", "embeddings": [[0.6, 0.8]], **counted})
    usage = {"promptTokenCount": 5}
    made = [{"values": [0.6, 0.8]}]
    return Scripted.json({"embeddings": made, "usageMetadata": usage})


@pytest_asyncio.fixture
async def servers(mock: str, llama_server: Any) -> AsyncIterator[dict[str, str]]:
    """Return where the program can be answered, by the word in the settings."""
    async with FaultServer(otherwise=vector) as stand_in:
        yield {
            "MOCK": mock,
            "REAL": llama_server.url,
            "KEY": llama_server.key,
            "STAND-IN": stand_in.url,
        }


async def ran(folder: Path, settings: str) -> dict[str, Any]:
    """Return what the program said and traced, in a process that knows only files."""
    (folder / "program.py").write_text(PROGRAM)
    (folder / "pegboard.toml").write_text(f"[tracing]\nenabled = true\n{settings}")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", WATCH),
        cwd=folder,
        env={k: v for k, v in os.environ.items() if not k.startswith("PEGBOARD_")},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    printed, complaints = await process.communicate()
    assert not process.returncode, complaints.decode()
    assert complaints == b""
    made: dict[str, Any] = json.loads(printed)
    return made


@pytest.fixture(params=SETTINGS)
def provider(request: pytest.FixtureRequest) -> str:
    """Return the name of each provider in turn."""
    return str(request.param)


@pytest_asyncio.fixture
async def made(
    provider: str, tmp_path: Path, servers: dict[str, str]
) -> dict[str, Any]:
    """Return what the program said and traced with the provider."""
    settings = SETTINGS[provider]
    if "[llm.vectors]" not in settings:
        settings += settings.replace("[llm.default]", "[llm.vectors]")
    for word, address in servers.items():
        settings = settings.replace(word, address)
    return await ran(tmp_path, settings)


async def test_one_program_runs_on_every_provider(provider, made):
    """Words, pieces, a value, tools and vectors; where not claimed, all the others."""
    said, spans = made["said"], made["spans"]
    words = ["Hello.", "One, two, three.", "Paris", [WARM, 2, 1]]
    kinds = Counter(kind_of(attributes) for _, attributes in spans)

    if provider in REAL:
        assert all(said.values())
        kinds["chat json"] = 1  # or more: a small model may have to correct itself
    else:
        assert [*said.values()][:4] == words[: 3 if provider in NO_TOOLS else 4]
    assert ("run" in said) == (provider not in NO_TOOLS)
    assert (said.get("vector", 0) > 0) == (provider not in NO_VECTORS)
    # One span for each call that was made, and none by anyone else: an SDK, say.
    assert {scope for scope, _ in spans} == {"pegboard"}
    assert kinds == calls(said)
    for _, attributes in spans:
        left_out = set() if names_model(attributes) else {"gen_ai.request.model"}
        names = NAMES[kind_of(attributes)] - left_out
        assert attributes.keys() - SOME_TOKENS == names


def calls(said: dict[str, Any]) -> Counter[str]:
    """Return how many calls of each kind the program made that *said* this."""
    made = Counter({"chat": 1, "chat stream": 1, "chat json": 1})
    if "run" in said:
        _, rounds, tools = said["run"]
        made += Counter({"invoke_agent": 1, "chat": rounds, "execute_tool": tools})
    return made + Counter({"embeddings": 1} if "vector" in said else {})


def kind_of(attributes: dict[str, Any]) -> str:
    """Return what the span is of."""
    kind: str = attributes["gen_ai.operation.name"]
    if "gen_ai.output.type" in attributes:
        return f"{kind} {attributes['gen_ai.output.type']}"
    return f"{kind} stream" if "gen_ai.request.stream" in attributes else kind


def names_model(attributes: dict[str, Any]) -> bool:
    """Return whether a model was asked for: the embedded one needs no name."""
    return attributes.get("pegboard.provider") != "local"
