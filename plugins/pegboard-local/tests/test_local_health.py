"""Whether the model can be used, found out without using it."""

from __future__ import annotations

from pegboard import Pegboard


async def test_model_is_up_before_it_is_loaded():
    """The file is there; a check does not load it."""
    async with Pegboard.isolated({"llm": {"default": {"provider": "local"}}}) as board:
        found = (await board.health())["llm.default"]

    assert found.status == "up"
    assert found.reason in {"loaded", "not loaded yet"}


async def test_model_knows_that_it_is_loaded(make_chat, ask):
    """Once it was asked something."""
    chat = make_chat()
    before = await chat.ping()
    await chat.complete(ask(max_tokens=1))

    assert (before, await chat.ping()) == ("not loaded yet", "loaded")


async def test_missing_file_is_down(tmp_path):
    """Which file, and what to do, is told."""
    path = str(tmp_path / "none.gguf")
    settings = {"llm": {"default": {"provider": "local", "model_path": path}}}
    async with Pegboard.isolated(settings) as board:
        found = (await board.health())["llm.default"]

    assert found.status == "down"
    assert (
        found.reason == f"NotFound: There is no model file {path}. Correct model_path."
    )
