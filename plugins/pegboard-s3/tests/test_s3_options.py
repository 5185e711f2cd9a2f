from __future__ import annotations

import pytest
from pegboard import Blobs, Pegboard
from pegboard.errors import SettingsError
from pegboard_s3.options import S3Options
from pydantic import ValidationError


@pytest.mark.parametrize(
    ("url", "bucket", "prefix"),
    [
        ("s3://bucket", "bucket", ""),
        ("s3://bucket/", "bucket", ""),
        ("s3://bucket/a", "bucket", "a/"),
        ("s3://bucket/a/b/", "bucket", "a/b/"),
        ("s3://my.bucket-1/a b", "my.bucket-1", "a b/"),
    ],
)
def test_url_says_where_blobs_are(url, bucket, prefix):
    """A bucket, and what its keys begin with."""
    options = S3Options(url=url)

    assert (options.bucket, options.prefix) == (bucket, prefix)


@pytest.mark.parametrize(
    "given",
    [
        {"url": "bucket"},
        {"url": "s3://"},
        {"url": "s3://b"},
        {"url": "https://bucket.s3.amazonaws.com"},
        {"url": "s3://bucket/../other"},
        {"url": "s3://bucket/a//b"},
        {"url": "s3://key:secret@bucket"},
        {"url": "s3://bucket", "endpoint": "127.0.0.1:8333"},
        {"url": "s3://bucket", "endpoint": "https://user:pw@host"},
        {"url": "s3://bucket", "access_key_id": "key"},
        {"url": "s3://bucket", "secret_access_key": "secret"},
        {"url": "s3://bucket", "part_size": 1024},
    ],
)
def test_what_leads_nowhere_is_refused(given):
    """Mistakes are told before anything is sent."""
    with pytest.raises(ValidationError):
        S3Options.model_validate(given)


def test_url_alone_is_enough():
    """All else has a default, or is what the environment says."""
    settings = {"storage": {"x": {"provider": "s3", "url": "s3://bucket/prefix"}}}

    assert Pegboard.isolated(settings).storage("x", Blobs)


async def test_environment_says_who_asks(shared_server, settings_of):
    """The variables that users of S3 have are enough, too."""
    given = settings_of(shared_server.endpoint)
    environ = {
        "AWS_ACCESS_KEY_ID": given["access_key_id"],
        "AWS_SECRET_ACCESS_KEY": given["secret_access_key"],
        "AWS_ENDPOINT_URL": shared_server.endpoint,
    }
    settings = {"storage": {"x": {"provider": "s3", "url": given["url"]}}}
    async with Pegboard.isolated(settings, environ=environ) as board:
        await board.storage("x", Blobs).put("key", b"content")
        assert await board.storage("x", Blobs).get("key") == b"content"


async def test_health_is_that_of_the_bucket(shared_server, settings_of):
    """A bucket that is not there is down, and the reason says which."""
    good = settings_of(shared_server.endpoint)
    bad = {**good, "url": "s3://no-such-bucket"}
    settings = {"storage": {"good": good, "bad": bad}}
    async with Pegboard.isolated(settings) as board:
        await board.storage("good", Blobs).put("key", b"content")
        health = await board.health()

    assert health["storage.good"].status == "up"
    assert health["storage.bad"].status == "down"
    assert "no-such-bucket" in health["storage.bad"].reason


def test_secrets_are_not_shown():
    """Neither the options nor what explains them tell the key."""
    given = {"provider": "s3", "url": "s3://bucket", "access_key_id": "AKIA-sentinel"}
    given["secret_access_key"] = "secret-sentinel"
    board = Pegboard.isolated({"storage": {"x": given}})

    assert "sentinel" not in f"{board.explain('storage.x')!r}"
    with pytest.raises(SettingsError) as caught:
        Pegboard.isolated({"storage": {"x": {**given, "url": "nowhere"}}}).storage(
            "x", Blobs
        )
    assert "sentinel" not in str(caught.value)
