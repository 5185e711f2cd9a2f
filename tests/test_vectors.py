"""An index of vectors that pegboard knows nothing of, filled by a real model."""

import sys
from importlib import import_module
from pathlib import Path

import pytest
from pegboard import Pegboard

EXAMPLE = Path(__file__).parents[1] / "examples" / "third_party_plugin" / "src"
NOTES = {
    "stove": ("The stove keeps the kitchen warm in winter.", "house"),
    "tax": ("Invoices are due within thirty days.", "office"),
    "cat": ("The kitten sleeps on the sofa all day.", "house"),
    "rocket": ("The launch was delayed by a leaking valve.", "space"),
}


@pytest.fixture
def acme(monkeypatch):
    """Return the plugin and the contract, from where they stand."""
    monkeypatch.syspath_prepend(EXAMPLE)
    yield import_module("acme_pegs.plugin"), import_module("acme_pegs.vector_index")
    for name in [name for name in sys.modules if name.startswith("acme_pegs")]:
        del sys.modules[name]


@pytest.mark.parametrize(
    ("question", "kind", "expected"),
    [
        ("What heats the room?", None, "stove"),
        ("When do I have to pay?", None, "tax"),
        ("Where is my pet?", None, "cat"),
        ("Why did the spaceship not start?", None, "rocket"),
        ("When do I have to pay?", "space", "rocket"),
    ],
)
async def test_texts_are_found_by_what_they_mean(
    acme, tmp_path, question, kind, expected
):
    """A question and what is found share no word that says anything."""
    plugin, contracts = acme
    board = Pegboard.isolated({"data_folder": tmp_path}, plugins=[plugin])
    async with board:
        index, llm = board.storage("notes", contracts.VectorIndex), board.llm()
        texts = [text for text, _ in NOTES.values()]
        made = await llm.embed(texts)
        for key, vector in zip(NOTES, made.vectors, strict=True):
            text, about = NOTES[key]
            await index.put(key, vector, about={"text": text, "kind": about})
        (asked,) = (await llm.embed(question, purpose="query")).vectors
        found = await index.nearest(asked, where={"kind": kind} if kind else None)

    assert found[0].key == expected
    assert found[0].about["text"] == NOTES[expected][0]
    assert len(found) == (1 if kind else len(NOTES))
