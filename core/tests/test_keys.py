"""Secrets in stores: checked, rotated, and seen by what is running."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Iterator
from pathlib import Path

import pytest
from loguru import logger
from pegboard import (
    ChatRequest,
    IntegrationProvider,
    LLMProvider,
    Messenger,
    Options,
    Pegboard,
    Posted,
    Reply,
    SecretStore,
    SecretVault,
    Text,
    TextDelta,
    Usage,
    enable_logging,
    hookimpl,
    sync,
)
from pegboard.contracts.chat import Finished
from pegboard.errors import Authentication, InvalidRequest, NotFound, SettingsError
from pegboard.testing import no_leaks
from pegboard.testing.clock import run_virtual
from pydantic import SecretStr

OLD, NEW, BAD = "sentinel-old-1", "sentinel-new-2", "sentinel-bad-3"


class GateOptions(Options):
    key: SecretStr
    """What opens the gate."""


def answer(text: str) -> Reply:
    """Return a reply that says *text*."""
    usage = Usage(input=1, output=1)
    return Reply(parts=(Text(text),), finish_reason="stop", usage=usage, model="gate")


class Gate:
    """A model that says which key it was asked with, and takes only good ones."""

    good = (OLD, NEW)

    def __init__(self, service, options, _context):
        self.service = service
        self.key = options.key.get_secret_value()
        self.is_closed = False
        service.made.append(self)

    async def ping(self):
        self._check()
        return "open"

    async def complete(self, _request: ChatRequest) -> Reply:
        self._check()
        return answer(self.key[-1])

    async def stream(self, _request: ChatRequest):
        for _ in range(3):
            yield TextDelta(self.key[-1])
            await self.service.next.wait()
            assert not self.is_closed
        yield Finished(finish_reason="stop", model="gate")

    async def aclose(self):
        self.is_closed = True

    def _check(self):
        if self.key not in self.good:
            msg = f"wrong key {self.key}"
            raise Authentication(msg)


class Service:
    """What all gates lead to, and the plugin that offers them."""

    def __init__(self):
        self.made: list[Gate] = []
        self.next = asyncio.Event()

    def new_gate(self, options, context):
        """Return a gate."""
        return Gate(self, options, context)

    @hookimpl
    def pegboard_llm_providers(self):
        """Offer gates."""
        return [
            LLMProvider(
                name="gate",
                factory=self.new_gate,
                options=GateOptions,
                contracts={"ChatModel": 1, "StreamingChat": 1},
            )
        ]


@pytest.fixture
def service() -> Service:
    """Return a service behind gates."""
    return Service()


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, object]:
    """Return settings of a gate whose key is in a folder."""
    (tmp_path / "gate").write_text(OLD)
    return {
        "integrations": {"vault": {"provider": "files", "folder": str(tmp_path)}},
        "llm": {"default": {"provider": "gate", "key": "secret:vault/gate"}},
    }


@pytest.fixture
def board(settings, service) -> Pegboard:
    """Return a board with the gate."""
    return Pegboard.isolated(settings, plugins=[service])


async def ask(board: Pegboard) -> str:
    """Return the last sign of the key that is used."""
    return (await board.llm().complete("?")).text


class TestRenewal:
    async def test_what_is_running_uses_the_new_secret(self, board, tmp_path):
        """What the program holds goes on working, with the new key."""
        async with board:
            llm = board.llm()
            before = await llm.complete("?")
            (tmp_path / "gate").write_text(NEW)
            renewed = await board.renew_secrets()
            after = await llm.complete("?")

        assert (before.text, after.text) == ("1", "2")
        assert renewed == ["llm.default"]

    async def test_nothing_is_made_anew_for_the_same_secret(self, board, service):
        """Connections stay."""
        async with board:
            await ask(board)
            assert await board.renew_secrets() == []

        assert len(service.made) == 1

    async def test_a_stream_ends_as_it_began(self, board, service, tmp_path):
        """Its connection is not closed under it."""
        async with board, board.llm().stream("?") as stream:
            text = stream.text
            first = await anext(text)
            (tmp_path / "gate").write_text(NEW)
            await board.renew_secrets()
            service.next.set()
            rest = [piece async for piece in text]
            after = await ask(board)

        assert (first, rest, after) == ("1", ["1", "1"], "2")

    async def test_all_are_closed(self, board, service, tmp_path):
        """The one before the last with the next renewal, the others with the board."""
        async with no_leaks(), board:
            await ask(board)
            for secret in (NEW, OLD):
                (tmp_path / "gate").write_text(secret)
                await board.renew_secrets()
            closed = [gate.is_closed for gate in service.made]

        assert closed == [True, False, False]
        assert all(gate.is_closed for gate in service.made)

    async def test_what_cannot_be_fetched_stays(self, board, tmp_path):
        """A store that is away takes nothing from what runs."""
        async with board:
            await ask(board)
            (tmp_path / "gate").unlink()

            assert await board.renew_secrets() == []
            assert await ask(board) == "1"

    async def test_what_was_fetched_is_there_for_who_comes_later(self, board, tmp_path):
        """An instance that was not made yet is made with what was known."""
        async with board:
            (tmp_path / "gate").unlink()
            await board.renew_secrets()

            assert await ask(board) == "1"

    async def test_what_was_missing_is_found(self, board, tmp_path):
        """An instance that could not be made can be made now."""
        (tmp_path / "gate").unlink()
        async with board:
            with pytest.raises(SettingsError, match="does not exist"):
                board.llm()
            (tmp_path / "gate").write_text(NEW)
            await board.renew_secrets()

            assert await ask(board) == "2"

    async def test_a_secret_that_does_not_fit_changes_nothing(
        self, settings, service, tmp_path
    ):
        """Without the field that is asked for, the old one stays."""
        (tmp_path / "gate").write_text(json.dumps({"key": OLD}))
        settings["llm"]["default"]["key"] = "secret:vault/gate#key"
        async with Pegboard.isolated(settings, plugins=[service]) as board:
            await ask(board)
            (tmp_path / "gate").write_text("{}")
            await board.renew_secrets()

            assert await ask(board) == "1"

    async def test_old_and_new_secrets_are_hidden(self, board, tmp_path, service):
        """An error shows neither, whichever it was about."""
        async with board:
            await ask(board)
            (tmp_path / "gate").write_text(BAD)
            await board.renew_secrets()
            with pytest.raises(Authentication) as caught:
                await ask(board)
            assert BAD not in str(caught.value)
            service.made[-1].key = f"{OLD}?"
            with pytest.raises(Authentication) as caught:
                await ask(board)

        assert OLD not in str(caught.value)
        assert "***" in str(caught.value)

    def test_it_happens_by_itself(self, settings, service, tmp_path):
        """Every so many seconds, as the settings say."""
        settings["secrets"] = {"renew_every": 60}

        async def main() -> list[str]:
            async with Pegboard.isolated(settings, plugins=[service]) as board:
                before = await ask(board)
                (tmp_path / "gate").write_text(NEW)
                await asyncio.sleep(59)
                early = await ask(board)
                await asyncio.sleep(2)
                return [before, early, await ask(board)]

        assert run_virtual(main()) == ["1", "1", "2"]

    def test_it_can_be_switched_off(self, settings, service, tmp_path):
        """Then a secret is fetched once."""
        settings["secrets"] = {"renew_every": 0}

        async def main() -> str:
            async with Pegboard.isolated(settings, plugins=[service]) as board:
                await ask(board)
                (tmp_path / "gate").write_text(NEW)
                await asyncio.sleep(10_000)
                return await ask(board)

        assert run_virtual(main()) == "1"

    def test_a_store_that_breaks_ends_nothing(self, settings, service, tmp_path):
        """The next time it may work again."""
        settings["secrets"] = {"renew_every": 60}

        async def main() -> list[str]:
            async with Pegboard.isolated(settings, plugins=[service]) as board:
                vault = board.provider("integrations.vault")
                found, sound = [await ask(board)], vault.get_secret
                (tmp_path / "gate").write_text(NEW)
                vault.get_secret = print  # raises TypeError when it is awaited
                await asyncio.sleep(61)
                found.append(await ask(board))
                vault.get_secret = sound
                await asyncio.sleep(60)
                return [*found, await ask(board)]

        assert run_virtual(main()) == ["1", "1", "2"]

    async def test_without_references_nothing_runs(self):
        """A board that has no secret to renew has no task."""
        before = asyncio.all_tasks()
        async with Pegboard.isolated({"llm": {"default": {"provider": "fake"}}}):
            assert asyncio.all_tasks() == before

    async def test_no_task_is_left(self, board):
        """It has ended when the board is closed."""
        before = asyncio.all_tasks()
        async with board:
            await ask(board)

        assert asyncio.all_tasks() == before

    def test_it_can_be_closed_on_another_loop(self, board):
        """The task is ended where it runs, or is gone with its loop."""
        asyncio.run(board.__aenter__())
        asyncio.run(board.aclose())

    async def test_models_made_of_others_see_it(self, settings, service, tmp_path):
        """Whoever calls the instance calls what is behind it now."""
        settings["llm"] = {
            "gate": settings["llm"]["default"],
            "default": {"provider": "fallback", "targets": ["gate"]},
        }
        async with Pegboard.isolated(settings, plugins=[service]) as board:
            before = await ask(board)
            (tmp_path / "gate").write_text(NEW)
            await board.renew_secrets()

            assert (before, await ask(board)) == ("1", "2")

    async def test_functions_around_a_model_stay(self, settings, service, tmp_path):
        """What filters requests and looks at replies does so with the new key, too."""
        seen = []
        section = settings["llm"]["default"]
        section["filter_request"] = lambda request: seen.append("asked") or request
        section["validate_reply"] = lambda reply: seen.append(reply.text)
        async with Pegboard.isolated(settings, plugins=[service]) as board:
            await ask(board)
            (tmp_path / "gate").write_text(NEW)
            await board.renew_secrets()
            await ask(board)

        assert seen == ["asked", "1", "asked", "2"]

    async def test_parts_of_an_instance_see_it(self, settings, tmp_path):
        """Each operation is that of the new part."""
        settings["integrations"]["double"] = {
            "provider": "double",
            "key": "secret:vault/gate",
        }
        async with Pegboard.isolated(settings, plugins=[Doubles()]) as board:
            messenger = board.integration("double", Messenger)
            store = board.integration("double", SecretStore)
            before = await messenger.post_message("#a", "b")
            (tmp_path / "gate").write_text(NEW)
            await board.renew_secrets()
            after = await messenger.post_message("#a", "b")
            found = await store.get_secret("x")

        assert (before.id, after.id) == (OLD, NEW)
        assert found.get_secret_value() == NEW

    async def test_stats_go_on(self, settings, service, tmp_path):
        """It is the same instance, with another key."""
        (tmp_path / "gate").write_text(BAD)
        async with Pegboard.isolated(settings, plugins=[service]) as board:
            with pytest.raises(Authentication):
                await ask(board)
            (tmp_path / "gate").write_text(NEW)
            await board.renew_secrets()

            assert await ask(board) == "2"
            assert board.stats()["llm.default"].calls == 2


class Double:
    """An integration whose contracts are kept by parts of it."""

    def __init__(self, options, _context):
        self.key = options.key
        self.parts = {"Messenger": Poster(options.key)}

    async def get_secret(self, _name):
        return self.key


class Poster:
    """The part that posts."""

    def __init__(self, key):
        self.key = key

    async def post_message(self, channel, _text):
        return Posted(channel, self.key.get_secret_value())


class Doubles:
    """What offers them."""

    @hookimpl
    def pegboard_integrations(self):
        """Offer one, with a policy."""
        return [
            IntegrationProvider(
                name="double",
                factory=Double,
                options=GateOptions,
                contracts={"Messenger": 1, "SecretStore": 1},
            )
        ]


class TestCheck:
    async def test_says_how_every_user_is(self, board):
        """Each instance that refers to the secret is asked."""
        async with board:
            found = await board.check_secret("vault/gate")

        assert [*found] == ["llm.default"]
        assert found["llm.default"].status == "up"

    async def test_tries_another_value(self, board):
        """What is not stored yet can be tried, and changes nothing."""
        async with board:
            found = await board.check_secret("vault/gate", SecretStr(BAD))

            assert found["llm.default"].status == "down"
            assert "Authentication" in found["llm.default"].reason
            assert BAD not in found["llm.default"].reason
            assert await ask(board) == "1"

    async def test_looks_at_what_is_stored_now(self, board, tmp_path):
        """Not at what was fetched when the board was opened."""
        async with board:
            (tmp_path / "gate").write_text(BAD)
            found = await board.check_secret("vault/gate")

        assert found["llm.default"].status == "down"

    async def test_of_a_field(self, settings, service, tmp_path):
        """A value without the field that is referred to does not do."""
        (tmp_path / "gate").write_text(json.dumps({"key": OLD}))
        settings["llm"]["default"]["key"] = "secret:vault/gate#key"
        async with Pegboard.isolated(settings, plugins=[service]) as board:
            good = await board.check_secret("vault/gate")
            bad = await board.check_secret("vault/gate", SecretStr(NEW))

        assert good["llm.default"].status == "up"
        assert bad["llm.default"].status == "down"
        assert "field 'key'" in bad["llm.default"].reason

    async def test_nobody_uses_it(self, board, tmp_path):
        """A name that begins like another is another."""
        (tmp_path / "gat").write_text("x")
        async with board:
            assert await board.check_secret("vault/gat") == {}

    async def test_what_it_made_is_closed(self, board, service):
        """Trying leaves nothing open."""
        async with no_leaks(), board:
            await board.check_secret("vault/gate", SecretStr(NEW))
            assert [gate.is_closed for gate in service.made] == [True]

    async def test_missing_secret_is_not_found(self, board):
        """There is nothing to check."""
        async with board:
            with pytest.raises(NotFound):
                await board.check_secret("vault/other")

    @pytest.mark.parametrize("key", ["gate", "vault/", "/gate", "vault/gate#key"])
    async def test_spelling(self, board, key):
        """A name without its store is an error that says how it is spelled."""
        async with board:
            with pytest.raises(SettingsError, match="STORE/NAME"):
                await board.check_secret(key)

    async def test_unknown_store(self, board):
        """It names what there is."""
        async with board:
            with pytest.raises(SettingsError, match="Known: vault"):
                await board.check_secret("valut/gate")


class TestRotation:
    async def test_a_new_secret_is_stored_and_used(self, board, tmp_path):
        """By what is running, too."""
        async with board:
            before = await ask(board)
            found = await board.rotate_secret("vault/gate", SecretStr(NEW))
            after = await ask(board)

        assert (before, after, found["llm.default"].status) == ("1", "2", "up")
        assert (tmp_path / "gate").read_text() == NEW

    async def test_one_that_does_not_work_is_refused(self, board, tmp_path):
        """Nothing was changed, and the error says for whom it does not work."""
        async with board:
            with pytest.raises(InvalidRequest, match=r"llm\.default: Auth") as caught:
                await board.rotate_secret("vault/gate", SecretStr(BAD))
            assert await ask(board) == "1"

        assert BAD not in str(caught.value)
        assert caught.value.request_sent == "no"
        assert (tmp_path / "gate").read_text() == OLD

    async def test_a_store_that_is_only_read(self, service):
        """It is said what it does not offer."""
        settings = {"integrations": {"vault": {"provider": "environment"}}}
        async with Pegboard.isolated(settings, plugins=[service]) as board:
            with pytest.raises(SettingsError, match="does not offer SecretVault"):
                await board.rotate_secret("vault/X", SecretStr(NEW))

    def test_without_async(self, settings, service):
        """The blocking board does the same."""
        with sync.Pegboard.isolated(settings, plugins=[service]) as board:
            vault = board.integration("vault", sync.SecretVault)
            before = board.check_secret("vault/gate")
            board.rotate_secret("vault/gate", SecretStr(NEW))
            after = board.llm().complete("?").text
            vault.set_secret("gate", SecretStr(OLD))
            renewed = board.renew_secrets()

        assert (before["llm.default"].status, after) == ("up", "2")
        assert renewed == ["llm.default"]


@pytest.fixture
def logged() -> Iterator[list[str]]:
    """Return all that is logged, with what belongs to it."""
    lines: list[str] = []
    enable_logging()
    handler = logger.add(lines.append, level=0, format="{message} {extra} {exception}")
    yield lines
    logger.remove(handler)
    logger.disable("pegboard")


async def _refused(work: Awaitable[object]) -> list[object]:
    with pytest.raises(InvalidRequest) as caught:
        await work
    return [caught.value, caught.value.__cause__, caught.value.__context__]


async def test_secrets_are_shown_nowhere(board, logged, capfd, tmp_path):
    """Neither values that are stored nor such that are refused, on any way."""
    async with board:
        await ask(board)
        vault = board.integration("vault", SecretVault)
        await vault.set_secret("other", SecretStr(NEW))
        shown = [
            await board.call("vault.get_secret", {"name": "other"}),
            await board.call("vault.set_secret", {"name": "third", "value": NEW}),
            await board.call("vault.list_secrets"),
            await _refused(board.call("vault.set_secret", {"name": [], "value": NEW})),
            await _refused(vault.set_secret("../x", SecretStr(NEW))),
            await _refused(board.rotate_secret("vault/gate", SecretStr(BAD))),
            await board.rotate_secret("vault/gate", SecretStr(NEW)),
            await board.check_secret("vault/gate"),
            [board, vault, board.explain("llm.default"), board.stats()],
        ]
    everything = f"{shown} {logged} {capfd.readouterr()}"

    assert any("new secrets" in line for line in logged)
    assert [one for one in (OLD, NEW, BAD) if one in everything] == []
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}
