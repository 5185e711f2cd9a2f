from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import keyring.core
import pytest
from keyring.backend import KeyringBackend
from keyring.errors import InitError, KeyringLocked, PasswordSetError
from keyrings.alt.file import EncryptedKeyring
from pegboard import Pegboard, SecretVault
from pegboard.errors import InvalidReply, NotFound, PermissionDenied, Unavailable
from pydantic import SecretStr

SECRET = "sentinel-5ec2e7"
PLAIN = "keyrings.alt.file.PlaintextKeyring"
WRITE = """
import asyncio, sys
from pegboard import Pegboard, SecretVault
from pydantic import SecretStr

async def main():
    section = {"provider": "keyring", "backend": sys.argv[1]}
    async with Pegboard.isolated({"integrations": {"vault": section}}) as board:
        vault = board.integration("vault", SecretVault)
        for number in range(5):
            await vault.set_secret(f"{sys.argv[2]}-{number}", SecretStr("x"))

asyncio.run(main())
"""


class Failing(KeyringBackend):
    """A keyring that raises what it is told to, with the secret in it."""

    priority = -1
    error: Exception = KeyringLocked("locked")

    def get_password(self, *_):
        raise self.error

    def set_password(self, *given):
        raise type(self.error)(given)


class Unlocked(EncryptedKeyring):
    """A keyring that is encrypted, with its password typed already."""

    keyring_key = "password"


def board_with(backend: str | None = PLAIN, **options: object) -> Pegboard:
    """Return a board with a keyring."""
    section = {"provider": "keyring", "backend": backend, **options}
    return Pegboard.isolated({"integrations": {"vault": section}})


@pytest.mark.filterwarnings("ignore:PBKDF2 without:DeprecationWarning")  # the keyring's
async def test_what_is_encrypted_is_read_with_the_password(
    monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    """A keyring that needs a password for its file keeps secrets like any other."""
    monkeypatch.setitem(sys.modules, "unlocked_keyring", sys.modules[__name__])
    async with board_with("unlocked_keyring.Unlocked") as board:
        vault = board.integration("vault", SecretVault)
        await vault.set_secret("key", SecretStr(SECRET))
        found = await vault.get_secret("key")
        listed = await vault.list_secrets()
    stored = await asyncio.to_thread(
        (home / "python_keyring/crypted_pass.cfg").read_bytes
    )

    assert (found.get_secret_value(), listed) == (SECRET, ["key"])
    assert b"key" in stored
    assert SECRET.encode() not in stored


async def test_the_library_finds_what_was_set() -> None:
    """Other programs see it under the service, by its name."""
    async with board_with(service="mine") as board:
        await board.integration("vault", SecretVault).set_secret("k", SecretStr(SECRET))

    assert keyring.core.load_keyring(PLAIN).get_password("mine", "k") == SECRET


async def test_services_are_apart() -> None:
    """What is kept under one is not found under another."""
    async with board_with(service="mine") as board:
        await board.integration("vault", SecretVault).set_secret("k", SecretStr(SECRET))
    async with board_with(service="yours") as board:
        vault = board.integration("vault", SecretVault)

        assert await vault.list_secrets() == []
        with pytest.raises(NotFound, match="no 'k' under 'yours'"):
            await vault.get_secret("k")


async def test_a_machine_without_a_keyring_says_so() -> None:
    """With what to do about it, in its health as in calls."""
    async with board_with("keyring.backends.fail.Keyring") as board:
        health = (await board.health())["integrations.vault"]
        with pytest.raises(Unavailable, match="no keyring on this machine"):
            await board.integration("vault", SecretVault).get_secret("key")

    assert health.status == "down"
    assert "--list-backends" in health.reason


@pytest.mark.parametrize("name", ["no.such.Keyring", "json.NoKeyring", "nonsense"])
async def test_a_keyring_that_is_none_is_named(name: str) -> None:
    """And how to see which there are."""
    async with board_with(name) as board:
        with pytest.raises(Unavailable, match=rf"'{name}' cannot be used .*backends"):
            await board.integration("vault", SecretVault).get_secret("key")


async def test_it_says_which_keyring_it_is() -> None:
    """When its health is asked for."""
    async with board_with() as board:
        health = (await board.health())["integrations.vault"]

    assert health.reason == "the keyring is that of keyrings.alt.file"


@pytest.mark.parametrize(
    ("raised", "kind"),
    [
        (KeyringLocked("x"), PermissionDenied),
        (InitError("x"), Unavailable),
        (PasswordSetError("x"), Unavailable),
        (OSError("x"), Unavailable),
        (ValueError("x"), Unavailable),
    ],
    ids=lambda value: getattr(value, "__name__", type(value).__name__),
)
async def test_errors_are_ours_and_show_nothing(
    monkeypatch: pytest.MonkeyPatch, raised: Exception, kind: type[Exception]
) -> None:
    """Whatever a keyring raises, and whatever it says."""
    monkeypatch.setattr(Failing, "error", raised)
    monkeypatch.setitem(sys.modules, "failing_keyring", sys.modules[__name__])
    async with board_with("failing_keyring.Failing") as board:
        vault = board.integration("vault", SecretVault)
        with pytest.raises(kind):
            await vault.get_secret("key")
        monkeypatch.setattr(Failing, "get_password", lambda *_: None)
        with pytest.raises(kind) as caught:
            await vault.set_secret("key", SecretStr(SECRET))

    assert SECRET not in repr(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


@pytest.mark.parametrize("text", ["{", "5", '{"a": 1}', "[1]"])
async def test_a_broken_list_is_told(text: str) -> None:
    """And not taken for an empty one, which would lose names."""
    keyring.core.load_keyring(PLAIN).set_password("pegboard", "pegboard:names", text)
    async with board_with() as board:
        vault = board.integration("vault", SecretVault)
        with pytest.raises(InvalidReply, match="pegboard:names"):
            await vault.list_secrets()


async def test_processes_lose_no_name() -> None:
    """Two of them set five secrets each, at the same time."""
    command = [sys.executable, "-c", WRITE, PLAIN]
    processes = [await asyncio.create_subprocess_exec(*command, name) for name in "ab"]
    codes = [await process.wait() for process in processes]
    async with board_with() as board:
        listed = await board.integration("vault", SecretVault).list_secrets()

    assert codes == [0, 0]
    assert [*listed] == [f"{name}-{number}" for name in "ab" for number in range(5)]
