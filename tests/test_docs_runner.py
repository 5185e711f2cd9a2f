"""The runner of the pages sees what is wrong with a page."""

import pytest

from .docs_runner import ROOT, Reader, blocks

GOOD = {
    "program": "```python\nprint(1)\n```\n```text\n1\n```\n",
    "awaiting program": "```python\nimport asyncio\nawait asyncio.sleep(0)\n```\n",
    "settings": '```toml\n# pegboard.toml\n[llm.a]\nprovider = "fake"\n```\n',
    "part of settings": '```toml\n[llm.a]\nprovider = "fake"\n```\n',
    "command": "```console\n$ echo one two\none   two\n$ echo three\n```\n",
    "long command": "```console\n$ echo one \\\n> two\none two\n```\n",
    "variable": "```console\n$ export A='b c'\n$ echo $A\nb c\n```\n",
    "any text": "```console\n$ echo one two three\none ... three\n```\n",
    "error shown": "```console\n$ echo no >&2; false\nno\n```\n",
    "file": "```python\n# a.py\nb = 1\n```\n```python\nimport a\nassert a.b\n```\n",
}
BAD = {
    "error": "```python\nprint(a)\n```\n",
    "warning": "```python\nimport warnings\nwarnings.warn('old')\n```\n",
    "other output": "```python\nprint(1)\n```\n```text\n2\n```\n",
    "no output": "```python\n```\n```text\n2\n```\n",
    "unknown key": '```toml\n[llm.a]\nprovider = "fake"\nmodle = "x"\n```\n',
    "unknown provider": '```toml\n# pegboard.toml\n[llm.a]\nprovider = "no"\n```\n',
    "no fault": "<!-- faulty: no -->\n```toml\n[flags]\na = true\n```\n",
    "failing command": "```console\n$ false\n```\n",
    "command that prints other things": "```console\n$ echo one\ntwo\n```\n",
    "command without a sign": "```console\necho one\n```\n",
    "package that is not there": "```console\n$ pip install pegboard-nothing\n```\n",
    "thing that cannot be made": "```console\n$ make nothing\n```\n",
    "language without a rule": "```\nprint(1)\n```\n",
}


def follow(text, folder):
    """Follow a page that says *text*."""
    page = folder / "page.md"
    page.write_text(text)
    reader = Reader(folder, dict)
    for block in blocks(page):
        reader.follow(block)


@pytest.mark.parametrize("text", GOOD.values(), ids=GOOD)
def test_good_page_is_followed(text, tmp_path):
    """What is right passes."""
    follow(text, tmp_path)


@pytest.mark.parametrize("text", BAD.values(), ids=BAD)
def test_bad_page_is_found_out(text, tmp_path):
    """What is wrong does not."""
    with pytest.raises((AssertionError, KeyError)):
        follow(text, tmp_path)


def test_reader_has_no_variables_of_the_tests(tmp_path, monkeypatch):
    """Keys of whoever runs the tests are not seen, so nothing is asked on the net."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-real")
    monkeypatch.setenv("PEGBOARD_PROFILE", "prod")
    _, output = Reader(tmp_path, dict).run(["env"])

    assert "OPENAI" not in output
    assert "PEGBOARD" not in output


def test_blocks_know_their_line():
    """A failure says where it is."""
    page = ROOT / "docs" / "start.md"

    assert str(next(blocks(page))).startswith("docs/start.md:")
