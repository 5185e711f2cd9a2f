"""One loaded model for all who ask for the same."""

from __future__ import annotations

import pytest
from pegboard import Pegboard
from pegboard.testing.leaks import no_leaks

SETTINGS = {"provider": "local", "context_length": 512}


async def test_equal_options_share_a_model(make_chat, ask, opened):
    """It is loaded once."""
    for chat in (make_chat(), make_chat()):
        await chat.complete(ask())

    assert len(opened.servers) == 1


async def test_options_of_a_reply_do_not_matter(make_chat, ask, opened):
    """Only those of loading do."""
    for chat in (make_chat(temperature=0), make_chat(max_tokens=3)):
        await chat.complete(ask())

    assert len(opened.servers) == 1


async def test_other_load_options_are_another_model(make_chat, ask, opened):
    """Both answer."""
    for chat in (make_chat(), make_chat(context_length=512)):
        await chat.complete(ask())

    assert len(opened.servers) == 2


async def test_a_model_stays_until_the_last_user_leaves(make_chat, ask, opened):
    """Closing one instance does not take it from another."""
    first, second = make_chat(), make_chat()
    for chat in (first, second):
        await chat.complete(ask())
    await first.aclose()
    await second.complete(ask())

    assert len(opened.servers) == 1


async def test_a_model_is_loaded_again_after_the_last_user_left(chat, ask, opened):
    """Who was closed may come back."""
    for _ in range(2):
        await chat.complete(ask())
        await chat.aclose()

    assert len(opened.servers) == 2


async def test_closing_an_unused_model_is_harmless(chat, opened):
    """Nothing was loaded."""
    await chat.aclose()

    assert opened.servers == []


async def test_the_last_board_frees_the_model():
    """Its port and its file are closed."""
    async with no_leaks():
        for _ in range(2):
            async with Pegboard.isolated({"llm": {"default": SETTINGS}}) as board:
                await board.llm().complete("Hello", max_tokens=1)


@pytest.mark.parametrize("failure", ["missing", "words"])
async def test_a_failed_load_leaves_nothing(tmp_path, failure):
    """Nor does the error hold it."""
    settings = {"provider": "local", "model_path": str(tmp_path / failure)}
    async with no_leaks(), Pegboard.isolated({"llm": {"default": settings}}) as board:
        with pytest.raises(Exception, match="model file"):
            await board.llm().complete("Hello")
