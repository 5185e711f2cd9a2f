from __future__ import annotations

import json
import re
import time
from base64 import b64encode
from collections.abc import AsyncIterator, Callable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from pegboard import ChatRequest, Context, Message, Pegboard
from pegboard.testing import gemini_wire as wire
from pegboard.testing._media import PICTURE
from pegboard.testing.fault_server import FaultServer, Received, Scripted
from pegboard_google._model import GeminiModel
from pegboard_google.options import GeminiOptions

OpenModel = Callable[..., GeminiModel]
OpenBoard = Callable[..., Pegboard]
Clock = Callable[[], float]


@pytest.fixture
def hello() -> ChatRequest:
    """Return a short request."""
    return ChatRequest(messages=(Message.of("user", "Hello?"),))


@pytest.fixture
async def server() -> AsyncIterator[FaultServer]:
    """Run a server with an empty script."""
    async with FaultServer() as running:
        yield running


@pytest.fixture
async def open_model(server: FaultServer) -> AsyncIterator[OpenModel]:
    """Return what makes models that talk to the server, closed at the end."""
    opened = []

    def make(model: str = "gemini-3-flash", **more: object) -> GeminiModel:
        given = {"model": model, "base_url": server.url, "api_key": "k-1", **more}
        options = GeminiOptions.model_validate(given)
        context = Context(address="llm.default", data_folder=Path(), clock=lambda: 0.0)
        opened.append(GeminiModel(options, context))
        return opened[-1]

    yield make
    for model in opened:
        await model.aclose()


@pytest.fixture(scope="session")
def make_credentials() -> Callable[[str], str]:
    """Return what makes a service account's key, whose tokens come from an address."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    text = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    def make(address: str) -> str:
        told = {
            "type": "service_account",
            "client_email": "robot@p-1.iam.gserviceaccount.com",
            "private_key": text.decode(),
            "private_key_id": "1",
            "token_uri": f"{address}/token",
        }
        return json.dumps(told)

    return make


@pytest.fixture
async def open_board(server: FaultServer) -> AsyncIterator[OpenBoard]:
    """Return what makes boards whose default model is at the server."""
    opened = []

    def make(
        *, plugins: Sequence[object] = (), clock: Clock = time.time, **more: object
    ) -> Pegboard:
        section = {
            "provider": "gemini",
            "model": "gemini-3-flash",
            "base_url": server.url,
            "api_key": "key-sentinel",
            "policy": {"backoff": 0},
            **more,
        }
        settings = {"llm": {"default": section}}
        opened.append(Pegboard.isolated(settings, plugins=plugins, clock=clock))
        return opened[-1]

    yield make
    for board in opened:
        await board.aclose()


@pytest.fixture
async def service() -> AsyncIterator[FaultServer]:
    """Run a stand-in for the API."""
    async with FaultServer(otherwise=GeminiService()) as running:
        yield running


ENTRIES = (
    {
        "name": "models/gemini-3-flash",
        "displayName": "Gemini 3 Flash",
        "inputTokenLimit": 1048576,
        "outputTokenLimit": 65536,
        "supportedGenerationMethods": [
            "generateContent",
            "countTokens",
            "batchGenerateContent",
        ],
        "thinking": True,
    },
    {
        "name": "models/gemini-embedding-001",
        "displayName": "Gemini Embedding 001",
        "inputTokenLimit": 2048,
        "supportedGenerationMethods": ["embedContent"],
    },
)
CANCELLED, DONE = "BATCH_STATE_CANCELLED", "BATCH_STATE_SUCCEEDED"


class GeminiService:
    """
    Answers what no mock of the API knows: embeddings, batches, models, token counts.

    Its shapes are those that the SDK reads and the documentation describes.
    """

    def __init__(self) -> None:
        self.batches: dict[str, dict[str, Any]] = {}

    def __call__(self, request: Received) -> Scripted:
        """Return the answer to *request*."""
        path = request.path.partition("?")[0].removeprefix("/v1/")
        for pattern, answer in (
            (r"models", self._models),
            (r"models/[^:]+:batchEmbedContents", self._embed),
            (r"models/[^:]+:countTokens", self._count),
            (r"models/[^:]+:generateContent", self._paint),
            (r"models/[^:]+:batchGenerateContent", self._submit),
            (r"(batches/[^:]+)", self._get),
            (r"(batches/[^:]+):cancel", self._cancel),
        ):
            if found := re.fullmatch(pattern, path):
                return answer(request, *found.groups())
        return _not_found()

    def _models(self, request: Received) -> Scripted:
        second = "pageToken=2" in request.path
        page = {"models": [ENTRIES[second]]}
        return Scripted.json(page if second else {**page, "nextPageToken": "2"})

    def _embed(self, request: Received) -> Scripted:
        asked = request.json["requests"]
        texts = ["".join(p["text"] for p in one["content"]["parts"]) for one in asked]
        vectors = [{"values": _numbers(text)} for text in texts]
        usage = {"promptTokenCount": sum(map(_words, texts))}
        return Scripted.json({"embeddings": vectors, "usageMetadata": usage})

    def _count(self, request: Received) -> Scripted:
        asked = request.json["generateContentRequest"]
        turns = [*asked["contents"], asked.get("systemInstruction", {"parts": []})]
        texts = [part["text"] for turn in turns for part in turn["parts"]]
        return Scripted.json({"totalTokens": sum(map(_words, texts))})

    def _paint(self, request: Received) -> Scripted:
        config = request.json["generationConfig"]
        assert config["responseModalities"] == ["TEXT", "IMAGE"]
        picture = b64encode(PICTURE).decode()
        part = {"inlineData": {"mimeType": "image/png", "data": picture}}
        return Scripted.json(wire.response(wire.text("Here."), part))

    def _submit(self, request: Received) -> Scripted:
        asked = request.json["batch"]["inputConfig"]["requests"]["requests"]
        name = f"batches/{len(self.batches)}"
        answers = [
            {"response": wire.response(), "metadata": one["metadata"]} for one in asked
        ]
        self.batches[name] = {
            "name": name,
            "metadata": {
                "model": "models/gemini-3-flash",
                "state": "BATCH_STATE_PENDING",
                "batchStats": {"requestCount": str(len(asked))},
                "output": {"inlinedResponses": {"inlinedResponses": answers}},
            },
        }
        pending = {**self.batches[name]["metadata"]}
        del pending["output"]
        return Scripted.json({"name": name, "metadata": pending})

    def _get(self, _request: Received, name: str) -> Scripted:
        if name not in self.batches:
            return _not_found()
        told = self.batches[name]["metadata"]
        if told["state"] != CANCELLED:
            told["state"] = DONE
            told["batchStats"]["successfulRequestCount"] = told["batchStats"][
                "requestCount"
            ]
        return Scripted.json({**self.batches[name], "done": True})

    def _cancel(self, _request: Received, name: str) -> Scripted:
        self.batches[name]["metadata"]["state"] = CANCELLED
        return Scripted.json({})


def _not_found() -> Scripted:
    return Scripted.json(wire.error("NOT_FOUND"), status=404)


def _numbers(text: str) -> list[float]:
    return [byte / 255 for byte in sha256(text.encode()).digest()[:8]]


def _words(text: str) -> int:
    return len(text.split())
