"""
How each library is asked for a reply and for a stream, by provider.

Imports no library before its way is taken: each is in an environment of its own.
"""
# ruff: noqa: PLC0415

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

Call = Callable[[], Awaitable[str]]
Talk = tuple[Call, Call]

KEY = "k"
HELLO = "Say hello to everyone who is here, and tell them what there is to do."
STORY = "Tell everyone who is here a story, and tell them what there is to do."
PROVIDERS = ("openai", "anthropic", "ollama")


def messages(text: str, turns: int = 1) -> Any:
    """Return a conversation of *turns* as most SDKs take it."""
    roles = ("user", "assistant")
    return [{"role": roles[n % 2], "content": text} for n in range(turns)]


@asynccontextmanager
async def raw_openai(url: str, turns: int = 1) -> AsyncIterator[Talk]:
    """Ask by the SDK alone, without its retries."""
    from openai import AsyncOpenAI

    hello, story = messages(HELLO, turns), messages(STORY, turns)
    async with AsyncOpenAI(api_key=KEY, base_url=f"{url}/v1", max_retries=0) as client:
        create = client.chat.completions.create

        async def complete() -> str:
            reply = await create(model="bench", messages=hello)
            return reply.choices[0].message.content or ""

        async def stream() -> str:
            chunks = await create(model="bench", messages=story, stream=True)
            return "".join([c.choices[0].delta.content or "" async for c in chunks])

        yield complete, stream


@asynccontextmanager
async def raw_anthropic(url: str, turns: int = 1) -> AsyncIterator[Talk]:
    """Ask by the SDK alone, without its retries."""
    from anthropic import AsyncAnthropic

    given: Any = {"model": "bench", "max_tokens": 100}
    hello, story = messages(HELLO, turns), messages(STORY, turns)
    async with AsyncAnthropic(api_key=KEY, base_url=url, max_retries=0) as client:
        create = client.messages.create

        async def complete() -> str:
            return (await create(**given, messages=hello)).content[0].text

        async def stream() -> str:
            events = await create(**given, messages=story, stream=True)
            return "".join(
                [e.delta.text async for e in events if e.type == "content_block_delta"]
            )

        yield complete, stream


@asynccontextmanager
async def raw_gemini(url: str, turns: int = 1) -> AsyncIterator[Talk]:
    """Ask by the SDK alone."""
    from google import genai

    def contents(text: str) -> Any:
        roles = ("user", "model")
        return [{"role": roles[n % 2], "parts": [{"text": text}]} for n in range(turns)]

    hello, story = contents(HELLO), contents(STORY)
    options = {"base_url": url, "api_version": "v1"}
    async with genai.Client(api_key=KEY, http_options=options).aio as client:
        models = client.models

        async def complete() -> str:
            reply = await models.generate_content(model="bench", contents=hello)
            return reply.text or ""

        async def stream() -> str:
            pieces = await models.generate_content_stream(model="bench", contents=story)
            return "".join([piece.text or "" async for piece in pieces])

        yield complete, stream


@asynccontextmanager
async def raw_ollama(url: str, turns: int = 1) -> AsyncIterator[Talk]:
    """Ask by the SDK alone."""
    from ollama import AsyncClient

    hello, story = messages(HELLO, turns), messages(STORY, turns)
    async with AsyncClient(url) as client:

        async def complete() -> str:
            reply = await client.chat(model="bench", messages=hello)
            return reply.message.content or ""

        async def stream() -> str:
            parts = await client.chat(model="bench", messages=story, stream=True)
            return "".join([part.message.content or "" async for part in parts])

        yield complete, stream


def raw(provider: str, url: str, turns: int = 1) -> AbstractAsyncContextManager[Talk]:
    """Ask by the provider's own SDK."""
    ways = {
        "openai": raw_openai,
        "anthropic": raw_anthropic,
        "gemini": raw_gemini,
        "ollama": raw_ollama,
    }
    return ways[provider](url, turns)


