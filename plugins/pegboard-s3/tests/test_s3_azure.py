"""Blobs in Azure, on the server that its maker lets anybody run."""

from __future__ import annotations

import runpy
from pathlib import Path
from uuid import uuid4

import hypothesis
import obstore
import pytest
from pegboard import Blobs, Context, Pegboard, PresignedBlobs, errors
from pegboard.testing import FaultServer, Scripted
from pegboard.testing.blobs import EXAMPLES, PersistentBlobsContract
from pegboard_s3.options import AzureOptions
from pegboard_s3.plugin import make_azure_blobs
from pydantic import ValidationError

HERE = Path(__file__).parent
AZURITE = runpy.run_path(str(HERE / "azurite.py"))
free_ports = runpy.run_path(str(HERE / "conftest.py"))["free_ports"]
ACCOUNT, CONTAINER, KEY = (AZURITE[name] for name in ("ACCOUNT", "CONTAINER", "KEY"))
PART = 5 * 1024 * 1024
ONCE = {"attempts": 1, "breaker": {"enabled": False}}


@pytest.fixture(scope="session")
def azurite():
    """Return the server of all tests."""
    (port,) = free_ports(1)
    with AZURITE["running"](port) as server:
        yield server


@pytest.fixture
def settings(azurite):
    """Return settings of a place that holds nothing yet."""
    return {
        "provider": "azure-blob",
        "url": f"azure-blob://{ACCOUNT}/{CONTAINER}/{uuid4().hex}",
        "endpoint": azurite.url,
        "account_key": KEY,
        "part_size": PART,
    }


class TestAzurite(PersistentBlobsContract):
    examples = hypothesis.settings(EXAMPLES, max_examples=10)
    piece = PART

    @pytest.fixture
    def damage(self, settings, tmp_path):
        """Return a function that changes a byte of a blob, its metadata kept."""

        async def damage(key):
            given = {name: settings[name] for name in settings if name != "provider"}
            context = Context("storage.kit", tmp_path)
            blobs = make_azure_blobs(AzureOptions.model_validate(given), context)
            path = blobs._path(key)
            result = await obstore.get_async(blobs._store, path)
            content = bytearray(await result.bytes_async())
            content[0] ^= 1
            await obstore.put_async(
                blobs._store, path, bytes(content), attributes=result.attributes
            )

        return damage


@pytest.fixture
async def open_store():
    """Return a function that opens a store, and board and all."""
    boards = []

    def open_store(given, contract=Blobs):
        boards.append(Pegboard.isolated({"storage": {"x": {"policy": ONCE, **given}}}))
        return boards[-1].storage("x", contract)

    yield open_store
    for board in boards:
        await board.aclose()


async def test_metadata_has_names_as_they_were_given(open_store, settings):
    """Azure takes identifiers only, which nobody has to know."""
    said = {"a": "1", "a-b": "2", "7": "3", "0-9-z": "4"}
    store = open_store(settings)
    await store.put("key", b"content", metadata=said)

    assert dict((await store.stat("key")).metadata) == said


async def test_missing_container_is_not_a_missing_blob(open_store, settings):
    """What to create is said by its name."""
    store = open_store({**settings, "url": f"azure-blob://{ACCOUNT}/nowhere/x"})

    with pytest.raises(errors.NotFound, match=r"testaccount/nowhere.*Create the"):
        await store.get("key")


async def test_wrong_key_is_not_accepted(open_store, settings):
    """It is told, and not shown. Azurite tells it as Azure does a lacking right."""
    store = open_store({**settings, "account_key": "d3Jvbmctc2VjcmV0"})

    with pytest.raises(errors.PermissionDenied) as caught:
        await store.put("key", b"content")
    assert "d3Jvbm" not in f"{caught.value} {caught.value.__cause__!r}"


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (403, "AuthenticationFailed", errors.Authentication),
        (403, "AuthorizationPermissionMismatch", errors.PermissionDenied),
        (404, "ContainerNotFound", errors.NotFound),
        (500, "OperationTimedOut", errors.Timeout),
        (503, "ServerBusy", errors.Overloaded),
    ],
)
async def test_answers_are_told_apart(open_store, settings, status, code, expected):
    """The codes of Azure are errors that say what to do, as those of Amazon are."""
    body = f"<Error><Code>{code}</Code><Message>Told so.\nTime: now</Message></Error>"
    async with FaultServer() as server:
        server.respond(Scripted(body=body.encode(), status=status))
        store = open_store({**settings, "endpoint": f"{server.url}/{ACCOUNT}"})
        with pytest.raises(errors.CallError, match=r"Told so\.") as caught:
            await store.put("key", b"content")

    assert type(caught.value) is expected
    assert (caught.value.status, caught.value.code) == (status, code)
    assert "now" not in str(caught.value)


async def test_urls_for_others_are_not_offered(open_store, settings):
    """An upload by URL needs a header besides, which the contract does not know."""
    with pytest.raises(errors.PegboardError, match="PresignedBlobs"):
        open_store(settings, PresignedBlobs)


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        ("azure-blob://acc/con", ("acc", "con", "")),
        ("azure-blob://acc0/a-b-c/x/y/", ("acc0", "a-b-c", "x/y/")),
        ("azure-blob://acc/$web/a b", ("acc", "$web", "a b/")),
    ],
)
def test_url_says_where_blobs_are(url, parts):
    """An account, a container, and what keys begin with."""
    options = AzureOptions(url=url)

    assert (options.account, options.container, options.prefix) == parts


@pytest.mark.parametrize(
    "url",
    [
        "azure-blob://account",
        "azure-blob://Account/container",
        "azure-blob://account/a--b",
        "azure-blob://account/-ab",
        "azure-blob://account/container/../other",
        "https://account.blob.core.windows.net/container",
    ],
)
def test_what_leads_nowhere_is_refused(url):
    """Mistakes are told before anything is sent."""
    with pytest.raises(ValidationError):
        AzureOptions(url=url)
