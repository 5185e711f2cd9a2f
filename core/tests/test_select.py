"""Choosing a model by what is needed of it."""

import pytest
from pegboard import Pegboard
from pegboard.errors import SettingsError

SMALL = {"provider": "fake", "capabilities": ["stop"]}
LARGE = {"provider": "fake", "capabilities": ["stop", "images", "json_schema"]}


def board_of(**llms):
    """Return a board with *llms*."""
    return Pegboard.isolated({"llm": llms})


def test_first_that_fits_is_chosen():
    """The order of the settings decides among those that can."""
    board = board_of(small=SMALL, large=LARGE, larger=LARGE)

    assert board.select(needs={"images", "json_schema"}).address == "llm.large"
    assert board.select(needs=["stop"]).address == "llm.small"


def test_contracts_are_needs_too():
    """What a model does besides answering is asked for in the same way."""
    board = board_of(both={"provider": "fallback", "targets": ["small"]}, small=SMALL)

    assert board.select(needs={"embeddings"}).address == "llm.small"
    assert board.select(needs={"streaming"}).address == "llm.both"


def test_selected_model_is_the_one_of_its_address():
    """There is one object for one address."""
    board = board_of(large=LARGE)

    assert board.select(needs={"images"}) is board.llm("large")


def test_embedded_model_serves_where_nothing_is_configured():
    """A program without settings can ask, too."""
    assert board_of().select(needs={"chat"}).address == "llm.default"


def test_what_each_one_lacks_is_told():
    """The error shows what would have to change."""
    with pytest.raises(SettingsError) as raised:
        board_of(small=SMALL, large=LARGE).select(needs={"images", "tools"})

    assert "llm.small lacks images, tools." in str(raised.value)
    assert "llm.large lacks tools." in str(raised.value)


def test_wrong_settings_of_others_do_no_harm():
    """A model that cannot be made is passed over, and named if none is left."""
    broken = {"provider": "fake", "delay": -1}
    board = board_of(broken=broken, small=SMALL)

    assert board.select(needs={"stop"}).address == "llm.small"
    with pytest.raises(SettingsError, match=r"llm\.broken\.delay"):
        board.select(needs={"tools"})


def test_unknown_need_is_suggested():
    """A slip of the pen is told from a model that is missing."""
    with pytest.raises(SettingsError, match="Did you mean 'images'"):
        board_of(large=LARGE).select(needs={"image"})
