from __future__ import annotations

import pytest
from pegboard_ollama._host import address_of, is_this_machine
from pegboard_ollama.options import OllamaOptions
from pydantic import ValidationError


@pytest.mark.parametrize(
    ("host", "address"),
    {
        "127.0.0.1": "http://127.0.0.1:11434",
        "0.0.0.0": "http://127.0.0.1:11434",  # noqa: S104 - what OLLAMA_HOST often is
        "0.0.0.0:9000": "http://127.0.0.1:9000",
        "[::]:9000": "http://[::1]:9000",
        "[fd00::7]": "http://[fd00::7]:11434",
        ":9000": "http://127.0.0.1:9000",
        "": "http://127.0.0.1:11434",
        "gpu.lan": "http://gpu.lan:11434",
        "gpu.lan:9000": "http://gpu.lan:9000",
        "gpu.lan/ollama/": "http://gpu.lan:11434/ollama",
        "http://gpu.lan": "http://gpu.lan:80",
        "https://gpu.lan": "https://gpu.lan:443",
        "https://gpu.lan:9000/api-of/ollama/": "https://gpu.lan:9000/api-of/ollama",
        ' "gpu.lan" ': "http://gpu.lan:11434",
    }.items(),
)
def test_host_is_spelt_as_ollama_lets_one(host: str, address: str) -> None:
    """What a server listens on everywhere is reached at this machine."""
    assert OllamaOptions(model="m", host=host).host == address
    assert address_of(address) == address


@pytest.mark.parametrize(
    ("host", "reason"),
    [
        ("ftp://gpu.lan", "the scheme 'ftp' is unknown"),
        ("gpu.lan:high", "[Pp]ort"),
        ("gpu.lan:99999", "Port out of range"),
        ("http://me:secret@gpu.lan", "Set headers.Authorization"),
        ("http://gpu.lan?x=1", "more than a host"),
    ],
)
def test_what_is_no_host_is_refused(host: str, reason: str) -> None:
    """With a reason, and without showing it: it may hold a password."""
    with pytest.raises(ValidationError, match=reason) as caught:
        OllamaOptions(model="m", host=host)

    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("address", "is_here"),
    [
        ("http://127.0.0.1:1", True),
        ("http://[::1]:1", True),
        ("http://localhost:1", True),
        ("http://192.168.0.7:1", False),
        ("https://gpu.lan:443", False),
    ],
)
def test_this_machine_is_told_from_others(address: str, *, is_here: bool) -> None:
    """Only its disk can be looked at."""
    assert is_this_machine(address) is is_here
