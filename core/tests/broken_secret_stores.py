"""
Secret stores that each break one promise, and the kit run against them.

Not collected by itself: ``test_secret_store_kit.py`` runs it and looks at what fails.
"""

from __future__ import annotations

import asyncio
import re
from functools import partial
from typing import Any, ClassVar

import pytest
from pegboard import IntegrationProvider, Options, hookimpl
from pegboard.contracts.secret_store import checked
from pegboard.errors import InvalidRequest, NotFound
from pegboard.testing.secret_store import LONG, SecretVaultContract
from pydantic import SecretStr

ODD = ("test_an_odd_name_finds_nothing", "test_an_odd_name_is_refused")
FOUND = "test_a_missing_secret_is_not_found"
NEW = "test_a_new_value_is_seen"


class Store(dict[str, str]):
    """What outlives a board."""

    def __init__(self) -> None:
        self.remembered: dict[str, Any] = {}


class Sound:
    """A vault that keeps every promise."""

    caught_by: ClassVar[tuple[str, ...]] = ()
    """The tests that have to fail."""

    def __init__(self, store, _options, _context):
        self.store = store

    async def ping(self):
        return "there"

    def checked(self, name):
        if re.fullmatch(r"\w{1,512}", name, re.ASCII):
            return name
        msg = f"{name[:20]!r} is no name."
        raise InvalidRequest(msg, request_sent="no")

    async def get_secret(self, name):
        await asyncio.sleep(0)
        return SecretStr(self.find(self.checked(name)))

    def find(self, name):
        if name not in self.store:
            msg = f"There is no secret {name!r}."
            raise NotFound(msg)
        return self.store[name]

    async def set_secret(self, name, value):
        text = checked(value)
        self.checked(name)
        await asyncio.sleep(0)
        self.store[name] = text

    async def delete_secret(self, name):
        await asyncio.sleep(0)
        self.store.pop(name, None)

    async def list_secrets(self):
        await asyncio.sleep(0)
        return sorted(self.store)


class Strips(Sound):
    caught_by = (
        "test_a_secret_is_returned_as_it_is",
        "test_the_end_of_a_secret_is_kept",
    )

    def find(self, name):
        return super().find(name).strip()


class CutsOff(Sound):
    caught_by = ("test_a_secret_is_returned_as_it_is",)

    def find(self, name):
        return super().find(name)[: LONG - 1]


class FillsIn(Sound):
    caught_by = ("test_a_secret_is_returned_as_it_is",)

    def find(self, name):
        return super().find(name).replace("$HOME", "/root")


class ReturnsText(Sound):
    caught_by = (
        "test_a_secret_is_hidden",
        "test_by_its_name_it_answers_with_stars",
    )

    async def get_secret(self, name):
        return (await super().get_secret(name)).get_secret_value()


class IgnoresCase(Sound):
    caught_by = ("test_each_name_has_its_own",)

    def find(self, name):
        alike = [n for n in self.store if n.upper() == name.upper()]
        return super().find(alike[0] if alike else name)


class TakesBeginnings(Sound):
    caught_by = ("test_each_name_has_its_own",)

    def find(self, name):
        alike = sorted(n for n in self.store if n.startswith(name))
        return super().find(alike[0] if alike else name)


class KnowsNothingMissing(Sound):
    caught_by = (FOUND, "test_a_secret_that_was_missing_is_seen")

    def find(self, name):
        return self.store.get(name, "none")


class RaisesKeyError(Sound):
    caught_by = (FOUND,)

    def find(self, name):
        return self.store[name]


class TellsOtherNames(Sound):
    caught_by = (FOUND,)

    def find(self, name):
        try:
            return super().find(name)
        except NotFound:
            msg = f"No {name}. Known: {', '.join(self.store)}."
            raise NotFound(msg) from None


class ShowsTheStore(Sound):
    caught_by = (FOUND,)

    def find(self, name):
        try:
            return super().find(name)
        except NotFound:
            msg = f"{name} is not in {dict.values(self.store)}."
            raise NotFound(msg) from None