@asynccontextmanager
async def pegboard(provider: str, url: str, turns: int = 1) -> AsyncIterator[Talk]:
    """Ask a board: deadline, retries, quota, breaker, accounts, journal."""
    from pegboard import Message, Pegboard

    sections = {
        "openai": {"api": "chat", "api_key": KEY, "base_url": f"{url}/v1"},
        "anthropic": {"api_key": KEY, "base_url": url},
        "gemini": {"api_key": KEY, "base_url": url},
        "ollama": {"host": url},
    }
    section = {"provider": provider, "model": "bench", **sections[provider]}
    hello, story = (
        [Message.of(one["role"], one["content"]) for one in messages(text, turns)]
        for text in (HELLO, STORY)
    )
    async with Pegboard.isolated({"llm": {"default": section}}) as board:
        llm = board.llm()

        async def complete() -> str:
            return (await llm.complete(hello)).text

        async def stream() -> str:
            async with llm.stream(story) as events:
                return "".join([text async for text in events.text])

        yield complete, stream


@asynccontextmanager
async def litellm(provider: str, url: str) -> AsyncIterator[Talk]:
    """Ask by its function, without retries."""
    from litellm import acompletion

    yield openai_like(acompletion, **litellm_model(provider, url))


@asynccontextmanager
async def router(provider: str, url: str) -> AsyncIterator[Talk]:
    """Ask by its Router, which retries and cools down."""
    from litellm import Router

    model = litellm_model(provider, url)
    many = Router(
        model_list=[{"model_name": "bench", "litellm_params": model}],
        num_retries=2,
        allowed_fails=5,
        cooldown_time=30,
    )
    yield openai_like(many.acompletion, model="bench")


def litellm_model(provider: str, url: str) -> dict[str, str]:
    """Return how litellm is told of the server."""
    prefix = "ollama_chat" if provider == "ollama" else provider
    base = f"{url}/v1" if provider == "openai" else url
    return {"model": f"{prefix}/bench", "api_key": KEY, "api_base": base}


def openai_like(create: Callable[..., Any], **given: Any) -> Talk:
    """Ask *create*, which answers as the OpenAI SDK does."""

    async def complete() -> str:
        reply = await create(messages=messages(HELLO), **given)
        return str(reply.choices[0].message.content)

    async def stream() -> str:
        chunks = await create(messages=messages(STORY), stream=True, **given)
        return "".join(
            [c.choices[0].delta.content or "" async for c in chunks if c.choices]
        )

    return complete, stream


@asynccontextmanager
async def any_llm(provider: str, url: str) -> AsyncIterator[Talk]:
    """Ask by one of its clients, kept from call to call."""
    from any_llm import AnyLLM

    base = f"{url}/v1" if provider == "openai" else url
    client = AnyLLM.create(provider, api_key=KEY, api_base=base)
    yield openai_like(client.acompletion, model="bench")


def langchain_model(provider: str, url: str) -> Any:
    """Return langchain's chat model, without retries."""
    if provider == "openai":
        from langchain_openai import ChatOpenAI

        base = f"{url}/v1"
        return ChatOpenAI(model="bench", api_key=KEY, base_url=base, max_retries=0)
    if provider == "anthropic":
        from langchain_anthropic import ChatAnthropic

        return ChatAnthropic(model="bench", api_key=KEY, base_url=url, max_retries=0)
    from langchain_ollama import ChatOllama

    return ChatOllama(model="bench", base_url=url)


@asynccontextmanager
async def langchain(provider: str, url: str) -> AsyncIterator[Talk]:
    """Ask by its chat model of the provider."""
    model = langchain_model(provider, url)

    async def complete() -> str:
        return str((await model.ainvoke(HELLO)).text)

    async def stream() -> str:
        return "".join([str(piece.text) async for piece in model.astream(STORY)])

    yield complete, stream


