"""What the server tells of a model is held against what is asked of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from pegboard import Image, Message, Pegboard, Text, Tool
from pegboard.errors import ConnectionFailed, Unsupported
from pegboard.testing import ollama_wire as wire
from pegboard.testing.cancellation import cancel_at_every_await
from pegboard.testing.fault_server import FaultServer, Scripted

if TYPE_CHECKING:
    from pegboard.testing.fault_server import Received

OpenBoard = Callable[..., Pegboard]

TOOLS: dict[str, Any] = {
    "tools": [Tool("look", "Look.", {"type": "object", "properties": {}})]
}
EFFORT: dict[str, Any] = {"reasoning_effort": "low"}
SEEN = Message("user", (Text("What is it?"), Image(b"\x89PNG")))
ANSWER = Scripted.json(wire.chat())


class Shown:
    """A server whose models can do what it was told."""

    def __init__(self, *capabilities: str) -> None:
        self.shown: Any = wire.show(*capabilities)
        self.paths: list[str] = []

    def __call__(self, request: Received) -> Scripted:
        self.paths.append(request.path)
        if request.path == "/api/tags":
            return Scripted.json(wire.tags("stub-1", "stub-2"))
        if request.path != "/api/show":
            stream = request.json["stream"]
            return Scripted.lines(*wire.chat_stream("Hi")) if stream else ANSWER
        if self.shown is None:
            return Scripted.json(wire.error(), status=404)
        return Scripted.json(self.shown)


@pytest.fixture
def models() -> Shown:
    """Return models that chat, and nothing else."""
    return Shown()


@pytest.fixture
async def server(models: Shown) -> Any:
    """Run their server."""
    async with FaultServer(otherwise=models) as running:
        yield running


@pytest.mark.parametrize(
    ("prompt", "more", "named", "word"),
    [
        ("Hi", TOOLS, "tools", "tools"),
        (SEEN, {}, "images", "vision"),
        ("Hi", EFFORT, "reasoning_effort", "thinking"),
    ],
)
async def test_what_the_model_lacks_is_refused_before_it_is_asked(
    models: Shown, open_board: OpenBoard, prompt: Any, more: Any, named: str, word: str
) -> None:
    """By name, with what there is; a model that has it is asked."""
    llm = open_board().llm()
    with pytest.raises(Unsupported, match=named) as caught:
        await llm.complete(prompt, **more)
    models.shown = wire.show(word)
    await llm.complete(prompt, **more)

    assert caught.value.request_sent == "no"
    assert "completion" in str(caught.value)
    assert models.paths == ["/api/show", "/api/show", "/api/chat"]


async def test_stream_is_refused_likewise(models: Shown, open_board: OpenBoard) -> None:
    """Before its first event."""
    with pytest.raises(Unsupported, match="tools"):
        async with open_board().llm().stream("Hi", **TOOLS) as stream:
            _ = [event async for event in stream]

    assert models.paths == ["/api/show"]


async def test_model_that_only_embeds_does_not_chat(
    models: Shown, open_board: OpenBoard
) -> None:
    """Whatever else it is asked for."""
    models.shown = {"capabilities": ["embedding", "tools"]}

    with pytest.raises(Unsupported, match="chat"):
        await open_board().llm().complete("Hi", **TOOLS)


async def test_plain_words_need_no_question(
    models: Shown, open_board: OpenBoard
) -> None:
    """Nor does a wish that every model can fulfil."""
    llm = open_board().llm()
    await llm.complete("Hi", temperature=0.0, reasoning_effort="none")

    assert models.paths == ["/api/chat"]


async def test_server_is_asked_once(models: Shown, open_board: OpenBoard) -> None:
    """Of each model, as long as it can do what is asked."""
    models.shown = wire.show("tools", "thinking")
    llm = open_board().llm()
    await llm.complete("Hi", **TOOLS)
    await llm.complete("Hi", **TOOLS, **EFFORT)
    await llm.complete("Hi", **TOOLS, model="stub-2")

    assert models.paths.count("/api/show") == 2


@pytest.mark.parametrize("shown", [None, {"details": {}}, []])
async def test_server_that_does_not_tell_decides_itself(
    models: Shown, open_board: OpenBoard, shown: Any
) -> None:
    """Older ones, and those that only speak as Ollama does."""
    models.shown = shown

    assert (await open_board().llm().complete("Hi", **TOOLS)).text == "Hello."


async def test_question_fails_as_calls_do(
    server: FaultServer, open_board: OpenBoard
) -> None:
    """An outage is not taken for a model that can do nothing."""
    board = open_board(host="http://127.0.0.1:1", policy={"attempts": 1})

    with pytest.raises(ConnectionFailed):
        await board.llm().complete("Hi", **TOOLS)

    assert server.requests == []


async def test_call_that_asks_first_can_be_cancelled_anywhere(
    models: Shown, open_board: OpenBoard
) -> None:
    """And another one is answered."""
    models.shown = wire.show("tools")

    async def call() -> object:
        return await open_board().llm().complete("Hi", **TOOLS)

    await cancel_at_every_await(call, lambda: None)

    assert await call()


def test_event_loops_may_follow_each_other(tmp_path: Any) -> None:
    """What is known holds no connection."""

    async def ask(board: Pegboard) -> str:
        reply = await board.llm().complete("Hi", **TOOLS)
        return reply.text

    async def both() -> list[str]:
        async with FaultServer(otherwise=Shown("tools")) as server:
            section = {"provider": "ollama", "model": "stub-1", "host": server.url}
            settings = {"data_folder": str(tmp_path), "llm": {"default": section}}
            board = Pegboard.isolated(settings)
            texts = [
                await asyncio.to_thread(lambda: asyncio.run(ask(board)))
                for _ in range(2)
            ]
            await board.aclose()
            return texts

    assert asyncio.run(both()) == ["Hello.", "Hello."]


async def test_list_tells_what_models_can_do(
    models: Shown, open_board: OpenBoard
) -> None:
    """In our words, and how much they read at once."""
    models.shown = wire.show("tools", "vision", context_length=8192)
    listed = await open_board().llm().list_models()
    models.shown = None
    untold = await open_board().llm().list_models()

    assert [entry.id for entry in listed] == ["stub-1", "stub-2"]
    assert [entry.context_window for entry in listed] == [8192, 8192]
    assert listed[0].capabilities == {
        *("temperature", "top_p", "seed", "stop", "json_schema", "tools", "images")
    }
    assert [entry.capabilities for entry in untold] == [None, None]


async def test_health_asks_of_no_model(models: Shown, open_board: OpenBoard) -> None:
    """The list is enough."""
    await open_board().health()

    assert models.paths == ["/api/tags"]
