"""Errors: what they tell, and what survives a pickle."""

import pickle

import pytest
from pegboard import errors
from pegboard.errors import CallError, Problem, SettingsError

CALL_ERRORS = [
    kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, CallError)
]


@pytest.mark.parametrize("kind", CALL_ERRORS)
def test_tree_is_drawn_in_the_module(kind):
    """Every error stands in the drawing of the tree, under its parent."""
    lines = errors.__doc__.splitlines()
    depth = {line.lstrip("│├└─ ").split()[0]: _depth(line) for line in lines if line}

    assert depth[kind.__name__] == depth[kind.__base__.__name__] + 4


def _depth(line):
    return len(line) - len(line.lstrip("│├└─ "))


@pytest.mark.parametrize("kind", CALL_ERRORS)
def test_error_survives_a_pickle(kind):
    """An error crosses processes with all it knows."""
    error = kind("what happened", retry_after=3.0, status=429, code="slow_down")
    error.address, error.attempts = "llm.default", 2

    copy = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes

    assert type(copy) is kind
    assert vars(copy) == vars(error)
    assert str(copy) == str(error)


def test_message_says_where_and_how_often():
    """The text of an error begins with its place and ends with the attempts."""
    error = CallError("broke.")
    error.address, error.operation = "llm.default", "complete"
    error.attempts, error.elapsed = 3, 1.5

    assert str(error) == "llm.default complete: broke. (3 attempts in 1.5 s)"


def test_many_problems_are_a_list():
    """Several problems stand one to a line, with their origins."""
    error = SettingsError(
        Problem("llm.a.model", "is required."),
        Problem("llm.b.modle", "there is no such key.", "pegboard.toml"),
    )

    assert str(error).splitlines() == [
        "2 problems in the settings:",
        "  llm.a.model: is required.",
        "  llm.b.modle: there is no such key. (from pegboard.toml)",
    ]


def test_redaction_reaches_the_causes():
    """A cause that shows a secret is taken away; a harmless one stays."""
    for text, stays in (("with s3cret", False), ("harmless", True)):
        error = CallError("says s3cret")
        error.__cause__ = ValueError(text)
        error.redact(["s3cret"])

        assert str(error) == "says ***"
        assert (error.__cause__ is not None) is stays