class TakesAnyName(Sound):
    caught_by = ("test_an_odd_name_is_refused",)

    def checked(self, name):
        return name


class FailsOnOddNames(Sound):
    caught_by = ODD

    def checked(self, name):
        try:
            return super().checked(name)
        except InvalidRequest as error:
            raise ValueError(name) from error


class KeepsForEver(Sound):
    caught_by = (NEW,)

    async def get_secret(self, name):
        kept = self.store.remembered
        if name not in kept:
            kept[name] = await super().get_secret(name)
        return kept[name]


class RemembersWhatIsMissing(Sound):
    caught_by = ("test_a_secret_that_was_missing_is_seen",)

    async def get_secret(self, name):
        if self.store.remembered.get(name):
            raise self.store.remembered[name]
        try:
            return await super().get_secret(name)
        except NotFound as error:
            self.store.remembered[name] = error
            raise


class MixesAnswers(Sound):
    caught_by = ("test_many_at_once_get_their_own",)

    async def get_secret(self, name):
        self.asked = name
        await asyncio.sleep(0)
        return await super().get_secret(self.asked)


class IsDown(Sound):
    caught_by = ("test_it_is_healthy",)

    async def ping(self):
        msg = "down"
        raise NotFound(msg)


class BelongsToALoop(Sound):
    caught_by = ("test_every_event_loop_can_ask",)

    async def get_secret(self, name):
        loop = asyncio.get_running_loop()
        assert self.store.remembered.setdefault("loop", loop) is loop
        return await super().get_secret(name)


class SwallowsCancellation(Sound):
    caught_by = ("test_a_cancelled_call_leaves_nothing",)

    async def get_secret(self, name):
        try:
            return await super().get_secret(name)
        except asyncio.CancelledError:
            return SecretStr("")


class LeavesATask(Sound):
    caught_by = ("test_nothing_is_left_behind", "test_a_cancelled_call_leaves_nothing")

    async def get_secret(self, name):
        self.store.remembered["task"] = asyncio.create_task(asyncio.sleep(60))
        return await super().get_secret(name)


class DropsLineEnds(Sound):
    caught_by = ("test_the_end_of_a_secret_is_kept",)

    async def set_secret(self, name, value):
        await super().set_secret(
            name, SecretStr(value.get_secret_value().rstrip("\r\n"))
        )


class NeverReplaces(Sound):
    caught_by = ("test_a_secret_is_replaced",)

    async def set_secret(self, name, value):
        before = self.store.get(name)
        await super().set_secret(name, value)
        self.store[name] = before or self.store[name]


class WritesOver(Sound):
    caught_by = ("test_a_secret_is_replaced",)

    async def set_secret(self, name, value):
        before = self.store.get(name, "")
        await super().set_secret(name, value)
        self.store[name] += before[len(self.store[name]) :]


class ListsAsTheyCame(Sound):
    caught_by = ("test_names_are_listed_in_order",)

    async def list_secrets(self):
        return [*self.store]


class ListsValues(Sound):
    caught_by = ("test_names_are_listed_in_order",)

    async def list_secrets(self):
        return [f"{n}={v}" for n, v in sorted(self.store.items())]


class ListsOnePage(Sound):
    caught_by = ("test_many_names_are_listed",)

    async def list_secrets(self):
        return sorted(self.store)[:100]


class FailsWhenEmpty(Sound):
    caught_by = ("test_an_empty_store_lists_nothing",)

    async def list_secrets(self):
        self.find(next(iter(self.store), ""))
        return await super().list_secrets()


class NeverDeletes(Sound):
    caught_by = ("test_a_deleted_secret_is_gone",)

    async def delete_secret(self, name):  # noqa: ARG002 - that is what is broken
        return None


class DeletesAll(Sound):
    caught_by = ("test_a_deleted_secret_is_gone",)

    async def delete_secret(self, name):  # noqa: ARG002 - that is what is broken
        self.store.clear()


