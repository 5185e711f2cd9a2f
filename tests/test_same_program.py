"""One program, answered by whoever the settings name."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import asyncio
from pegboard import KeyValue, Pegboard


async def main():
    async with Pegboard() as board:
        llm = board.llm()
        reply = await llm.complete("Say hello.", max_tokens=16, temperature=0)
        async with llm.stream("Say hello.", max_tokens=16, temperature=0) as stream:
            words = "".join([text async for text in stream.text])
        assert stream.reply.usage.output > 0 and not stream.reply.usage.estimated
        assert words == stream.reply.text and words and reply.text
        await board.storage("notes", KeyValue).set("last", reply.text)
        assert await board.storage("notes", KeyValue).get("last") == reply.text
        print(llm, reply.model)


asyncio.run(main())
"""


def sections(server):
    """Return what the settings of each provider are, by name."""
    return {
        "fake": {"provider": "fake", "model": "scripted"},
        "local": {"provider": "local"},
        "openai-chat": {"provider": "openai", "api": "chat", **server},
        "openai-responses": {"provider": "openai", "api": "responses", **server},
    }


def in_toml(name, section, folder):
    """Choose the provider in pegboard.toml."""
    del name
    (folder / "pegboard.toml").write_text(table(section))
    return {}


def in_profile(name, section, folder):
    """Choose it in an overlay, over a settings file that says otherwise."""
    other = {"provider": "fake", "model": "not this one"}
    (folder / "pegboard.toml").write_text(table(other))
    (folder / f"pegboard.{name}.toml").write_text(table(section))
    return {"PEGBOARD_PROFILE": name}


def in_dotenv(name, section, folder):
    """Choose it in .env."""
    del name
    lines = (f"{key}={value}\n" for key, value in variables(section).items())
    (folder / ".env").write_text("".join(lines))
    return {}


def in_environment(name, section, folder):
    """Choose it by variables, over a settings file that says otherwise."""
    del name
    (folder / "pegboard.toml").write_text(table({"provider": "fake", "model": "x"}))
    return variables(section)


def table(section):
    """Return *section* as TOML."""
    lines = "\n".join(f'{key} = "{value}"' for key, value in section.items())
    return f"[llm.default]\n{lines}\n"


def variables(section):
    """Return *section* as variables."""
    return {f"PEGBOARD_LLM__DEFAULT__{k.upper()}": v for k, v in section.items()}


@pytest.mark.parametrize("choose", [in_toml, in_profile, in_dotenv, in_environment])
@pytest.mark.parametrize("name", ["fake", "local", "openai-chat", "openai-responses"])
def test_one_program_whoever_answers(name, choose, tmp_path, llama_server):
    """Not one line of the program changes with the provider or the layer."""
    server = {
        "base_url": f"{llama_server.url}/v1",
        "api_key": llama_server.key,
        "model": "smollm2",
    }
    section = sections(server)[name]
    extra = choose(name, section, tmp_path)
    (tmp_path / "program.py").write_text(PROGRAM)

    run = subprocess.run(
        [sys.executable, "program.py"],
        cwd=tmp_path,
        env={**clean_environment(), **extra},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )

    assert run.returncode == 0, run.stderr
    assert run.stderr == ""
    assert f"llm.default: {section['provider']}" in run.stdout


def clean_environment():
    """Return the environment without anything that would choose a provider."""
    taken = ("PEGBOARD_", "OPENAI_")
    return {k: v for k, v in os.environ.items() if not k.startswith(taken)} | {
        "HOME": str(Path.home())
    }
