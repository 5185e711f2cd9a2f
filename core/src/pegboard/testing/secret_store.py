"""
Prove that a provider keeps the contract of SecretStore, or of SecretVault.

    from pegboard.testing.secret_store import SecretStoreContract


    class TestSafe(SecretStoreContract):
        @pytest.fixture
        def settings(self, server):
            return {"provider": "safe", "url": server.url, "ttl": 0}

        @pytest.fixture
        def put(self, server):
            async def put(name, value):
                server.secrets[name] = value

            return put

The fixture ``settings`` returns what stands in the settings of an instance, which keeps
no secret for a while; ``put`` is a function that makes or replaces a secret without
pegboard. ``SecretVaultContract`` needs no ``put``. What cannot be kept is left out
with a reason; see ``pegboard.testing.standard``.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
from pydantic import SecretStr

from pegboard import (
    IntegrationProvider,
    Options,
    Pegboard,
    SecretStore,
    SecretVault,
    hookimpl,
)
from pegboard.errors import InvalidRequest, NotFound

from ._model_kit import nothing
from .cancellation import cancel_at_every_await
from .leaks import no_leaks
from .standard import StandardTests

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable

Put = Callable[[str, str], Awaitable[None]]
"""Makes or replaces a secret."""
SENTINEL = "sentinel-7f3a91c0"
AT_ONCE = 20
LONG = 2000
TEXTS = (
    "plain",
    " spaces around ",
    "two\nlines",
    "\u00e9t\u00e9 \u4f60\u597d \U0001f511",
    "quote \" ' backslash \\ %s {0} $HOME `x`",
    '{"user": "ann", "key": "k-1"}',
    "-----BEGIN KEY-----\nMIIB=\n-----END KEY-----",
    "12345",
    "true",
    "x" * LONG,
)
ODD_NAMES = (
    "",
    ".",
    "..",
    "../outside",
    "/etc/passwd",
    "a\\b",
    "line\nend",
    "nul\0l",
    "half \ud83d",
    "n" * 5000,
)


class _Wearer:
    """An instance that has a secret."""

    def __init__(self, options: _WearerOptions, _context: object) -> None:
        self.key = options.key

    async def get_secret(self, name: str) -> SecretStr:  # noqa: ARG002 - the contract
        return self.key


class _WearerOptions(Options):
    key: SecretStr
    """A reference to a secret of the store."""


class _Offer:
    """Offers such an instance, to boards of this kit alone."""

    @hookimpl
    def pegboard_integrations(self) -> list[IntegrationProvider]:
        return [
            IntegrationProvider(
                name="wearer",
                factory=_Wearer,
                options=_WearerOptions,
                contracts={"SecretStore": 1},
                external=False,
            )
        ]


@pytest.mark.asyncio
class SecretStoreContract(StandardTests):
    """What every SecretStore must do. Inherit it; give ``settings`` and ``put``."""

    @pytest.fixture
    def plugins(self) -> Iterable[object]:
        """Return plugins to use that are not installed."""
        return ()

    @pytest.fixture
    def name(self) -> str:
        """Return the name of a secret that is not there yet."""
        return "KIT_KEY"

    @pytest.fixture
    def board(self, settings: dict[str, Any], plugins: Iterable[object]) -> Pegboard:
        """Return a board with the store, which the test closes."""
        return Pegboard.isolated({"integrations": {"kit": settings}}, plugins=plugins)

    @pytest_asyncio.fixture
    async def store(self, board: Pegboard) -> AsyncGenerator[SecretStore]:
        """Return the store."""
        async with board:
            yield board.integration("kit", SecretStore)

    @pytest.mark.parametrize("text", TEXTS, ids=lambda text: ascii(text)[:20])
    async def test_a_secret_is_returned_as_it_is(
        self, store: SecretStore, put: Put, name: str, text: str
    ) -> None:
        """Nothing is taken from it, and nothing is read into it."""
        await put(name, text)

        assert (await store.get_secret(name)).get_secret_value() == text

    async def test_a_secret_is_hidden(
        self, store: SecretStore, put: Put, name: str
    ) -> None:
        """Whoever prints it by mistake prints stars."""
        await put(name, SENTINEL)
        secret = await store.get_secret(name)

        assert isinstance(secret, SecretStr)
        assert SENTINEL not in f"{secret} {secret!r}"

    async def test_each_name_has_its_own(
        self, store: SecretStore, put: Put, name: str
    ) -> None:
        """A name that begins like another is another, and so is each spelling."""
        names = [name, f"{name}_2", f"{name}_22"]
        for one in names:
            await put(one, f"secret of {one}")
        found = [await store.get_secret(one) for one in names]

        assert [s.get_secret_value() for s in found] == [
            f"secret of {n}" for n in names
        ]
        with pytest.raises(NotFound):
            await store.get_secret(name[:-1])
        with pytest.raises(NotFound):
            await store.get_secret(name.swapcase())

    async def test_a_missing_secret_is_not_found(
        self, store: SecretStore, put: Put, name: str
    ) -> None:
        """The error names it, and neither the others nor what they are."""
        await put(f"{name}_OTHER", SENTINEL)
        with pytest.raises(NotFound) as caught:
            await store.get_secret(name)

        assert name in str(caught.value)
        assert f"{name}_OTHER" not in str(caught.value)
        assert SENTINEL not in str(caught.value)

    @pytest.mark.parametrize("odd", ODD_NAMES, ids=lambda odd: ascii(odd)[:20])
    async def test_an_odd_name_finds_nothing(
        self, store: SecretStore, odd: str
    ) -> None:
        """It leads nowhere else, and no foreign error comes of it."""
        with pytest.raises((InvalidRequest, NotFound)):
            await store.get_secret(odd)

    async def test_a_new_value_is_seen(
        self, store: SecretStore, put: Put, name: str
    ) -> None:
        """What was read before does not stand in its way."""
        await put(name, "old")
        before = await store.get_secret(name)
        await put(name, "new")
        after = await store.get_secret(name)

        assert [before.get_secret_value(), after.get_secret_value()] == ["old", "new"]

    async def test_a_secret_that_was_missing_is_seen(
        self, store: SecretStore, put: Put, name: str
    ) -> None:
        """That it was not there is not remembered."""
        with pytest.raises(NotFound):
            await store.get_secret(name)
        await put(name, "there")

        assert (await store.get_secret(name)).get_secret_value() == "there"

    async def test_many_at_once_get_their_own(
        self, store: SecretStore, put: Put, name: str
    ) -> None:
        """No answer is taken for that to another question."""
        names = [f"{name}_{number}" for number in range(AT_ONCE)]
        for one in names:
            await put(one, f"secret of {one}")
        found = await asyncio.gather(*map(store.get_secret, names * 2))

        expected = [f"secret of {one}" for one in names * 2]
        assert [secret.get_secret_value() for secret in found] == expected

    async def test_it_is_no_tool(self, board: Pegboard) -> None:
        """No model is given what shows or changes secrets."""
        async with board:
            with pytest.raises(InvalidRequest):
                board.tools("kit")

    async def test_by_its_name_it_answers_with_stars(
        self, board: Pegboard, put: Put, name: str
    ) -> None:
        """A call with JSON, such as one from a shell, shows no secret."""
        await put(name, SENTINEL)
        async with board:
            answer = await board.call("kit.get_secret", {"name": name})

        assert SENTINEL not in json.dumps(answer)

    async def test_settings_refer_to_it(
        self,
        settings: dict[str, Any],
        plugins: Iterable[object],
        put: Put,
        name: str,
    ) -> None:
        """Options of other instances name a secret, or a field of one."""
        await put(name, SENTINEL)
        await put(f"{name}_JSON", json.dumps({"user": "ann", "key": "of ann"}))
        wearers = {
            "whole": {"provider": "wearer", "key": f"secret:kit/{name}"},
            "field": {"provider": "wearer", "key": f"secret:kit/{name}_JSON#key"},
        }
        all_settings = {"integrations": {"kit": settings, **wearers}}
        board = Pegboard.isolated(all_settings, plugins=[*plugins, _Offer()])
        async with board:
            found = [
                await board.integration(one, SecretStore).get_secret(name)
                for one in wearers
            ]

        assert [one.get_secret_value() for one in found] == [SENTINEL, "of ann"]
        assert SENTINEL not in repr(board)
        assert SENTINEL not in repr(board.explain("integrations.whole"))

    async def test_it_is_healthy(self, board: Pegboard) -> None:
        """Where it can be reached, it says so."""
        async with board:
            health = (await board.health())["integrations.kit"]

        assert health.status == "up", health.reason

    async def test_every_event_loop_can_ask(
        self, store: SecretStore, put: Put, name: str
    ) -> None:
        """A program with several loops has one store."""
        await put(name, "shared")

        async def ask() -> str:
            return (await store.get_secret(name)).get_secret_value()

        found = [await ask()]
        found += [await asyncio.to_thread(asyncio.run, ask()) for _ in range(2)]
        assert found == ["shared"] * 3

    async def test_a_cancelled_call_leaves_nothing(
        self, board: Pegboard, put: Put, name: str
    ) -> None:
        """Wherever it is cancelled, it stops, and the next one is answered."""
        await put(name, "there")
        async with no_leaks(), board:
            store = board.integration("kit", SecretStore)
            await cancel_at_every_await(lambda: store.get_secret(name), nothing)

            assert (await store.get_secret(name)).get_secret_value() == "there"

    async def test_nothing_is_left_behind(
        self, board: Pegboard, put: Put, name: str
    ) -> None:
        """When the board closes, connections and tasks are gone."""
        await put(name, "there")
        async with no_leaks(), board:
            await board.integration("kit", SecretStore).get_secret(name)


@pytest.mark.asyncio
class SecretVaultContract(SecretStoreContract):
    """What every SecretVault must do besides. Inherit it; give ``settings``."""

    @pytest.fixture
    def put(self, settings: dict[str, Any], plugins: Iterable[object]) -> Put:
        """Return what makes a secret: another board with the same store."""

        async def put(name: str, value: str) -> None:
            board = Pegboard.isolated(
                {"integrations": {"kit": settings}}, plugins=plugins
            )
            async with board:
                vault = board.integration("kit", SecretVault)
                await vault.set_secret(name, SecretStr(value))

        return put

    @pytest_asyncio.fixture
    async def vault(self, board: Pegboard) -> AsyncGenerator[SecretVault]:
        """Return the store as one that takes secrets."""
        async with board:
            yield board.integration("kit", SecretVault)

    @pytest.mark.parametrize("end", ["\n", "\r", "\r\n", "\n\n", " ", "\t"], ids=ascii)
    async def test_the_end_of_a_secret_is_kept(
        self, vault: SecretVault, name: str, end: str
    ) -> None:
        """What was set is what comes back, to the last character."""
        await vault.set_secret(name, SecretStr(f"key{end}"))

        assert (await vault.get_secret(name)).get_secret_value() == f"key{end}"

    async def test_a_secret_is_replaced(self, vault: SecretVault, name: str) -> None:
        """A shorter one leaves nothing of the longer one; twice the same is once."""
        for value in ("a long old one", "new", "new"):
            await vault.set_secret(name, SecretStr(value))

        assert (await vault.get_secret(name)).get_secret_value() == "new"
        assert [*await vault.list_secrets()] == [name]

    async def test_names_are_listed_in_order(
        self, vault: SecretVault, name: str
    ) -> None:
        """All of them, each once, and no value."""
        names = [f"{name}_{number}" for number in (2, 10, 1)]
        for one in names:
            await vault.set_secret(one, SecretStr(SENTINEL))
        listed = await vault.list_secrets()

        assert [*listed] == sorted(names)
        assert SENTINEL not in repr(listed)

    async def test_many_names_are_listed(self, vault: SecretVault, name: str) -> None:
        """More than a service tells at once."""
        names = [f"{name}_{number:03}" for number in range(120)]
        for one in names:
            await vault.set_secret(one, SecretStr("x"))

        assert [*await vault.list_secrets()] == names

    async def test_an_empty_store_lists_nothing(self, vault: SecretVault) -> None:
        """That is no error."""
        assert [*await vault.list_secrets()] == []

    async def test_a_deleted_secret_is_gone(
        self, vault: SecretVault, name: str
    ) -> None:
        """It is not found, not listed, and the others stay."""
        await vault.set_secret(name, SecretStr("mine"))
        await vault.set_secret(f"{name}_2", SecretStr("other"))
        await vault.delete_secret(name)

        with pytest.raises(NotFound):
            await vault.get_secret(name)
        assert [*await vault.list_secrets()] == [f"{name}_2"]

    async def test_deleting_what_is_missing_is_no_error(
        self, vault: SecretVault, name: str
    ) -> None:
        """Who does not know whether it was done can do it again."""
        await vault.delete_secret(name)
        await vault.delete_secret(name)

        assert [*await vault.list_secrets()] == []

    async def test_a_deleted_secret_can_be_set_again(
        self, vault: SecretVault, name: str
    ) -> None:
        """Its name is free at once."""
        await vault.set_secret(name, SecretStr("first"))
        await vault.delete_secret(name)
        await vault.set_secret(name, SecretStr("second"))

        assert (await vault.get_secret(name)).get_secret_value() == "second"

    @pytest.mark.parametrize("value", ["", "broken \ud83d"], ids=ascii)
    async def test_what_is_no_secret_is_refused(
        self, vault: SecretVault, name: str, value: str
    ) -> None:
        """Nothing was changed, and the error does not show it."""
        await vault.set_secret(name, SecretStr("before"))
        with pytest.raises(InvalidRequest) as caught:
            await vault.set_secret(name, SecretStr(value))

        assert caught.value.request_sent == "no"
        assert "broken" not in str(caught.value)
        assert (await vault.get_secret(name)).get_secret_value() == "before"

    @pytest.mark.parametrize("odd", ODD_NAMES, ids=lambda odd: ascii(odd)[:20])
    async def test_an_odd_name_is_refused(self, vault: SecretVault, odd: str) -> None:
        """Nothing is written under it, and no error shows what was to be written."""
        with pytest.raises(InvalidRequest) as caught:
            await vault.set_secret(odd, SecretStr(SENTINEL))

        seen: BaseException | None = caught.value
        while seen is not None:
            assert SENTINEL not in f"{seen!r} {seen}"
            seen = seen.__cause__ or seen.__context__
        assert [*await vault.list_secrets()] == []

    async def test_one_of_many_values_stays(
        self, vault: SecretVault, name: str
    ) -> None:
        """Whoever reads meanwhile, and afterwards, gets one that was set, whole."""
        values = [f"{n}-{'x' * (LONG - n)}" for n in range(AT_ONCE)]
        await vault.set_secret(name, SecretStr(values[0]))
        found = set()

        async def read() -> None:
            for _ in range(5):
                found.add((await vault.get_secret(name)).get_secret_value())

        writes = (vault.set_secret(name, SecretStr(value)) for value in values)
        both = zip(writes, (read() for _ in values), strict=True)
        await asyncio.gather(*(one for pair in both for one in pair))
        await read()

        assert found <= {*values}
        assert [*await vault.list_secrets()] == [name]

    async def test_a_cancelled_write_is_done_or_not(
        self, board: Pegboard, name: str
    ) -> None:
        """Wherever it is cancelled, the old secret is there or the new one."""
        async with no_leaks(), board:
            vault = board.integration("kit", SecretVault)
            await vault.set_secret(name, SecretStr("old"))

            async def check() -> None:
                found = await vault.get_secret(name)
                assert found.get_secret_value() in {"old", "new"}
                assert [*await vault.list_secrets()] == [name]

            await cancel_at_every_await(
                lambda: vault.set_secret(name, SecretStr("new")), check
            )
            assert (await vault.get_secret(name)).get_secret_value() == "new"