def pydantic_ai_model(provider: str, url: str) -> Any:
    """Return pydantic-ai's model; Ollama is asked at its OpenAI-like address."""
    if provider == "anthropic":
        from pydantic_ai.models.anthropic import (
            AnthropicModel,
        )
        from pydantic_ai.providers.anthropic import (
            AnthropicProvider,
        )

        return AnthropicModel(
            "bench", provider=AnthropicProvider(api_key=KEY, base_url=url)
        )
    from pydantic_ai.models.openai import (
        OpenAIChatModel,
    )
    from pydantic_ai.providers.openai import (
        OpenAIProvider,
    )

    return OpenAIChatModel(
        "bench", provider=OpenAIProvider(api_key=KEY, base_url=f"{url}/v1")
    )


@asynccontextmanager
async def pydantic_ai(provider: str, url: str) -> AsyncIterator[Talk]:
    """Ask by its ``direct`` functions, without an agent."""
    from pydantic_ai import direct
    from pydantic_ai.messages import (
        ModelRequest,
        PartDeltaEvent,
        PartStartEvent,
    )

    model = pydantic_ai_model(provider, url)
    hello, story = ([ModelRequest.user_text_prompt(text)] for text in (HELLO, STORY))

    async def complete() -> str:
        return str((await direct.model_request(model, hello)).text)

    async def stream() -> str:
        words = []
        async with direct.model_request_stream(model, story) as events:
            async for event in events:
                if isinstance(event, PartStartEvent):
                    words.append(event.part.content)
                elif isinstance(event, PartDeltaEvent):
                    words.append(event.delta.content_delta)
        return "".join(words)

    yield complete, stream


class Way(NamedTuple):
    """How a library is asked, what its version is called, what it needs."""

    talk: Callable[[str, str], AbstractAsyncContextManager[Talk]]
    distribution: str
    needed: tuple[str, ...] = ()


LITELLM = ("litellm>=1.100", "openai", "anthropic", "ollama")
ANY_LLM = ("any-llm-sdk[openai,anthropic,ollama]>=1.40",)
LANGCHAIN = (
    "langchain-openai>=1.7",
    "langchain-anthropic>=1.7",
    "langchain-ollama>=1.1",
)
PYDANTIC_AI = ("pydantic-ai-slim[openai,anthropic]>=2.60", "ollama")
WAYS = {
    "raw SDK": Way(raw, "{}"),
    "pegboard": Way(pegboard, "pegboard"),
    "litellm": Way(litellm, "litellm", LITELLM),
    "litellm.Router": Way(router, "litellm", LITELLM),
    "any-llm": Way(any_llm, "any-llm-sdk", ANY_LLM),
    "langchain": Way(langchain, "langchain-{}", LANGCHAIN),
    "pydantic-ai": Way(pydantic_ai, "pydantic-ai-slim", PYDANTIC_AI),
}
"""The raw SDK first: the others are compared with it."""


def distribution(way: str, provider: str) -> str:
    """Return the distribution whose version *way* has."""
    return WAYS[way].distribution.format(provider)


def command(way: str) -> list[str]:
    """Return how to start the Python of the environment of *way*."""
    if not WAYS[way].needed:
        return [sys.executable]
    uv = Path(sys.executable).with_name("uv")
    start = [str(uv) if uv.exists() else "uv", "run", "--no-project", "--isolated"]
    start += ["--python", f"3.{sys.version_info.minor}"]
    for one in WAYS[way].needed:
        start += ["--with", one]
    return [*start, "python"]


def surroundings() -> dict[str, str]:
    """Return the environment of processes: bytecode is kept, nothing is looked up."""
    kept = {**os.environ, "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
    kept.pop("PYTHONDONTWRITEBYTECODE", None)
    return kept


def run(way: str, *arguments: str) -> Any:
    """Return the JSON that a process of *way* prints last, or why it failed."""
    done = subprocess.run(
        [*command(way), *arguments],
        check=False,
        capture_output=True,
        text=True,
        env=surroundings(),
    )
    if done.returncode:
        return (done.stderr.strip() or f"it ended by {done.returncode}").splitlines()[
            -1
        ]
    return json.loads(done.stdout.strip().splitlines()[-1])
