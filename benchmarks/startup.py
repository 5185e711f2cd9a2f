"""What a program pays at its start: CPU time of new processes, in turns."""

from __future__ import annotations

import subprocess
import sys
from resource import RUSAGE_CHILDREN, getrusage
from statistics import median

from _ways import surroundings

ROUNDS = 21
BARE = "`python -c pass`"
PLUGGY = "`import pluggy`"
FIRST_STORE = """
from pegboard import KeyValue, Pegboard
board = Pegboard.isolated({"storage": {"notes": {"provider": "memory"}}})
board.storage("notes", KeyValue)
"""
COMMANDS: dict[str, tuple[str, ...]] = {
    BARE: ("-c", "pass"),
    PLUGGY: ("-c", "import pluggy"),
    "`import pegboard`": ("-c", "import pegboard"),
    "`from pegboard import hookimpl, LLMProvider`": (
        "-c",
        "from pegboard import hookimpl, LLMProvider",
    ),
    "`pegboard --version`": ("-m", "pegboard", "--version"),
    "`import pydantic` and one model": (
        "-c",
        "from pydantic import BaseModel\nclass Model(BaseModel):\n    name: str",
    ),
    "`from pegboard import Pegboard`": ("-c", "from pegboard import Pegboard"),
    "a first `KeyValue` in memory": ("-c", FIRST_STORE),
    "`import openai`": ("-c", "import openai"),
}


def cpu_milliseconds(arguments: tuple[str, ...]) -> float:
    """Return what a process with these *arguments* costs, the system's part too."""
    before = getrusage(RUSAGE_CHILDREN)
    command = [sys.executable, *arguments]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=surroundings())
    after = getrusage(RUSAGE_CHILDREN)
    user = after.ru_utime - before.ru_utime
    return (user + after.ru_stime - before.ru_stime) * 1000


def main() -> None:
    """Print the table."""
    seen: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for arguments in COMMANDS.values():
        cpu_milliseconds(arguments)  # the first time, Python compiles
    for _ in range(ROUNDS):
        for name, arguments in COMMANDS.items():
            seen[name].append(cpu_milliseconds(arguments))
    spent = {name: median(values) for name, values in seen.items()}
    print("| new process | ms of CPU | x bare Python | x `import pluggy` |")
    print("| --- | ---: | ---: | ---: |")
    for name, value in spent.items():
        ratios = f"{value / spent[BARE]:.2f} | {value / spent[PLUGGY]:.2f}"
        print(f"| {name} | {value:.0f} | {ratios} |")


if __name__ == "__main__":
    main()
