"""How long it takes to find the plugins among many installed distributions."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from _ways import surroundings

SIZES, ROUNDS = (10, 60, 300), 15
# Each measures itself, after Python has started: once with its import, then warm.
SCAN = """
import sys, time
start = time.process_time_ns()
{found}
cold = time.process_time_ns() - start
times = []
for _ in range(20):
    start = time.process_time_ns()
    {again}
    times.append(time.process_time_ns() - start)
print(cold / 1e6, sorted(times)[10] / 1e6, len(list(found)))
"""
PEGBOARD = "found = entry_points(sys.path)"
METADATA = 'found = entry_points(group="pegboard")'
WAYS = {
    "pegboard": SCAN.format(
        found=f"from pegboard._plugins.discovery import entry_points; {PEGBOARD}",
        again=PEGBOARD,
    ),
    "importlib.metadata": SCAN.format(
        found=f"from importlib.metadata import entry_points; {METADATA}",
        again=METADATA,
    ),
}


def install(folder: Path, number: int) -> None:
    """Install a distribution; one in ten is a plugin."""
    info = folder / f"package_{number}-1.{number}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: package-{number}\nVersion: 1.{number}\n"
    )
    group = "pegboard" if number % 10 == 0 else "console_scripts"
    (info / "entry_points.txt").write_text(f"[{group}]\nname-{number} = package:it\n")


def milliseconds(way: str, path: str) -> tuple[float, float]:
    """Return the CPU time of the first scan with its import, and of a later one."""
    command = [sys.executable, "-S", "-c", f"import sys; sys.path += {path}\n{way}"]
    done = subprocess.run(
        command, check=True, capture_output=True, text=True, env=surroundings()
    )
    cold, warm, found = done.stdout.split()
    assert int(found) > 0, way
    return float(cold), float(warm)


def rows(size: int, folder: Path) -> list[str]:
    """Return the lines of the table for *size* distributions in *folder*."""
    for number in range(size):
        install(folder, number)
    source = str(Path(__file__).parents[1] / "core" / "src")
    path = repr([str(folder), source])
    seen: dict[str, list[tuple[float, float]]] = {name: [] for name in WAYS}
    for _ in range(ROUNDS):
        for name, way in WAYS.items():
            seen[name].append(milliseconds(way, path))
    return [
        f"| {size} | {name} | {median(cold):.2f} | {median(warm):.2f} |"
        for name, values in seen.items()
        for cold, warm in [tuple(zip(*values, strict=True))]
    ]


def main() -> None:
    """Print the table."""
    print("| distributions | way | with its import, ms of CPU | again, ms of CPU |")
    print("| ---: | --- | ---: | ---: |")
    for size in SIZES:
        with TemporaryDirectory() as folder:
            print(*rows(size, Path(folder) / "site"), sep="\n")


if __name__ == "__main__":
    main()
