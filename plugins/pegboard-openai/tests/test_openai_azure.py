"""Azure OpenAI: where requests go, who they say they are from, what it answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pegboard import Pegboard
from pegboard.errors import (
    Authentication,
    ContentFiltered,
    InvalidReply,
    NotFound,
    RateLimited,
)
from pegboard.testing import openai_wire as wire
from pegboard.testing.fault_server import (
    FaultServer,
    Received,
    Scripted,
    server_sent_event,
)

OpenBoard = Callable[..., Pegboard]
VERSION = "2025-04-01-preview"
FILTERED = {
    "error": {
        "message": "The response was filtered.",
        "type": None,
        "param": "prompt",
        "code": "content_filter",
        "status": 400,
        "innererror": {
            "code": "ResponsibleAIPolicyViolation",
            "content_filter_result": {"violence": {"filtered": True}},
        },
    }
}


def token() -> str:
    """Return a token, as a function of a program would."""
    return "fresh"


def no_token() -> str:
    """Fail, as a function does where nobody has logged in."""
    msg = "No login"
    raise RuntimeError(msg)


@pytest.fixture
def azure(server: FaultServer) -> OpenBoard:
    """Return what makes boards whose default model is a deployment."""

    def make(**more: object) -> Pegboard:
        section = {
            "provider": "azure",
            "model": "my deployment",
            "endpoint": server.url,
            "api": "chat",
            **more,
        }
        return Pegboard.isolated({"llm": {"default": section}})

    return make


async def asked(server: FaultServer, board: Pegboard) -> Received:
    """Return the request that a question to the default model makes."""
    server.respond(Scripted.json(wire.chat_completion()))
    async with board:
        await board.llm().complete("Hello?")
    return await server.next_request()


async def test_key_has_its_own_header(server: FaultServer, azure: OpenBoard) -> None:
    """And no other header holds one."""
    request = await asked(server, azure(api_key="k-1"))

    assert request.path == "/openai/v1/chat/completions"
    assert request.headers["api-key"] == "k-1"
    assert "authorization" not in request.headers
    assert request.json["model"] == "my deployment"


async def test_token_goes_before_a_key(server: FaultServer, azure: OpenBoard) -> None:
    """A program that has one means it."""
    request = await asked(server, azure(api_key="k-1", entra_token="t-1"))

    assert request.headers["authorization"] == "Bearer t-1"
    assert "api-key" not in request.headers


async def test_function_is_asked_for_each_token(
    server: FaultServer, azure: OpenBoard
) -> None:
    """Tokens last an hour, programs longer."""
    request = await asked(server, azure(entra_token="old", entra_token_provider=token))

    assert request.headers["authorization"] == "Bearer fresh"


async def test_function_that_fails_is_an_error(
    server: FaultServer, azure: OpenBoard
) -> None:
    """Of the credential, whatever library it comes from; nothing is sent."""
    async with azure(entra_token_provider=no_token) as board:
        with pytest.raises(Authentication, match="raised RuntimeError: No login") as no:
            await board.llm().complete("Hello?")

    assert no.value.request_sent == "no"
    assert server.requests == []


async def test_version_leads_to_the_deployment(
    server: FaultServer, azure: OpenBoard
) -> None:
    """The older API has the deployment in its path and the version behind it."""
    request = await asked(server, azure(api_key="k-1", api_version=VERSION))

    where = "/openai/deployments/my%20deployment/chat/completions"
    assert request.path == f"{where}?api-version={VERSION}"


async def test_only_some_paths_are_of_a_deployment(
    server: FaultServer, azure: OpenBoard
) -> None:
    """Responses and batches are of the resource."""
    board = azure(api_key="k", api_version=VERSION, api="responses", model="m")
    answers = [wire.response(), wire.embeddings([1.0]), wire.images(b"p"), wire.batch()]
    server.respond(*map(Scripted.json, answers))
    async with board:
        llm = board.llm()
        await llm.complete("Hello?")
        await llm.embed("Hello?")
        await llm.generate_images("a peg")
        await llm.batches.get("batch_1")

    places = [request.path.partition("?")[0] for request in server.requests]
    assert places == [
        "/openai/responses",
        "/openai/deployments/m/embeddings",
        "/openai/deployments/m/images/generations",
        "/openai/batches/batch_1",
    ]


async def test_key_is_not_redirected(server: FaultServer, azure: OpenBoard) -> None:
    """Whoever answers with another address does not learn the key there."""
    elsewhere = {"location": f"{server.url}/elsewhere"}
    server.respond(Scripted(status=307, headers=elsewhere))
    async with azure(api_key="k-1") as board:
        with pytest.raises(InvalidReply, match="307"):
            await board.llm().complete("Hello?")

    assert len(server.requests) == 1


async def test_filtered_question_is_an_error(
    server: FaultServer, azure: OpenBoard
) -> None:
    """By its code, for the status is that of any mistake."""
    server.respond(Scripted.json(FILTERED, status=400))
    async with azure(api_key="k") as board:
        with pytest.raises(ContentFiltered, match="was filtered") as caught:
            await board.llm().complete("Hello?")

    assert caught.value.code == "content_filter"


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [(404, "DeploymentNotFound", NotFound), (429, "429", RateLimited)],
)
async def test_codes_of_azure_are_known(
    server: FaultServer, azure: OpenBoard, status: int, code: str, kind: type
) -> None:
    """Some are statuses, some are names."""
    answer = {"error": {"code": code, "message": "No."}}
    server.respond(Scripted.json(answer, status=status))
    async with azure(api_key="k", policy={"attempts": 1}) as board:
        with pytest.raises(kind):
            await board.llm().complete("Hello?")


async def test_verdicts_are_told(server: FaultServer, azure: OpenBoard) -> None:
    """Of the question and of the reply."""
    answer: dict[str, Any] = wire.chat_completion(finish_reason="content_filter")
    verdict = {"hate": {"filtered": True, "severity": "high"}}
    answer["choices"][0]["content_filter_results"] = verdict
    answer["prompt_filter_results"] = [{"prompt_index": 0}]
    server.respond(Scripted.json(answer))
    async with azure(api_key="k") as board:
        reply = await board.llm().complete("Hello?")

    assert reply.finish_reason == "content_filter"
    assert reply.provider_metadata["azure"]["content_filter_results"] == verdict
    assert reply.provider_metadata["azure"]["prompt_filter_results"]


async def test_verdicts_are_told_in_a_stream(
    server: FaultServer, azure: OpenBoard
) -> None:
    """The first event has no words, only what was found in the question."""
    first = {"choices": [], "model": "", "prompt_filter_results": [{"prompt_index": 0}]}
    steps = wire.chat_stream("Hello.")
    server.respond(Scripted.events(server_sent_event(first), *steps))
    async with azure(api_key="k") as board, board.llm().stream("Hello?") as stream:
        words = [text async for text in stream.text]

    assert words == ["Hello."]
    assert stream.reply.model == "stub-1"
    assert stream.reply.provider_metadata["azure"]["prompt_filter_results"]


def test_credential_is_needed() -> None:
    """Checking the settings is enough to learn it."""
    section = {"provider": "azure", "model": "m", "endpoint": "https://x"}

    (problem,) = Pegboard.isolated({"llm": {"default": section}}).check()

    assert "set api_key, entra_token or entra_token_provider" in problem.message
