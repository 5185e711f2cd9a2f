"""What providers claim is tested, and the page about it tells the truth."""

from dataclasses import replace
from importlib import import_module

import pytest

from .docs_runner import ROOT


@pytest.fixture
def proofs(monkeypatch):
    """Return what the page about abilities is made by."""
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    return import_module("proofs")


def test_all_that_is_claimed_is_tested(proofs):
    """Each ability of each package has a kit, or a reason why its test is left out."""
    assert proofs.untested(proofs.rows()) == set()


def test_claim_without_a_kit_is_found(proofs):
    """The check above can fail: here, of a provider whose vectors nobody tests."""
    (local,) = (row for row in proofs.rows() if row.name == "local")
    kits = tuple(kit for kit in local.kits if "Embedder" not in kit.contracts)

    assert proofs.untested([replace(local, kits=kits)]) == {
        ("pegboard-local", "embeddings")
    }


def test_test_that_is_left_out_proves_nothing(proofs):
    """The small model calls no tools, so what is said of tools is from elsewhere."""
    (anthropic,) = (row for row in proofs.rows() if row.name == "anthropic")
    real = tuple(kit for kit in anthropic.kits if kit.how == "model")

    assert anthropic.cells["tools"] == "mock"
    assert replace(anthropic, kits=real).cells["tools"] == "sent"


def test_faults_that_are_left_out_are_not_called_tested(proofs):
    """Each provider of a service over HTTP has a kit of faults, and what it proves."""
    header, lines = proofs.of_faults()
    _, *cells = next(iter(lines))
    (anthropic,) = (row for row in proofs.rows() if row.name == "anthropic")
    (kit,) = (kit for kit in anthropic.kits if kit.is_of_faults)

    assert header.count("|") == len(cells) == 4
    assert {*cells} == {"tested"}
    assert proofs._how_often("test_x", [kit]) == "tested"
    kit.left_out["test_x"] = "a reason"
    assert proofs._how_often("test_x", [kit]) == "-"


def test_every_kit_says_what_it_is_of(proofs):
    """Otherwise it would be missing from the page without anybody noticing."""
    kits = [kit for path in proofs.TESTS for kit in proofs.kits_in(path)]
    names = {row.name for row in proofs.rows()}

    assert len(kits) > len({kit.provider for kit in kits}) >= 6
    for kit in kits:
        assert kit.provider in names, kit.tests
        assert kit.tests.against is not None, kit.tests
