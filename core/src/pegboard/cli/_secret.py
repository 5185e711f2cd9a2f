"""How a secret gets in: typed unseen, or piped; never as an argument."""

from __future__ import annotations

import sys

import click
from pydantic import SecretStr


def read_secret(name: str) -> SecretStr:
    """
    Return what is typed for *name*, twice the same, or all of stdin.

    What was an argument would be in the history of the shell, and in the list of
    processes for all to see. One line end at the end of stdin is left out.
    """
    if sys.stdin.isatty():
        typed = click.prompt(name, hide_input=True, confirmation_prompt=True, err=True)
        return SecretStr(typed)
    piped = sys.stdin.read()
    return SecretStr(piped.removesuffix("\n").removesuffix("\r"))
