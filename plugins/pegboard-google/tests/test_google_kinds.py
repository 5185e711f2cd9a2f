"""What an instance can do depends on what its model is for."""

import pytest
from pegboard import Pegboard

CHAT = {"chat", "streaming", "batches", "token_count", "transcription"}


def abilities(**options):
    """Return what an instance with *options* can do, the list of models aside."""
    section = {"provider": "gemini", "api_key": "k", **options}
    board = Pegboard.isolated({"llm": {"default": section}})
    return board.llm().abilities - {"model_list"}


@pytest.mark.parametrize(
    ("model", "able"),
    [
        ("gemini-3-flash", CHAT),
        ("models/gemini-2.5-pro", CHAT),
        ("gemini-embedding-001", {"embeddings"}),
        ("gemini-2.5-flash-preview-tts", {"speech"}),
        (
            "gemini-2.5-flash-image",
            CHAT - {"transcription"} | {"image_generation"},
        ),
    ],
)
def test_name_tells_the_work(model, able):
    """A model for one thing is not asked for another."""
    assert abilities(model=model) == able


def test_options_add_models_for_other_work():
    """An instance may have a model for each ability."""
    able = abilities(
        model="gemini-3-flash",
        embedding_model="gemini-embedding-001",
        image_models=["gemini-2.5-flash-image"],
    )

    assert able == CHAT | {"embeddings", "image_generation"}


def test_unknown_names_keep_the_claims():
    """A name that nobody described stops nothing."""
    assert {"chat", "embeddings", "speech"} <= abilities(model="tuned-7")
