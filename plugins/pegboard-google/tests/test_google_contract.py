"""
The contracts, kept through a mock of the API that nobody here wrote.

It answers by script and looks at neither limits nor schemas nor pictures: what is sent
of them is proven by the tests of requests.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from pegboard.testing.abilities import (
    SpeechModelContract,
    TranscriptionModelContract,
)
from pegboard.testing.chat import ChatModelContract, StreamingChatContract

no_stop = pytest.mark.xfail(reason="the mock does not stop at words", run=False)


@pytest.fixture(scope="module")
def mock(run_aimock: Callable[[Path], str]) -> str:
    """Run the mock and return its address."""
    return run_aimock(Path(__file__).parent / "fixtures")


class Tokens(BaseHTTPRequestHandler):
    """Gives a token to whoever asks."""

    def do_POST(self) -> None:
        """Answer as the place that service accounts are sent to."""
        self.rfile.read(int(self.headers["content-length"]))
        body = b'{"access_token": "token-1", "expires_in": 3600}'
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def tokens() -> Iterator[str]:
    """Run a place that gives tokens, in a thread of its own, and return its address."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Tokens) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


class AtMock:
    """A kit whose model is at the mock."""

    against = "mock"
    instance = {"provider": "gemini", "model": "gemini-3-flash"}

    @pytest.fixture
    def settings(self, mock: str) -> dict[str, Any]:
        """Return the settings of the model."""
        return {
            **self.instance,
            "api_key": "k",
            "base_url": mock,
            "api_version": "v1beta",
        }


class TestGemini(AtMock, ChatModelContract, StreamingChatContract):
    """The Gemini API."""

    @no_stop
    async def test_stop_is_kept_or_refused(self) -> None:
        """See the reason."""

    @no_stop
    async def test_a_stream_keeps_or_refuses_stop(self) -> None:
        """See the reason."""


class TestVertex(TestGemini):
    """Vertex AI, with tokens of a service account."""

    @pytest.fixture
    def settings(
        self, mock: str, tokens: str, make_credentials: Callable[[str], str]
    ) -> dict[str, Any]:
        """Return the settings of a model of a project at the mock."""
        return {
            **self.instance,
            "vertex": True,
            "project": "p-1",
            "credentials": make_credentials(tokens),
            "base_url": mock,
            "api_version": "v1",
        }


class TestSpeech(AtMock, SpeechModelContract):
    """Models that read aloud: samples without a head are what comes."""

    instance = {"provider": "gemini", "model": "gemini-2.5-flash-preview-tts"}


class TestTranscription(AtMock, TranscriptionModelContract):
    """Any model that hears."""

    @pytest.fixture
    def audio(self) -> bytes:
        """Return what the mock does not listen to."""
        return b"RIFF"
