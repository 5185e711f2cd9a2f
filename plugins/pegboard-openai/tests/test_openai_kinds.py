"""What an instance can do depends on what its model is for."""

import pytest
from pegboard import Pegboard

CHAT = {"chat", "streaming", "batches"}


def abilities(**options):
    """Return what an instance with *options* can do, the list of models aside."""
    section = {"provider": "openai", "api_key": "k", **options}
    board = Pegboard.isolated({"llm": {"default": section}})
    return board.llm().abilities - {"model_list"}


@pytest.mark.parametrize(
    ("model", "able"),
    [
        ("gpt-5-nano", CHAT),
        ("o3-mini-2025-01-31", CHAT),
        ("text-embedding-3-small", {"embeddings"}),
        ("gpt-image-2", {"image_generation"}),
        ("tts-1-hd", {"speech"}),
        ("gpt-4o-mini-tts", {"speech"}),
        ("gpt-4o-transcribe", {"transcription"}),
        ("whisper-1", {"transcription"}),
    ],
)
def test_name_tells_the_work(model, able):
    """A model for one thing is not asked for another."""
    assert abilities(model=model) == able


def test_options_add_models_for_other_work():
    """An instance may have a model for each ability."""
    able = abilities(model="gpt-5-nano", embedding_model="text-embedding-3-small")

    assert able == CHAT | {"embeddings"}


def test_unknown_names_keep_the_claims():
    """A name that nobody described stops nothing."""
    assert {"chat", "embeddings", "speech"} <= abilities(model="my-own")


def test_selection_finds_the_model_for_the_work():
    """Among a chat model and an embedding model, the right one is chosen."""
    openai = {"provider": "openai", "api_key": "k"}
    settings = {
        "talker": {**openai, "model": "gpt-5-nano"},
        "vectors": {**openai, "model": "text-embedding-3-small"},
    }
    board = Pegboard.isolated({"llm": settings})

    assert board.select(needs={"embeddings"}).address == "llm.vectors"
    assert board.select(needs={"json_schema", "chat"}).address == "llm.talker"
