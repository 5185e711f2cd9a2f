"""
Follow a page of the documentation as a reader would: every block, in order.

The blocks of a page share one folder, which begins empty, and an environment in which
no provider's variable is set. What a fence's language says happens to it:

``python``   is run as a program; an ``await`` may stand outside of functions. A
             ``text`` block right behind it is what it prints.
``toml``     is settings that must be in order, as ``pegboard check`` has it.
``console``  is commands after ``$``, each with what it prints.
``dotenv``   is written down.
``text``     is only looked at.

A first line that is a comment with a file's name has the block written to that file.
``...`` in what is printed stands for any text, and many spaces for one. Some commands
change the reader's machine, so they are only checked to be possible: see ``CHECKS``.

A comment right before a block changes what is done with it:

``<!-- faulty: REASON -->``       These settings must not be in order.
``<!-- tests answer: NAMES -->``  From here on, a server of the tests stands in for the
                                services of these llms.

There is no way to leave a block out.
"""

from __future__ import annotations

import ast
import importlib.metadata
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from markdown_it import MarkdownIt

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent
NAMED = re.compile(r"# ([\w./-]*\.(?:py|toml|env|jsonl?|txt))\n|# (\.env)\n")
PROGRAM = """
import ast, asyncio, inspect, sys
from pathlib import Path
path = sys.argv.pop(1)
flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
code = compile(Path(path).read_text("utf-8"), path, "exec", flags)
if code.co_flags & inspect.CO_COROUTINE:
    asyncio.run(eval(code))
else:
    exec(code)
"""
CHECK = """
import asyncio, sys
from pegboard import Pegboard
async def main():
    async with Pegboard(folder=".", profile=sys.argv[1] or None) as board:
        return board.check()
print(*asyncio.run(main()), sep="\\n", end="")
"""
FRAGMENT = """
import sys, tomllib
from pegboard import Pegboard
board = Pegboard.isolated(tomllib.loads(sys.argv[1]))
print(*board.check(), sep="\\n", end="")
"""


class Block(NamedTuple):
    """A fenced block of a page."""

    page: Path
    line: int
    language: str
    text: str
    note: str
    """The comment right before it."""
    prints: str | None
    """The text block right behind it."""

    def __str__(self) -> str:
        return f"{os.path.relpath(self.page, ROOT)}:{self.line}"

    @property
    def file(self) -> str | None:
        """The file that its first line names."""
        found = NAMED.match(self.text)
        return found and (found[1] or found[2])

    def noted(self, kind: str) -> str:
        """Return what the comment right before it says, if it is of this *kind*."""
        found = re.fullmatch(rf"<!-- {kind}: (.+?) -->", self.note, re.DOTALL)
        return found[1] if found else ""


def blocks(page: Path) -> Iterator[Block]:
    """Yield the blocks of *page*, those that only show an output with their program."""
    tokens = MarkdownIt().parse(page.read_text("utf-8"))
    for before, token, after in zip(
        [None, *tokens], tokens, [*tokens[1:], None], strict=False
    ):
        if token.type != "fence" or is_output(before, token):
            continue
        note = before.content.strip() if before and before.type == "html_block" else ""
        prints = after.content if after and is_output(token, after) else None
        line = token.map[0] + 1
        yield Block(page, line, token.info.strip(), token.content, note, prints)


def is_output(program, shown) -> bool:
    """Return whether *shown* is what *program* prints."""
    fences = program is not None and program.type == shown.type == "fence"
    return fences and (program.info, shown.info) == ("python", "text")


def provider_of(llm: str, block: Block) -> str:
    """Return which provider the settings in *block* name for *llm*."""
    name: str = tomllib.loads(block.text)["llm"][llm]["provider"]
    return name


