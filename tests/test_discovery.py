"""Installed plugins are found by their metadata, and imported only when needed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from textwrap import dedent

import pytest
from pegboard import Pegboard
from pegboard._plugins.discovery import entry_points
from pegboard.errors import PluginError, SettingsError

MARK = """
from pathlib import Path
Path(__file__).with_name("imported").joinpath(__name__).touch()
"""
OFFER = """
from pegboard import LLMProvider, hookimpl

@hookimpl
def pegboard_llm_providers():
    return [
        LLMProvider(
            name={name!r},
            factory="pegboard.builtin.fake:FakeModel",
            options="pegboard.builtin.fake:FakeOptions",
            contracts={{"ChatModel": {version}}},
        )
    ]
"""
BROKEN = {
    "imports-nothing": ("import not_installed_at_all", "No module named 'not_inst"),
    "is-misspelt": ("def broken(:", "SyntaxError"),
    "exits": ("raise SystemExit(3)", "SystemExit: 3"),
    "raises-anything": ("raise BaseException('boom')", "BaseException: boom"),
    "has-no-hook": ("answer = 42", "implements no hook"),
    "raises-in-its-hook": (
        """
        from pegboard import hookimpl
        @hookimpl
        def pegboard_llm_providers():
            return 1 / 0
        """,
        "ZeroDivisionError",
    ),
    "offers-words": (
        """
        from pegboard import hookimpl
        @hookimpl
        def pegboard_llm_providers():
            return ["gpt"]
        """,
        "'gpt', which is no LLMProvider",
    ),
    "offers-nothing-iterable": (
        """
        from pegboard import hookimpl
        @hookimpl
        def pegboard_llm_providers():
            return 5
        """,
        "TypeError",
    ),
    "offers-it-in-the-wrong-family": (
        """
        from pegboard import StorageProvider, hookimpl
        @hookimpl
        def pegboard_llm_providers():
            return [StorageProvider(name="x", factory="x", options="x", contracts={})]
        """,
        "which is no LLMProvider",
    ),
    "misspells-a-hook": (
        """
        from pegboard import hookimpl
        @hookimpl
        def pegboard_llm_provider():
            return []
        """,
        "pegboard_llm_provider",
    ),
    "wants-what-no-hook-gives": (
        """
        from pegboard import hookimpl
        @hookimpl
        def pegboard_llm_providers(board):
            return []
        """,
        "board",
    ),
    "declares-no-contract": (
        """
        from pegboard import hookimpl
        @hookimpl
        def pegboard_contracts():
            return [dict]
        """,
        "is not a contract",
    ),
}
DEADLY = {"kills": "import os; os._exit(7)", "hangs": "while True: pass"}


class Site:
    """A folder of installed distributions whose modules tell that they are imported."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "imported").mkdir(parents=True)

    def install(self, distribution, source, *, names=None, version="1.0", value=None):
        """Install a distribution of one module; its name is its entry point."""
        module = distribution.replace("-", "_")
        info = self.folder / f"{module}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Name: {distribution}\nVersion: {version}\n")
        (info / "entry_points.txt").write_text(
            "[console_scripts]\nopenai = somewhere:else\n\n[pegboard]\n"
            + "".join(f"{n} = {value or module}\n" for n in names or [distribution])
        )
        (self.folder / f"{module}.py").write_text(MARK + dedent(source))

    def offer(self, distribution, name=None, *, contract=1):
        """Install a distribution that offers an llm provider."""
        name = name or distribution
        source = OFFER.format(name=name, version=contract)
        self.install(distribution, source, names=[name])

    @property
    def imported(self):
        """The modules that were imported, in this process or another."""
        return {path.name for path in (self.folder / "imported").iterdir()}


@pytest.fixture
def site(tmp_path, monkeypatch):
    """Return an empty site that is on sys.path."""
    folder = tmp_path / "site"
    new = Site(folder)
    monkeypatch.syspath_prepend(folder)
    yield new
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", "")).startswith(str(folder)):
            del sys.modules[name]


def board_on(provider, /, plugins=None, **instance):
    """Return a board whose default llm is of *provider*."""
    default = {"provider": provider, **instance}
    return Pegboard.isolated({"llm": {"default": default}, "plugins": plugins or {}})