class MissesWhatIsDeleted(Sound):
    caught_by = ("test_deleting_what_is_missing_is_no_error",)

    async def delete_secret(self, name):
        self.find(name)
        await super().delete_secret(name)


class BlocksDeletedNames(Sound):
    caught_by = ("test_a_deleted_secret_can_be_set_again",)

    async def delete_secret(self, name):
        self.store.remembered[name] = "deleted"
        await super().delete_secret(name)

    async def set_secret(self, name, value):
        if name in self.store.remembered:
            msg = f"{name} is scheduled for deletion."
            raise InvalidRequest(msg)
        await super().set_secret(name, value)


class TakesEmptyOnes(Sound):
    caught_by = ("test_what_is_no_secret_is_refused",)

    async def set_secret(self, name, value):
        if value.get_secret_value():
            await super().set_secret(name, value)
        else:
            self.store[name] = ""


class ShowsWhatIsNoText(Sound):
    caught_by = ("test_what_is_no_secret_is_refused",)

    async def set_secret(self, name, value):
        try:
            value.get_secret_value().encode()
        except UnicodeEncodeError as error:
            msg = f"{error.object!r} is no text."
            raise InvalidRequest(msg, request_sent="no") from error
        await super().set_secret(name, value)


class ShowsWhatWasToBeWritten(Sound):
    caught_by = ("test_an_odd_name_is_refused",)

    async def set_secret(self, name, value):
        try:
            await super().set_secret(name, value)
        except InvalidRequest as error:
            cause = ValueError(f"{name}={value.get_secret_value()}")
            raise error from cause


class WritesInHalves(Sound):
    caught_by = ("test_one_of_many_values_stays",)

    async def set_secret(self, name, value):
        text = checked(value)
        self.checked(name)
        self.store[name] = text[:1000]
        for _ in range(3):
            await asyncio.sleep(0)
        self.store[name] = text


class LosesIt(Sound):
    caught_by = ("test_a_cancelled_write_is_done_or_not",)

    async def set_secret(self, name, value):
        self.checked(name)
        text = checked(value)
        self.store.pop(name, None)
        await asyncio.sleep(0)
        self.store[name] = text


class LeavesAPiece(Sound):
    caught_by = ("test_a_cancelled_write_is_done_or_not",)

    async def set_secret(self, name, value):
        self.checked(name)
        self.store[f"{name}.tmp"] = checked(value)
        await asyncio.sleep(0)
        self.store[name] = self.store.pop(f"{name}.tmp")


class IsAToolForModels(Sound):
    caught_by = ("test_it_is_no_tool",)


class Offer:
    """A plugin that offers one vault."""

    def __init__(self, vault, store):
        self.vault = vault
        self.store = store

    @hookimpl
    def pegboard_integrations(self):
        """Offer the vault, and what a model may call beside it."""
        more = {"Messenger": 1} if self.vault is IsAToolForModels else {}
        return [
            IntegrationProvider(
                name="sample",
                factory=partial(self.vault, self.store),
                options=Options,
                contracts={"SecretStore": 1, "SecretVault": 1, **more},
            )
        ]


async def _post_message(_self, _channel, _text):
    return None


IsAToolForModels.post_message = _post_message


class Kit(SecretVaultContract):
    """The kit, for one of the vaults."""

    __test__ = False
    vault_class: ClassVar[type[Sound]]

    @pytest.fixture
    def plugins(self, kept):
        """Return what offers the vault."""
        return [Offer(self.vault_class, kept)]

    @pytest.fixture
    def kept(self):
        """Return what keeps secrets while boards come and go."""
        return Store()

    @pytest.fixture
    def settings(self):
        """Return settings that name the vault."""
        return {"provider": "sample"}


VAULTS = [
    kind
    for kind in [*vars().values()]
    if isinstance(kind, type) and issubclass(kind, Sound)
]
globals().update(
    {
        f"Test{vault.__name__}": type(
            f"Test{vault.__name__}", (Kit,), {"vault_class": vault, "__test__": True}
        )
        for vault in VAULTS
    }
)