class Reader:
    """Someone who follows a page in a folder of their own."""

    def __init__(
        self, folder: Path, server: Callable[[str], Mapping[str, str]]
    ) -> None:
        self.folder = folder
        self.server = server
        self.site = folder / ".site"
        self.environment = {
            "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(folder),
            "PYTHONPATH": str(self.site),
            "PYTHONIOENCODING": "utf-8",
            "OMP_WAIT_POLICY": "passive",
            "COLUMNS": "100",
        }

    def follow(self, block: Block) -> None:
        """Do with *block* what its language says."""
        for llm in block.noted("tests answer").split():
            self.environment |= {
                f"PEGBOARD_LLM__{llm}__{option}".upper(): value
                for option, value in self.server(provider_of(llm, block)).items()
            }
        if block.file:
            path = self.folder / block.file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text, "utf-8")
        assert block.language in ACTIONS, f"{block}: what is {block.language!r}?"
        ACTIONS[block.language](self, block)

    def python(self, block: Block) -> None:
        """Run a program, or only compile what is a module of a package."""
        name = block.file or f"block_{block.line}.py"
        if "/" in name:
            ast.parse(block.text)
            return
        (self.folder / name).write_text(block.text, "utf-8")
        command = [sys.executable, "-W", "error", "-c", PROGRAM, name]
        code, output = self.run(command)
        assert code == 0, f"{block} ended with {code}:\n{output}"
        if block.prints is not None:
            assert_prints(block.prints, output, block)

    def toml(self, block: Block) -> None:
        """Check settings as far as they are pegboard's."""
        values = tomllib.loads(block.text)
        name = block.file or ""
        profile = re.fullmatch(r"pegboard\.?(.*)\.toml", name)
        if profile or "pegboard" in values.get("tool", {}):
            command = [CHECK, profile[1] if profile else ""]
        elif block.file is None:
            command = [FRAGMENT, block.text]
        else:
            return
        code, output = self.run([sys.executable, "-c", *command])
        is_wrong = code != 0 or bool(output)
        assert is_wrong == bool(block.noted("faulty")), f"{block}:\n{output}"

    def look_at(self, block: Block) -> None:
        """Do no more with *block*."""

    def console(self, block: Block) -> None:
        """Run commands and compare what they print."""
        for command, shown in commands(block.text):
            self.command(command, shown, block)

    def command(self, command: str, shown: str, block: Block) -> None:
        """Run one *command*, unless it is one that is only checked."""
        if found := re.fullmatch(r"export (\w+)=(.*)", command):
            self.environment[found[1]] = shlex.split(found[2])[0]
            return
        words = shlex.split(command, comments=True)
        if words[0] in CHECKS:
            CHECKS[words[0]](self, words[1:])
            return
        code, output = self.run(["bash", "-c", command])
        assert code == 0 or shown, f"{block}: {command} ended with {code}:\n{output}"
        if shown:
            assert_prints(shown, output, block)

    def run(self, command: list[str]) -> tuple[int, str]:
        """Return how *command* ends, and what it prints."""
        result = subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=300,
        )
        return result.returncode, result.stdout

    def pip(self, words: list[str]) -> None:
        """Install what is in a folder; of all else, check that it exists."""
        assert words[0] == "install", words
        for word in words[1:]:
            name = word.partition("[")[0]
            if name.startswith("."):
                self.install(self.folder / name)
            elif not word.startswith("-") and not is_installed(name):
                self.install(packages()[name])

    def install(self, package: Path) -> None:
        """Install *package* for this reader only."""
        uv = shutil.which("uv", path=self.environment["PATH"])
        offline = ["--no-deps", "--no-build-isolation", "--python", sys.executable]
        code, output = self.run(
            [uv, "pip", "install", "--target", str(self.site), *offline, str(package)]
        )
        assert code == 0, output

    def make(self, words: list[str]) -> None:
        """Check that there is such a thing to make."""
        makefile = (ROOT / "Makefile").read_text("utf-8")
        for word in words:
            assert "=" in word or f"\n{word}:" in makefile, word

    def git(self, words: list[str]) -> None:
        """Check that the repository is cloned, and nothing else done."""
        assert words[0] == "clone", words

    def cd(self, words: list[str]) -> None:
        """Stay: the folder of the page stands for any other."""


CHECKS: Mapping[str, Callable[[Reader, list[str]], None]] = {
    "pip": Reader.pip,
    "make": Reader.make,
    "git": Reader.git,
    "cd": Reader.cd,
}
ACTIONS: Mapping[str, Callable[[Reader, Block], None]] = {
    "python": Reader.python,
    "toml": Reader.toml,
    "console": Reader.console,
    "bash": Reader.console,
    "dotenv": Reader.look_at,
    "text": Reader.look_at,
}


def commands(text: str) -> Iterator[tuple[str, str]]:
    """Yield each command of *text* with what it prints."""
    assert text.startswith("$ "), "A console block begins with a command after '$ '."
    for part in text.removeprefix("$ ").split("\n$ "):
        command, _, shown = part.partition("\n")
        while command.endswith("\\"):
            more, _, shown = shown.partition("\n")
            command = command.removesuffix("\\") + more.removeprefix("> ")
        yield command, shown


def assert_prints(shown: str, output: str, block: Block) -> None:
    """Compare *output* with what the page shows."""
    parts = map(re.escape, lines_of(shown).split("..."))
    message = f"{block} shows:\n{shown}\nbut printed is:\n{output}"
    assert re.fullmatch(".*?".join(parts), lines_of(output), re.DOTALL), message


def lines_of(text: str) -> str:
    """Return *text* with single spaces: columns are as wide as what is in them."""
    return "\n".join(" ".join(line.split()) for line in text.strip().splitlines())


def is_installed(distribution: str) -> bool:
    """Return whether *distribution* is in the environment of the tests."""
    return any(importlib.metadata.distributions(name=distribution))


def packages() -> dict[str, Path]:
    """Return the packages in this repository by name."""
    projects = (
        *ROOT.glob("plugins/*/pyproject.toml"),
        *ROOT.glob("examples/*/pyproject.toml"),
    )
    return {
        tomllib.loads(file.read_text("utf-8"))["project"]["name"]: file.parent
        for file in projects
    }
