from __future__ import annotations

import ftplib
import socket
import zipfile

import paramiko
import pytest
from pegboard import Blobs, Files, Pegboard, errors
from pegboard_fsspec._errors import translated

BUSY = ftplib.error_temp("450 busy")  # noqa: S321 - an error is safe
ONCE = {"attempts": 1, "breaker": {"enabled": False}}


@pytest.mark.parametrize(
    ("error", "kind", "sent"),
    [
        (paramiko.AuthenticationException("no"), errors.Authentication, "no"),
        (paramiko.SSHException("gone"), errors.ConnectionFailed, "maybe"),
        (EOFError(), errors.ConnectionFailed, "maybe"),
        (ConnectionRefusedError(111, "refused"), errors.ConnectionFailed, "no"),
        (ConnectionResetError(104, "reset"), errors.ConnectionFailed, "maybe"),
        (socket.gaierror(-2, "unknown"), errors.ConnectionFailed, "no"),
        (TimeoutError("late"), errors.Timeout, "maybe"),
        (PermissionError(13, "denied"), errors.PermissionDenied, "yes"),
        (FileNotFoundError(2, "none"), errors.NotFound, "yes"),
        (BUSY, errors.Unavailable, "maybe"),
        (NotImplementedError(), errors.Unsupported, "no"),
        (ModuleNotFoundError("No module named 'x'"), errors.Unsupported, "no"),
        (OSError("Failure"), errors.Unavailable, "maybe"),
    ],
    ids=lambda given: getattr(given, "__name__", None) or repr(given),
)
def test_errors_of_file_systems_mean_ours(error, kind, sent):
    """By their class, and never by what they say."""
    with pytest.raises(errors.CallError) as caught, translated("sftp://host/x"):
        raise error

    assert type(caught.value) is kind
    assert caught.value.request_sent == sent
    assert caught.value.__cause__ is error
    assert "sftp://host/x" in caught.value.message


def test_what_nobody_knows_is_not_hidden():
    """A mistake in a program is raised as it is."""
    with pytest.raises(ZeroDivisionError), translated("sftp://host/x"):
        raise ZeroDivisionError


async def test_wrong_password_is_told_and_not_shown(settings_of, shared_server):
    """Who is not let in hears what to check."""
    secrets = {"password": "the-wrong-one"}
    given = settings_of(shared_server.port, secrets=secrets, policy=ONCE)
    async with Pegboard.isolated({"storage": {"kit": given}}) as board:
        with pytest.raises(errors.Authentication, match="Check the user") as caught:
            await board.storage("kit", Files).list()

    assert "the-wrong-one" not in repr(caught.value) + str(caught.value)


@pytest.mark.parametrize(
    ("settings", "kind", "match"),
    [
        ({"url": "nothing://x"}, errors.InvalidRequest, "nothing"),
        (
            {"url": "sftp://127.0.0.1/x", "options": {"nonsense": 1}},
            errors.InvalidRequest,
            "nonsense",
        ),
    ],
)
async def test_what_fsspec_does_not_take_is_told(settings, kind, match):
    """An unknown protocol, or option, is the settings' mistake."""
    given = {"provider": "fsspec", "policy": ONCE, **settings}
    async with Pegboard.isolated({"storage": {"kit": given}}) as board:
        with pytest.raises(kind, match=match):
            await board.storage("kit", Blobs).stat("key")


@pytest.mark.parametrize("url", ["", "folder", "/folder", "sftp://ann:secret@host/x"])
async def test_bad_url_is_refused(url):
    """What is no URL, or holds a password, is found before any call."""
    given = {"provider": "fsspec", "url": url}
    async with Pegboard.isolated({"storage": {"kit": given}}) as board:
        with pytest.raises(errors.SettingsError) as caught:
            board.storage("kit", Files)

    assert "secret@" not in str(caught.value)


async def test_read_only_file_system_says_so(tmp_path):
    """What a file system cannot do is unsupported."""
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("folder/a.txt", b"content")
    url = f"zip://::file://{tmp_path}/a.zip"
    given = {"provider": "fsspec", "url": url, "policy": ONCE}
    async with Pegboard.isolated({"storage": {"kit": given}}) as board:
        files = board.storage("kit", Files)

        assert (await files.list("folder")).paths == ("folder/a.txt",)
        assert await files.read("folder/a.txt", start=3) == b"tent"
        with pytest.raises(errors.CallError):
            await files.write("b.txt", b"")
