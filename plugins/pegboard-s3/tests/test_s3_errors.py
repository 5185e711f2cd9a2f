from __future__ import annotations

import io

import pytest
from pegboard import Blobs, Pegboard, errors
from pegboard.testing import FaultServer, Scripted

ONCE = {"attempts": 1, "breaker": {"enabled": False}}
TWICE = {"attempts": 2, "backoff": 0, "breaker": {"enabled": False}}
ANSWERS = [
    (400, "InvalidRequest", errors.InvalidRequest),
    (400, "RequestTimeout", errors.Timeout),
    (400, "ExpiredToken", errors.Authentication),
    (401, "Nobody", errors.Authentication),
    (403, "AccessDenied", errors.PermissionDenied),
    (403, "SignatureDoesNotMatch", errors.Authentication),
    (403, "InvalidAccessKeyId", errors.Authentication),
    (403, "RequestTimeTooSkewed", errors.Authentication),
    (404, "NoSuchKey", errors.NotFound),
    (404, "NoSuchBucket", errors.NotFound),
    (429, "TooManyRequests", errors.RateLimited),
    (500, "InternalError", errors.Unavailable),
    (503, "SlowDown", errors.Overloaded),
    (503, "Whatever", errors.Unavailable),
]


def answer(status, code):
    """Return an error as S3 words it."""
    body = f"<Error><Code>{code}</Code><Message>Told so.</Message></Error>"
    return Scripted(body=[body.encode()], status=status)


def stored():
    """Return the answer to a put."""
    return Scripted(headers={"etag": '"tag"'}, body=[b""])


@pytest.fixture
async def faults():
    """Return a server that answers as it is told."""
    async with FaultServer() as faults:
        yield faults


@pytest.fixture
async def open_store(settings_of):
    """Return a function that opens a store."""
    boards = []

    def open_store(endpoint, policy=ONCE, **changes):
        given = settings_of(endpoint, policy=policy, **changes)
        boards.append(Pegboard.isolated({"storage": {"kit": given}}))
        return boards[-1].storage("kit", Blobs)

    yield open_store
    for board in boards:
        await board.aclose()


@pytest.mark.parametrize(("status", "code", "expected"), ANSWERS)
async def test_answers_are_told_apart(faults, open_store, status, code, expected):
    """Each status and code of S3 is the error that says what to do."""
    faults.respond(answer(status, code))
    with pytest.raises(errors.CallError) as caught:
        await open_store(faults.url).put("key", b"content")

    assert type(caught.value) is expected
    assert caught.value.status == status
    assert caught.value.code == code
    assert "Told so." in str(caught.value)


@pytest.mark.parametrize(("status", "code"), [(403, "AccessDenied"), (500, "Broken")])
async def test_only_what_is_not_there_is_absent(faults, open_store, status, code):
    """Who may not look is not told that there is nothing."""
    store = open_store(faults.url)
    for call in (store.stat, store.get, store.delete):
        faults.respond(answer(status, code))
        with pytest.raises((errors.PermissionDenied, errors.Unavailable)):
            await call("key")


async def test_sdk_does_not_retry(faults, open_store):
    """One attempt of the policy is one request."""
    faults.respond(answer(500, "InternalError"), Scripted(body=[b"content"]))
    store = open_store(faults.url)

    with pytest.raises(errors.Unavailable):
        await store.get("key")
    await faults.next_request()
    assert len(faults.requests) == 1


async def test_bytes_are_sent_again(faults, open_store):
    """What the service did not act on is repeated, if there is something to repeat."""
    faults.respond(answer(503, "SlowDown"), stored())
    blob = await open_store(faults.url, TWICE).put("key", b"content")

    assert blob.size == 7
    assert [request.body for request in faults.requests] == [b"content"] * 2


async def stream():
    """Yield some content."""
    yield b"content"


@pytest.mark.parametrize("content", [stream, lambda: io.BytesIO(b"content")])
async def test_what_is_used_up_is_not_sent_again(faults, open_store, content):
    """A stream is at its end by then: a repeat would store an empty blob."""
    faults.respond(answer(503, "SlowDown"), stored())
    with pytest.raises(errors.Overloaded) as caught:
        await open_store(faults.url, TWICE).put("key", content())

    assert not caught.value.retryable
    assert [request.body for request in faults.requests] == [b"content"]


async def test_wrong_key_is_not_accepted(shared_server, open_store):
    """A real server tells a wrong secret, and so do we, without showing it."""
    store = open_store(shared_server.endpoint, secret_access_key="wr0ng-secret")

    with pytest.raises(errors.Authentication) as caught:
        await store.get("key")
    assert "wr0ng" not in f"{caught.value} {caught.value.__cause__!r}"
    with pytest.raises(errors.PermissionDenied):  # HEAD has no code to tell more
        await store.stat("key")


async def test_missing_bucket_is_not_a_missing_blob(shared_server, open_store):
    """What to create is said by its name."""
    store = open_store(shared_server.endpoint, url="s3://no-such-bucket/a")

    for call in (store.get, store.list):
        with pytest.raises(errors.NotFound, match="Create the bucket or container"):
            await call("key")


async def test_what_something_else_stored_has_no_digest(shared_server, open_store):
    """An object without our metadata can be read, and is not compared."""
    import obstore  # noqa: PLC0415 - here alone
    from obstore.store import S3Store  # noqa: PLC0415 - the same

    from_outside = S3Store(
        "bucket",
        endpoint=shared_server.endpoint,
        access_key_id="test-key",
        secret_access_key="test-secret-0123456789",
        virtual_hosted_style_request=False,
        client_options={"allow_http": True},
    )
    await obstore.put_async(from_outside, "outside/key", b"content")
    store = open_store(shared_server.endpoint, url="s3://bucket/outside")
    blob = await store.stat("key")

    assert blob.sha256 is None
    assert await store.get("key") == b"content"
    assert (await store.list()).keys == ("key",)


@pytest.mark.parametrize(("keep_alive", "is_kept"), [(0, False), (60, True)])
async def test_idle_connection_stays_as_the_policy_says(
    faults, open_store, keep_alive, is_kept
):
    """Closed at once, or there for the next call."""
    store = open_store(faults.url, {**ONCE, "keep_alive": keep_alive})
    for _ in range(2):
        faults.respond(stored())
        await store.put("key", b"content")
        if not is_kept:
            await faults.all_left()

    assert len(faults._connections) <= 1
