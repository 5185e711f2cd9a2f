"""Every page is true: its code runs, its links lead somewhere, nothing is left out."""

import re
import subprocess
import sys
from itertools import pairwise

import pytest
from markdown_it import MarkdownIt
from pegboard import errors
from pegboard._policy import stack

from .docs_runner import ROOT, Reader, blocks

DOCS = sorted((ROOT / "docs").rglob("*.md"))
PUBLISHED = [ROOT / "core/README.md", *sorted(ROOT.glob("plugins/*/README.md"))]
PAGES = [
    *DOCS,
    *PUBLISHED,
    *sorted(ROOT.glob("examples/**/README.md")),
    *sorted(ROOT.glob("*.md")),
]
MOCKED = {
    "pegboard-claude-code": {},
    "pegboard-google": {"api_version": "v1beta"},
}
"""Packages whose services a mock speaks for, and what settings need to reach it."""
PROXIED = "small/smollm2"
"""The model behind a proxy that speaks as Ollama does, of which there is no server."""
HEADINGS = {"h1", "h2", "h3", "h4"}
EXAMPLES = sorted(ROOT.glob("examples/0*.py"))


def name(page):
    """Return the path of *page* in the repository."""
    return page.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_block_of_a_page_runs(page, tmp_path, request):
    """Who follows a page from top to bottom sees what it shows."""

    def server(provider):
        more = MOCKED.get(page.parent.name)
        if more is not None:
            fixtures = page.parent / "tests" / "fixtures"
            address = request.getfixturevalue("run_aimock")(fixtures)
            return {"base_url": address, "api_key": "k", **more}
        if provider == "ollama":
            return {"host": request.getfixturevalue("ollama_proxy"), "model": PROXIED}
        found = request.getfixturevalue("llama_server")
        return {"base_url": f"{found.url}/v1", "api_key": found.key}

    reader = Reader(tmp_path, server)
    for block in blocks(page):
        reader.follow(block)


def targets(page):
    """Yield the addresses that *page* links to."""
    for token in MarkdownIt().enable("table").parse(page.read_text("utf-8")):
        for child in token.children or ():
            if "href" in child.attrs or "src" in child.attrs:
                yield child.attrs.get("href") or child.attrs["src"]


def anchors(page):
    """Return the anchors of the headings of *page*, as GitHub makes them."""
    tokens = MarkdownIt().parse(page.read_text("utf-8"))
    titles = (text.content for tag, text in pairwise(tokens) if tag.tag in HEADINGS)
    return {re.sub(r"[^\w\- ]", "", t).lower().replace(" ", "-") for t in titles}


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_lead_somewhere(page):
    """A link is to a file that is there, and to a heading in it."""
    for target in targets(page):
        path, _, anchor = target.partition("#")
        if "://" in target:
            continue
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), target
        assert not anchor or anchor in anchors(file), target


def test_every_page_is_one_click_from_the_index():
    """The index names them all."""
    index = ROOT / "docs" / "index.md"
    linked = {
        (index.parent / path.partition("#")[0]).resolve() for path in targets(index)
    }

    assert {*DOCS} - linked <= {index}


def test_generated_parts_are_as_the_code_says():
    """Settings, hooks and errors stand in the pages as they are in the code."""
    command = [sys.executable, "docs/generate.py", "--check"]
    result = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert result.returncode == 0, f"Run python docs/generate.py: {result.stdout}"


def test_policy_is_drawn_as_it_is_built():
    """The order of its layers is that of the code."""
    order = re.search(r"observe\(.*", (stack.__doc__ or ""))[0]

    assert order in (ROOT / "docs/architecture.md").read_text("utf-8")


def test_every_error_has_advice():
    """What to do about it stands on the page, for each error that there is."""
    page = (ROOT / "docs/errors.md").read_text("utf-8")
    advised = re.findall(
        r"^\| `(\w+)` \| [A-Z]", page.partition("## What to do")[2], re.MULTILINE
    )
    kinds = [one for one in vars(errors).values() if isinstance(one, type)]

    assert set(advised) == {
        kind.__name__ for kind in kinds if issubclass(kind, errors.PegboardError)
    } - {"PegboardError"}


@pytest.mark.parametrize("page", PUBLISHED, ids=name)
def test_page_on_a_package_index_has_no_relative_links(page):
    """What a package index shows has nothing beside it."""
    assert [target for target in targets(page) if "://" not in target] == []


@pytest.mark.parametrize("example", EXAMPLES, ids=name)
def test_example_runs(example, tmp_path):
    """Each example runs without a key, and is short."""
    code, output = Reader(tmp_path, dict).run([sys.executable, str(example)])

    assert code == 0, output
    assert output
    assert len(example.read_text("utf-8").splitlines()) <= 40


def test_there_are_examples():
    """The list above is not empty by mistake."""
    assert len(EXAMPLES) >= 6
