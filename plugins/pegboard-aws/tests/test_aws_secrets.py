from __future__ import annotations

from uuid import uuid4

import pytest
from pegboard import Pegboard, SecretStore, SecretVault, errors
from pegboard.testing import FaultServer, Scripted
from pegboard.testing.clock import ManualClock
from pegboard.testing.secret_store import SecretStoreContract, SecretVaultContract
from pydantic import SecretStr


@pytest.fixture
def settings(access):
    """Return the settings of a place for secrets that holds none yet."""
    return {
        "provider": "secrets-manager",
        "prefix": f"{uuid4().hex}/",
        "ttl": 0,
        **access,
    }


class TestSecretsManager(SecretVaultContract, SecretStoreContract):
    against = "ministack"

    @pytest.fixture
    def settings(self, settings):
        """Return the settings, in which nothing is kept."""
        return settings

    @pytest.fixture
    def put(self, settings, sdk):
        """Return a function that makes or replaces a secret by the SDK."""
        client = sdk("secretsmanager")

        async def put(name, value):
            name = f"{settings['prefix']}{name}"
            try:
                client.put_secret_value(SecretId=name, SecretString=value)
            except client.exceptions.ResourceNotFoundException:
                client.create_secret(Name=name, SecretString=value)

        return put


@pytest.fixture
def clock():
    """Return a clock that is set by hand."""
    return ManualClock()


@pytest.fixture
async def open_board(settings, clock):
    """Return a function that opens a board with other settings."""
    boards = []

    def open_board(**changes):
        section = {**settings, **changes}
        board = Pegboard.isolated({"integrations": {"safe": section}}, clock=clock)
        boards.append(board)
        return board

    yield open_board
    for board in boards:
        await board.aclose()


async def test_rotated_secret_is_seen_after_the_ttl(open_board, settings, sdk, clock):
    """Until then, the service is not asked."""
    name = f"{settings['prefix']}key"
    client = sdk("secretsmanager")
    client.create_secret(Name=name, SecretString="old")
    safe = open_board(ttl=60).integration("safe", SecretStore)
    seen = []
    for seconds in (0, 59.9, 0.2):
        clock.advance(seconds)
        seen.append((await safe.get_secret("key")).get_secret_value())
        client.put_secret_value(SecretId=name, SecretString="new")

    assert seen == ["old", "old", "new"]


async def test_own_write_is_seen_at_once(open_board):
    """What was kept is forgotten, also by deleting."""
    safe = open_board(ttl=60).integration("safe", SecretVault)
    for text in ("one", "two"):
        await safe.set_secret("key", SecretStr(text))
        assert (await safe.get_secret("key")).get_secret_value() == text
    await safe.delete_secret("key")
    with pytest.raises(errors.NotFound):
        await safe.get_secret("key")


async def test_octets_are_text(open_board, settings, sdk):
    """A secret that was stored as octets is read, if it is text."""
    prefix, client = settings["prefix"], sdk("secretsmanager")
    client.create_secret(Name=f"{prefix}good", SecretBinary=b"s\xc3\xbc\xc3\x9f")
    client.create_secret(Name=f"{prefix}bad", SecretBinary=b"SENTINEL\xff")
    safe = open_board().integration("safe", SecretStore)

    assert (await safe.get_secret("good")).get_secret_value() == "s\u00fc\u00df"
    with pytest.raises(errors.InvalidReply) as seen:
        await safe.get_secret("bad")
    assert seen.value.__cause__ is None
    assert seen.value.__suppress_context__


async def test_many_are_listed(open_board, settings, sdk):
    """More than fit on a page of the service, and none of others."""
    client = sdk("secretsmanager")
    names = [f"key-{number:03}" for number in range(130)]
    for name in names:
        client.create_secret(Name=settings["prefix"] + name, SecretString="x")
    client.create_secret(Name=settings["prefix"].upper() + "key", SecretString="x")

    safe = open_board().integration("safe", SecretVault)
    assert await safe.list_secrets() == names


async def test_missing_secret_is_named(open_board, settings):
    """With its prefix, as it is called at the service."""
    with pytest.raises(errors.NotFound, match=f"{settings['prefix']}key"):
        await open_board().integration("safe", SecretStore).get_secret("key")


async def test_settings_may_refer_to_it(settings, sdk):
    """A field of a JSON secret becomes an option of something else."""
    sdk("secretsmanager").create_secret(
        Name=f"{settings['prefix']}slack", SecretString='{"token": "xoxb-7"}'
    )
    layers = {
        "integrations": {
            "safe": settings,
            "alerts": {"provider": "slack", "token": "secret:safe/slack#token"},
        }
    }
    async with Pegboard.isolated(layers) as board:
        rows = {row.key: row for row in board.explain("integrations.alerts").options}
        assert rows["token"].shown == "set"


async def test_health_is_that_of_the_service(open_board):
    """Keys that nobody knows are found before the first secret is needed."""
    (up,) = (await open_board().health()).values()
    (down,) = (await open_board(access_key_id="nobody").health()).values()

    assert up.status == "up"
    assert down.status == "down"
    assert "UnrecognizedClientException" in down.reason


DONE = Scripted.json({})
MISSING, DELETED, TAKEN = (
    Scripted.json({"__type": code}, status=400)
    for code in (
        *("ResourceNotFoundException", "InvalidRequestException"),
        "ResourceExistsException",
    )
)


@pytest.mark.parametrize(
    ("answers", "actions"),
    [
        ([DONE], ["PutSecretValue"]),
        ([MISSING, DONE], ["PutSecretValue", "CreateSecret"]),
        (
            [MISSING, TAKEN, DONE],
            ["PutSecretValue", "CreateSecret", "PutSecretValue"],
        ),
        (
            [DELETED, DONE, DONE],
            ["PutSecretValue", "RestoreSecret", "PutSecretValue"],
        ),
    ],
)
async def test_secret_is_set_whatever_was_there(open_board, answers, actions):
    """Nothing, an older one, that of somebody quicker, or one that was deleted."""
    async with FaultServer() as server:
        server.respond(*answers)
        safe = open_board(endpoint=server.url).integration("safe", SecretVault)
        await safe.set_secret("key", SecretStr("new"))

    asked = [r.headers["x-amz-target"].partition(".")[2] for r in server.requests]
    assert asked == actions
    assert server.requests[-1].json["SecretString"] == "new"
