"""The command line: the program ``pegboard`` and its commands."""

from __future__ import annotations

import io
import sys

from pegboard import __version__


def main() -> None:
    """Run what the arguments of this process say, and exit."""
    if sys.argv[1:] == ["--version"]:  # scripts ask for this often, so at once
        sys.stdout.write(f"pegboard {__version__}\n")
        return
    if isinstance(sys.stdout, io.TextIOWrapper):  # an answer may have any character
        sys.stdout.reconfigure(errors="backslashreplace")
    from ._commands import cli  # noqa: PLC0415 - see above

    cli(prog_name="pegboard")
