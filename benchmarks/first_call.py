"""
What a program pays up to its first reply: CPU time and peak memory of new processes.

It starts Python, imports a library, makes what it calls and asks the local server once.
The least of some processes counts: the first one compiles, and others are disturbed.
"""

from __future__ import annotations

from pathlib import Path

from _server import running
from _ways import PROVIDERS, WAYS, run

PROGRAM = str(Path(__file__).with_name("_program.py"))
ROUNDS = 3


def compare(provider: str, url: str) -> None:
    """Print the table of one provider, whose SDK alone comes first."""
    print(f"\n| {provider} | ms of CPU | x raw SDK | peak, MiB | x raw SDK |")
    print("| --- | ---: | ---: | ---: | ---: |", flush=True)
    raw = {}
    for way in (one for one in WAYS if one != "litellm.Router"):
        found = [run(way, PROGRAM, way, provider, url, "0") for _ in range(ROUNDS)]
        if isinstance(found[0], str):
            print(f"| {way} is left out: {found[0]} |")
            continue
        seen = {one: min(each[one] for each in found) for one in ("cpu", "peak")}
        raw = raw or seen
        cells = f"{seen['cpu']:.0f} | {seen['cpu'] / raw['cpu']:.2f}"
        cells += f" | {seen['peak'] / 1024:.0f} | {seen['peak'] / raw['peak']:.2f}"
        print(f"| {way} | {cells} |", flush=True)


def main() -> None:
    """Start the server, print the tables."""
    with running() as url:
        for provider in PROVIDERS:
            compare(provider, url)


if __name__ == "__main__":
    main()
