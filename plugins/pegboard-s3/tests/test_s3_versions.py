"""A bucket that keeps versions, and URLs that are good for a while."""

from __future__ import annotations

import urllib.request
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from pegboard import Blobs, Pegboard, PresignedBlobs
from pegboard.errors import Conflict, InvalidRequest, NotFound

DAY = 24 * 3600
ENABLED = "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>"


@pytest.fixture
def versioned(settings_of, shared_server):
    """Return the settings of a bucket that keeps versions."""
    bucket = f"versions-{uuid4().hex}"
    given = settings_of(shared_server.endpoint, url=f"s3://{bucket}/place")
    keys = Credentials(given["access_key_id"], given["secret_access_key"])
    for path, body in ((bucket, ""), (f"{bucket}?versioning", ENABLED)):
        request = AWSRequest("PUT", f"{shared_server.endpoint}/{path}", data=body)
        S3SigV4Auth(keys, "s3", "us-east-1").add_auth(request)
        signed = urllib.request.Request(  # noqa: S310 - our own server
            request.url, body.encode(), dict(request.headers), method="PUT"
        )
        urllib.request.urlopen(signed).close()  # noqa: S310 - our own server
    return given


@pytest.fixture
async def store(versioned):
    """Return a store in a bucket that keeps versions."""
    async with Pegboard.isolated({"storage": {"kit": versioned}}) as board:
        yield board.storage("kit", Blobs)


async def test_replaced_content_can_be_read_by_its_version(store):
    """What the bucket keeps is there, with what was said of it."""
    old = await store.put("a/b", b"old", metadata={"a": "b"})
    new = await store.put("a/b", b"newer")

    assert await store.get("a/b") == b"newer"
    assert await store.get("a/b", version=new.version) == b"newer"
    assert await store.get("a/b", version=old.version) == b"old"
    assert await store.get("a/b", version=old.version, start=1) == b"ld"
    pieces = [piece async for piece in store.stream("a/b", version=old.version)]
    assert b"".join(pieces) == b"old"
    known = await store.stat("a/b", version=old.version)
    assert (known.size, dict(known.metadata)) == (3, {"a": "b"})
    assert known.version == old.version


async def test_same_content_has_two_versions(store):
    """Where versions are kept, each put has its own."""
    first, second = [await store.put("key", b"same") for _ in range(2)]

    assert first.version != second.version
    assert (await store.stat("key")).version == second.version


async def test_condition_is_on_the_content(store):
    """Who read a version replaces it, and who read an older one does not."""
    old = await store.put("key", b"old")
    new = await store.put("key", b"new", if_version=old.version)

    with pytest.raises(Conflict):
        await store.put("key", b"mine", if_version=old.version)
    with pytest.raises(Conflict):
        await store.put("key", b"mine", if_absent=True)
    assert (await store.stat("key")).version == new.version


async def test_deleted_blob_is_hidden_and_its_versions_are_not(store):
    """What to do about them is for the rules of the bucket to say."""
    old = await store.put("key", b"old")
    await store.delete("key")

    assert await store.stat("key") is None
    assert (await store.list()).keys == ()
    with pytest.raises(NotFound):
        await store.get("key")
    assert await store.get("key", version=old.version) == b"old"
    await store.put("key", b"new", if_absent=True)
    assert await store.get("key") == b"new"


async def test_listing_shows_each_blob_once(store):
    """However many versions there are."""
    for number in range(3):
        await store.put("key", b"%d" % number)

    assert (await store.list()).keys == ("key",)


async def test_url_may_be_good_for_a_day(settings_of, shared_server):
    """And up to seven, which is what S3 allows."""
    given = settings_of(shared_server.endpoint)
    async with Pegboard.isolated({"storage": {"kit": given}}) as board:
        store = board.storage("kit", PresignedBlobs)
        for presign in (store.presign_download, store.presign_upload):
            url = await presign("photo.png", expires_in=DAY)
            assert parse_qs(urlsplit(url).query)["X-Amz-Expires"] == [str(DAY)]
            assert given["secret_access_key"] not in url
            await presign("photo.png", expires_in=7 * DAY)
            with pytest.raises(InvalidRequest):
                await presign("photo.png", expires_in=7 * DAY + 1)
