from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pegboard import Context, Pegboard, SecretStore
from pegboard.builtin.secrets import (
    EnvironmentOptions,
    EnvironmentSecrets,
    FileOptions,
    FileSecrets,
)
from pegboard.errors import (
    InvalidReply,
    InvalidRequest,
    NotFound,
    PermissionDenied,
    Unavailable,
)
from pydantic import SecretStr

SECRET = "sentinel-5ec2e7"
NOBODY = 65534


def _variables(prefix: str = "") -> EnvironmentSecrets:
    context = Context("integrations.secrets", Path())
    return EnvironmentSecrets(EnvironmentOptions(prefix=prefix), context)


@pytest.fixture
def files(tmp_path: Path) -> FileSecrets:
    """Return the secrets in an empty folder."""
    context = Context("integrations.secrets", Path())
    return FileSecrets(FileOptions(folder=tmp_path), context)


@pytest.fixture
def as_nobody() -> Iterator[None]:
    """Take the rights of root away, where the tests run as root."""
    before = os.geteuid()
    if before == 0:
        os.seteuid(NOBODY)
    yield
    os.seteuid(before)


class TestEnvironment:
    async def test_a_variable_is_a_secret(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The value of the variable is returned, hidden."""
        monkeypatch.setenv("API_KEY", SECRET)
        found = await _variables().get_secret("API_KEY")

        assert found.get_secret_value() == SECRET
        assert SECRET not in repr(found)

    async def test_the_prefix_comes_first(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The prefix makes the name of the variable."""
        monkeypatch.setenv("APP_API_KEY", SECRET)
        found = await _variables("APP_").get_secret("API_KEY")

        assert found.get_secret_value() == SECRET

    async def test_it_is_read_when_asked(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A variable that is set later is seen."""
        store = _variables()
        monkeypatch.setenv("API_KEY", "old")
        await store.get_secret("API_KEY")
        monkeypatch.setenv("API_KEY", "new")

        assert (await store.get_secret("API_KEY")).get_secret_value() == "new"

    async def test_what_is_missing_is_named(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The error names the variable and shows nothing else."""
        monkeypatch.setenv("OTHER", SECRET)
        monkeypatch.delenv("APP_KEY", raising=False)

        with pytest.raises(NotFound, match="'APP_KEY' is not set") as caught:
            await _variables("APP_").get_secret("KEY")
        assert "OTHER" not in str(caught.value)
        assert SECRET not in str(caught.value)

    async def test_an_empty_variable_is_no_secret(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """An empty value would fail later, and further away."""
        monkeypatch.setenv("API_KEY", "")

        with pytest.raises(NotFound, match="'API_KEY' is empty"):
            await _variables().get_secret("API_KEY")

    async def test_a_board_offers_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """``provider = "environment"`` is a SecretStore."""
        monkeypatch.setenv("APP_KEY", SECRET)
        vault = {"provider": "environment", "prefix": "APP_"}
        async with Pegboard.isolated({"integrations": {"vault": vault}}) as board:
            found = await board.integration("vault", SecretStore).get_secret("KEY")

        assert found.get_secret_value() == SECRET


class TestFiles:
    @pytest.mark.parametrize("end", ["", "\n", "\r\n"])
    async def test_a_file_is_a_secret(
        self, files: FileSecrets, tmp_path: Path, end: str
    ) -> None:
        """The text of the file is returned without its line end."""
        (tmp_path / "api.key-1").write_text(SECRET + end, newline="")
        found = await files.get_secret("api.key-1")

        assert found.get_secret_value() == SECRET
        assert SECRET not in repr(found)

    async def test_only_one_line_end_goes(
        self, files: FileSecrets, tmp_path: Path
    ) -> None:
        """Other white space belongs to the secret."""
        (tmp_path / "key").write_text(f" {SECRET}\n\n")

        assert (await files.get_secret("key")).get_secret_value() == f" {SECRET}\n"

    async def test_links_are_followed(self, files: FileSecrets, tmp_path: Path) -> None:
        """Kubernetes mounts secrets as links to links."""
        (tmp_path / "..data").mkdir()
        (tmp_path / "..data" / "key").write_text(SECRET)
        (tmp_path / "key").symlink_to(tmp_path / "..data" / "key")

        assert (await files.get_secret("key")).get_secret_value() == SECRET

    async def test_what_is_missing_is_named(
        self, files: FileSecrets, tmp_path: Path
    ) -> None:
        """The error says which file was looked for, not which there are."""
        (tmp_path / "other").write_text(SECRET)

        with pytest.raises(NotFound, match="key' does not exist") as caught:
            await files.get_secret("key")
        assert "other" not in str(caught.value)

    @pytest.mark.parametrize(
        "name",
        [
            "",
            ".",
            "..",
            "...",
            "../key",
            "a/b",
            "/etc/passwd",
            "a\\b",
            "C:",
            "a\0",
            "k\n",
        ],
    )
    async def test_there_is_no_way_out_of_the_folder(
        self, files: FileSecrets, name: str
    ) -> None:
        """A name that could lead elsewhere is refused."""
        with pytest.raises(InvalidRequest, match="cannot name a secret"):
            await files.get_secret(name)

    async def test_a_folder_is_no_secret(
        self, files: FileSecrets, tmp_path: Path
    ) -> None:
        """A folder of that name is said to be one."""
        (tmp_path / "key").mkdir()

        with pytest.raises(NotFound, match="is a folder"):
            await files.get_secret("key")

    async def test_an_empty_file_is_no_secret(
        self, files: FileSecrets, tmp_path: Path
    ) -> None:
        """An empty value would fail later, and further away."""
        (tmp_path / "key").write_text("\n")

        with pytest.raises(NotFound, match="is empty"):
            await files.get_secret("key")

    async def test_bytes_are_no_secret_and_are_not_shown(
        self, files: FileSecrets, tmp_path: Path
    ) -> None:
        """What is not text is refused, and no error holds it."""
        (tmp_path / "key").write_bytes(SECRET.encode() + b"\xff")

        with pytest.raises(InvalidReply, match="not UTF-8") as caught:
            await files.get_secret("key")
        assert caught.value.__cause__ is None
        assert caught.value.__context__ is None

    async def test_an_unreadable_file_is_denied(
        self, files: FileSecrets, tmp_path: Path, request: pytest.FixtureRequest
    ) -> None:
        """A file that this user may not read is told from a missing one."""
        (tmp_path / "key").write_text(SECRET)
        (tmp_path / "key").chmod(0)
        request.getfixturevalue("as_nobody")

        with pytest.raises(PermissionDenied, match="may not be used"):
            await files.get_secret("key")

    async def test_other_failures_are_not_taken_for_a_missing_secret(
        self, files: FileSecrets, tmp_path: Path
    ) -> None:
        """A link to itself cannot be read; whether there is a secret is unknown."""
        (tmp_path / "key").symlink_to(tmp_path / "key")

        with pytest.raises(Unavailable, match="cannot be used now"):
            await files.get_secret("key")

    async def test_a_board_offers_it(self, tmp_path: Path) -> None:
        """``provider = "files"`` is a SecretStore."""
        (tmp_path / "key").write_text(SECRET)
        vault = {"provider": "files", "folder": str(tmp_path)}
        async with Pegboard.isolated({"integrations": {"vault": vault}}) as board:
            found = await board.integration("vault", SecretStore).get_secret("key")

        assert found.get_secret_value() == SECRET


def texts_in(folder: Path) -> list[str]:
    """Return what all files in *folder* say."""
    return [path.read_text() for path in folder.iterdir()]


class TestWriting:
    async def test_a_written_file_is_for_its_owner(
        self, files: FileSecrets, tmp_path: Path
    ) -> None:
        """Also where one was there that all could read."""
        (tmp_path / "key").write_text("old")
        (tmp_path / "key").chmod(0o644)
        await files.set_secret("key", SecretStr(SECRET))

        assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600

    async def test_a_missing_folder_is_made_for_its_owner(self, tmp_path: Path) -> None:
        """Nobody else can look at what there is."""
        context = Context("integrations.secrets", Path())
        folder = tmp_path / "new"
        store = FileSecrets(FileOptions(folder=folder), context)
        await store.set_secret("key", SecretStr(SECRET))

        assert folder.stat().st_mode & 0o777 == 0o700

    @pytest.mark.parametrize("step", ["os.fsync", "pathlib.Path.replace"])
    async def test_a_full_disk_leaves_the_old_secret(
        self,
        files: FileSecrets,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        step: str,
    ) -> None:
        """And nothing of the new one, in no file and in no error."""
        await files.set_secret("key", SecretStr("old"))

        def fail(*_: object) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        with monkeypatch.context() as full:
            full.setattr(step, fail)
            with pytest.raises(Unavailable, match="No space left") as caught:
                await files.set_secret("key", SecretStr(SECRET))

        assert SECRET not in str(caught.value)
        assert texts_in(tmp_path) == ["old"]

    async def test_what_a_crash_left_is_no_secret(
        self, files: FileSecrets, tmp_path: Path
    ) -> None:
        """A file that was not finished is not listed, and cannot be asked for."""
        (tmp_path / "~x1y2").write_text(SECRET)
        (tmp_path / "..data").mkdir()

        assert await files.list_secrets() == []
        with pytest.raises(InvalidRequest):
            await files.get_secret("~x1y2")

    async def test_a_link_is_replaced_and_not_followed(
        self, files: FileSecrets, tmp_path: Path
    ) -> None:
        """What it leads to stays as it is."""
        target = tmp_path.parent / "target"
        target.write_text("theirs")
        (tmp_path / "key").symlink_to(target)
        await files.set_secret("key", SecretStr(SECRET))

        assert target.read_text() == "theirs"
        assert not (tmp_path / "key").is_symlink()

    async def test_a_folder_of_others_is_denied(
        self, files: FileSecrets, request: pytest.FixtureRequest
    ) -> None:
        """As where secrets are mounted to be read."""
        request.getfixturevalue("as_nobody")
        with pytest.raises(PermissionDenied, match="may not be used"):
            await files.set_secret("key", SecretStr(SECRET))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.text())
async def test_no_name_finds_what_is_outside(
    files: FileSecrets, tmp_path: Path, name: str
) -> None:
    """Whatever is asked for, an empty folder has no secret."""
    (tmp_path.parent / "outside").write_text(SECRET)

    with pytest.raises((InvalidRequest, NotFound)):
        await files.get_secret(name)
