from __future__ import annotations

import pytest
from pegboard_ollama._names import full_name
from pegboard_ollama.options import OllamaOptions
from pydantic import ValidationError


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("10m", "10m"),
        ("1h30m", "1h30m"),
        (300, 300),
        ("300", 300),
        ("-1", -1),
        (0, 0),
        ("-1s", "-1s"),
    ],
)
def test_keep_alive_is_a_duration_or_seconds(given: object, meant: object) -> None:
    """Numbers stay numbers, also where they come from a variable."""
    options = OllamaOptions.model_validate({"model": "m", "keep_alive": given})

    assert options.keep_alive == meant
    assert type(options.keep_alive) in {float, str}


@pytest.mark.parametrize(
    ("given", "meant"),
    [(True, True), ("false", False), ("low", "low"), (None, None)],
)
def test_think_is_whether_or_how_hard(given: object, meant: object) -> None:
    """As in Ollama's API."""
    assert OllamaOptions.model_validate({"model": "m", "think": given}).think == meant


@pytest.mark.parametrize(
    "wrong",
    [
        {"model": ""},
        {"keep_alive": "soon"},
        {"think": "enormously"},
        {"num_ctx": 0},
        {"pull_timeout": 0},
        {"disk_reserve": -1},
        {"x": 1},
    ],
)
def test_wrong_options_are_refused(wrong: dict[str, object]) -> None:
    """Before a model is made of them."""
    with pytest.raises(ValidationError):
        OllamaOptions.model_validate({"model": "m", **wrong})


def test_options_show_no_secret() -> None:
    """Neither key nor headers are written out."""
    options = OllamaOptions.model_validate(
        {"model": "m", "api_key": "ol-sentinel", "headers": {"X": "ol-sentinel"}}
    )

    assert "ol-sentinel" not in f"{options!r} {options.model_dump_json()}"


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("qwen3", "qwen3:latest"),
        ("qwen3:latest", "qwen3:latest"),
        ("Qwen3:4B", "qwen3:4b"),
        ("library/qwen3", "qwen3:latest"),
        ("registry.ollama.ai/library/qwen3:4b", "qwen3:4b"),
        ("me/qwen3", "me/qwen3:latest"),
        ("hf.co/me/Qwen3-GGUF:Q4_K_M", "hf.co/me/qwen3-gguf:q4_k_m"),
        ("localhost:5000/me/qwen3", "localhost:5000/me/qwen3:latest"),
    ],
)
def test_model_has_one_full_name(model: str, name: str) -> None:
    """Whatever parts of it were left out."""
    assert full_name(model) == name