def in_new_process(site, code):
    """Return what *code* prints as JSON in a process of its own."""
    path = os.pathsep.join([str(site.folder), *sys.path])
    result = subprocess.run(
        [sys.executable, "-c", dedent(code)],
        env={**os.environ, "PYTHONPATH": path},
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    return json.loads(result.stdout)


def broken(board):
    """Return the reasons of the broken plugins, by distribution."""
    return {p.entry.distribution: p.broken for p in board.plugins() if p.broken}


class TestTwoHundred:
    """Of 200 installed plugins, a good part does not work."""

    @pytest.fixture(autouse=True)
    def _installed(self, site):
        """Install them: the kinds of broken ones in turn, between good ones."""
        kinds = [source for source, _ in BROKEN.values()]
        for number in range(100):
            site.offer(f"good-{number}")
            site.install(f"bad-{number}", kinds[number % len(kinds)])

    async def test_one_is_picked_and_no_other_is_imported(self, site):
        """Asking for a provider imports what is registered under its name, only."""
        async with board_on("good-42") as board:
            reply = await board.llm().complete("Hello.")

        assert reply.text == "Hello."
        assert site.imported == {"good_42"}

    def test_none_is_imported_for_what_is_built_in(self, site):
        """Programs that use the built-ins pay for no plugin."""
        board_on("fake").llm()

        assert site.imported == set()

    def test_broken_ones_are_listed_and_the_others_are_usable(self):
        """Each broken plugin is listed with its reason and harms nobody else."""
        board = board_on("fake")
        plugins = board.plugins()

        reasons = [reason for _, reason in BROKEN.values()]
        listed = broken(board)
        assert set(listed) == {f"bad-{number}" for number in range(100)}
        for number in range(100):
            assert reasons[number % len(reasons)] in listed[f"bad-{number}"]
        offered = {one.name for plugin in plugins for one in plugin.providers}
        assert {f"good-{number}" for number in range(100)} <= offered

    @pytest.mark.parametrize("number", [0, 99])
    async def test_good_one_works_after_all_were_loaded(self, number):
        """Looking at the broken ones leaves the others as they were."""
        async with board_on(f"good-{number}") as board:
            board.plugins()
            assert (await board.llm().complete("Hello.")).text == "Hello."

    def test_metadata_are_read_once(self, site):
        """However often a board looks for plugins, it reads each file one time."""
        counts = in_new_process(
            site,
            """
            import json, sys
            from collections import Counter
            from contextlib import suppress
            from pegboard import Pegboard
            from pegboard.errors import PluginError

            folder = next(place for place in sys.path if place.endswith("site"))
            sys.path.append(folder)
            opened = Counter()

            def watch(event, arguments):
                if event in ("open", "os.scandir"):
                    opened[str(arguments[0])] += 1

            names = ("good-1", "fake", "missing")
            settings = {name: {"provider": name} for name in names}
            board = Pegboard.isolated({"llm": settings})
            sys.addaudithook(watch)
            for name in names:
                with suppress(PluginError):
                    board.llm(name)
            board.plugins()
            read = {file: n for file, n in opened.items() if "entry_points" in file}
            ours = [file for file in read if file.startswith(folder)]
            print(json.dumps([len(ours), max(read.values()), opened[folder]]))
            """,
        )
        assert counts == [200, 1, 1]


class TestBroken:
    """A plugin that does not work says why, to those who ask for it."""

    @pytest.mark.parametrize("kind", BROKEN)
    def test_who_asks_for_it_is_told_why(self, site, kind):
        """The error names the distribution and the reason."""
        source, reason = BROKEN[kind]
        site.install(kind, source)

        with pytest.raises(PluginError) as caught:
            board_on(kind).llm()
        assert f"{kind} is broken: " in str(caught.value)
        assert reason in str(caught.value)

    def test_who_asks_for_a_broken_one_imports_no_other(self, site):
        """What the plugin of that name would have offered, no other is tried for."""
        site.install("bad", "import not_installed_at_all")
        site.offer("good")

        with pytest.raises(PluginError):
            board_on("bad").llm()
        assert site.imported == {"bad"}

    def test_entry_point_to_nothing_is_told(self, site):
        """An attribute that is not there is a reason, too."""
        site.install("bad", "", value="bad:plugin")

        assert "no attribute 'plugin'" in broken(board_on("fake"))["bad"]

    def test_name_that_only_another_entry_point_offers_is_found(self, site):
        """The others are looked through when none of that name offers it."""
        site.install("several", OFFER.format(name="hidden", version=1))
        site.install("bad", "import not_installed_at_all")

        assert board_on("hidden").llm()

    def test_broken_plugin_of_the_program_is_told_at_once(self):
        """What the program brings itself, it can mend."""
        with pytest.raises(PluginError, match="object of this program is broken: "):
            Pegboard.isolated({}, plugins=[object()])

    def test_newer_contract_says_to_upgrade_pegboard(self, site):
        """A plugin that was written for a later pegboard is told from a broken one."""
        site.offer("modern", contract=2)

        with pytest.raises(PluginError, match=r"version 2.*Upgrade pegboard\."):
            board_on("modern").llm()

    def test_older_contract_says_to_upgrade_the_plugin(self, site):
        """So is one that was written for an earlier pegboard."""
        site.offer("ancient", contract=0)

        with pytest.raises(PluginError, match=r"version 0.*Upgrade ancient\."):
            board_on("ancient").llm()

    def test_misfit_is_one_problem_of_a_check(self, site):
        """A check lists it and goes on."""
        site.offer("modern", contract=2)
        problems = board_on("modern").check()

        assert [problem.where for problem in problems] == ["llm.default"]
        assert "Upgrade pegboard." in problems[0].message

    def test_misfit_is_listed_with_what_to_do(self, site):
        """Whoever lists the plugins sees it beside the broken ones."""
        site.offer("modern", contract=2)

        assert "Upgrade pegboard." in broken(board_on("fake"))["modern"]

    def test_contract_that_nobody_declares_is_listed(self, site):
        """A plugin may need another one that declares its contract."""
        source = OFFER.format(name="peg", version=1).replace("ChatModel", "ChatMode1")
        site.install("peg", source)

        assert "'ChatMode1'" in broken(board_on("fake"))["peg"]

    @pytest.mark.parametrize("deadly", DEADLY)
    def test_deadly_one_is_not_imported_for_another(self, site, deadly):
        """A plugin that ends or blocks the process on import harms who wants it."""
        site.install("deadly", DEADLY[deadly])
        site.offer("good")
        told = in_new_process(
            site,
            """
            import json
            from pegboard import Pegboard
            board = Pegboard.isolated({"llm": {"default": {"provider": "good"}}})
            print(json.dumps(repr(board.llm())))
            """,
        )
        assert told
        assert site.imported == {"good"}

    @pytest.mark.parametrize("rules", [{"deny": ["deadly"]}, {"allow": ["good"]}])
    @pytest.mark.parametrize("deadly", DEADLY)
    def test_deadly_one_can_be_barred(self, site, deadly, rules):
        """What is barred is not even imported when everything is loaded."""
        site.install("deadly", DEADLY[deadly])
        site.offer("good")
        names = in_new_process(
            site,
            f"""
            import json
            from pegboard import Pegboard
            board = Pegboard.isolated({{"plugins": {rules!r}}})
            print(json.dumps([one.entry.distribution for one in board.plugins()]))
            """,
        )
        assert "good" in names
        assert "deadly" not in names
        assert site.imported == {"good"}


class TestRules:
    """``plugins.allow`` and ``plugins.deny`` stop code before it is imported."""

    @pytest.mark.parametrize(
        "rules", [{"deny": ["Some_Pegs"]}, {"allow": []}, {"allow": ["other"]}]
    )
    def test_barred_provider_is_refused_unimported(self, site, rules):
        """The error names the rules; the module was never run."""
        site.offer("some-pegs", "peg")

        with pytest.raises(PluginError, match="some-pegs is barred by plugins"):
            board_on("peg", plugins=rules).llm()
        assert site.imported == set()

    def test_denied_wins_over_allowed(self, site):
        """Who stands in both lists is out."""
        site.offer("peg")

        with pytest.raises(PluginError):
            board_on("peg", plugins={"allow": ["peg"], "deny": ["peg"]}).llm()

    def test_allowed_provider_works(self, site):
        """Names are compared as package indexes do."""
        site.offer("some-pegs", "peg")

        assert board_on("peg", plugins={"allow": ["Some.Pegs"]}).llm()

    def test_built_ins_need_no_leave(self):
        """What comes with pegboard works whatever is allowed."""
        assert board_on("fake", plugins={"allow": []}).llm()

    def test_search_does_not_touch_what_is_barred(self, site):
        """Looking through everything means everything that is allowed."""
        site.install("several", OFFER.format(name="hidden", version=1))
        site.install("barred", OFFER.format(name="hidden", version=1))

        assert board_on("hidden", plugins={"deny": ["barred"]}).llm()
        assert site.imported == {"several"}

    def test_used_plugin_must_be_installed(self):
        """A plugin that the settings want and that is missing is an error."""
        with pytest.raises((PluginError, SettingsError), match="'no-such-plugin'"):
            board_on("fake", plugins={"use": ["no-such-plugin"]}).llm()


class TestNames:
    """A name belongs to nobody until the settings say whose it is."""

    def test_two_that_offer_one_name_are_both_named(self, site):
        """There is no silent winner."""
        site.offer("pegs-a", "twin")
        site.offer("pegs-b", "twin")

        with pytest.raises(PluginError) as caught:
            board_on("twin").llm()
        assert "is offered by: pegs-a, pegs-b." in str(caught.value)
        assert 'plugin = "pegs-a"' in str(caught.value)

    @pytest.mark.parametrize("chosen", ["pegs-b", "Pegs_B"])
    def test_settings_choose(self, site, chosen):
        """``plugin`` says which of the two is meant."""
        site.offer("pegs-a", "twin")
        site.offer("pegs-b", "twin")
        explanation = board_on("twin", plugin=chosen).explain("llm.default")

        assert explanation.distribution == "pegs-b"

    def test_chosen_one_must_offer_it(self, site):
        """A plugin that offers something else is no choice."""
        site.offer("pegs-a", "twin")

        with pytest.raises(PluginError, match="pegs-z does not offer"):
            board_on("twin", plugin="pegs-z").llm()

    @pytest.mark.parametrize("rules", [{}, {"deny": ["pegboard-openai"]}])
    def test_foreign_package_does_not_get_the_name_of_ours(self, site, rules):
        """Whether ours is there or not, settings have to say that they mean it."""
        site.offer("free-gpt", "openai")

        with pytest.raises(PluginError, match='plugin = "free-gpt"'):
            board_on("openai", model="x", api_key="k", plugins=rules).llm()

    def test_foreign_package_may_be_meant(self, site):
        """Who names the package gets it."""
        site.offer("free-gpt", "openai")
        explanation = board_on("openai", plugin="free-gpt").explain("llm.default")

        assert explanation.distribution == "free-gpt"

    def test_foreign_package_does_not_get_the_name_of_a_built_in(self, site):
        """The same holds for what comes with pegboard."""
        site.offer("free-fake", "fake")

        with pytest.raises(PluginError, match="is offered by: free-fake, pegboard"):
            board_on("fake").llm()

    def test_unknown_name_tells_the_nearest(self, site):
        """A slip of the pen is pointed out."""
        site.offer("parrot")

        with pytest.raises(PluginError, match="Did you mean 'parrot'"):
            board_on("parot").llm()


class TestPlaces:
    """Distributions are found wherever Python finds modules."""

    def test_archive_on_the_path_is_read(self, tmp_path, monkeypatch):
        """A wheel works as it is, without being unpacked."""
        archive = tmp_path / "zipped-1.0-py3-none-any.whl"
        with zipfile.ZipFile(archive, "w") as file:
            file.writestr("zipped.py", OFFER.format(name="zipped", version=1))
            info = "zipped-1.0.dist-info"
            file.writestr(f"{info}/METADATA", "Name: zipped\nVersion: 1.0\n")
            file.writestr(f"{info}/entry_points.txt", "[pegboard]\nzipped = zipped\n")
        monkeypatch.syspath_prepend(archive)

        explanation = board_on("zipped").explain("llm.default")

        assert (explanation.distribution, explanation.version) == ("zipped", "1.0")

    def test_egg_info_is_read(self, site):
        """So are the metadata of older tools, with the version of Python in them."""
        site.offer("old")
        info = site.folder / "old-1.0.dist-info"
        info.rename(site.folder / "old-1.0-py3.11.egg-info")

        (found,) = entry_points([str(site.folder)])

        assert tuple(found) == ("old", "old", "old", "1.0")

    def test_distribution_found_twice_counts_once(self, site, tmp_path):
        """The first place on the path wins, as for modules."""
        site.offer("twice")
        other = Site(tmp_path / "other")
        other.install("twice", "", names=["older"], version="0.9")
        path = [str(site.folder), str(other.folder), str(site.folder)]

        assert [(e.name, e.version) for e in entry_points(path)] == [("twice", "1.0")]

    def test_places_that_are_none_are_passed_over(self, tmp_path):
        """Python allows anything on its path."""
        (tmp_path / "file.txt").write_text("no archive")

        assert not entry_points([str(tmp_path / "nowhere"), str(tmp_path / "file.txt")])

    def test_metadata_that_cannot_be_read_are_passed_over(self, site):
        """One damaged file hides no other plugin."""
        site.offer("good")
        site.install("damaged", "")
        file = site.folder / "damaged-1.0.dist-info" / "entry_points.txt"
        file.write_bytes(b"[pegboard]\n\xff = x\n")

        assert [entry.name for entry in entry_points([str(site.folder)])] == ["good"]

    def test_other_groups_comments_and_extras_are_left_out(self, tmp_path):
        """Only the names of the group count, and of them name and place."""
        info = tmp_path / "some_pegs-2.0.dist-info"
        info.mkdir()
        (info / "entry_points.txt").write_text(
            "[other]\na = b\n[ pegboard ]\n# c = d\n; e = f\n\n"
            "peg=some.where:it [extra]\n[pegboard.more]\ng = h\n"
        )
        (found,) = entry_points([str(tmp_path)])

        assert tuple(found) == ("peg", "some.where:it", "some-pegs", "2.0")
