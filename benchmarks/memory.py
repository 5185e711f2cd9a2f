"""How the memory of a program grows over 5,000 calls, by library."""

from __future__ import annotations

from pathlib import Path

from _server import running
from _ways import PROVIDERS, WAYS, run

PROGRAM = str(Path(__file__).with_name("_program.py"))
CALLS = 5_000


def row(way: str, provider: str, url: str) -> str:
    """Return the row of a library: its memory after a fifth of the calls, and all."""
    found = run(way, PROGRAM, way, provider, url, str(CALLS))
    if isinstance(found, str):
        return f"| {provider}, {way} | left out: {found} |"
    growth = (found["end"] - found["warm"]) / (CALLS / 1000 * 4 / 5)
    warm, end = found["warm"] / 1024, found["end"] / 1024
    return f"| {provider}, {way} | {warm:.1f} | {end:.1f} | {growth:.0f} |"


def main() -> None:
    """Start the server, print the table; other libraries are asked for one provider."""
    asked = [(way, name) for name in PROVIDERS for way in ("raw SDK", "pegboard")]
    asked += [(way, PROVIDERS[0]) for way in list(WAYS)[2:]]
    print("| RSS in MiB | after 1,000 calls | after 5,000 | KiB per 1,000 between |")
    print("| --- | ---: | ---: | ---: |", flush=True)
    with running() as url:
        for way, provider in asked:
            print(row(way, provider, url), flush=True)


if __name__ == "__main__":
    main()
