"""What DynamoDB refuses, and how it words it."""

from __future__ import annotations

import pytest
from pegboard import Collection, DocumentStore, KeyValue, Pegboard, errors
from pegboard.testing import FaultServer, Scripted

ONCE = {"attempts": 1, "breaker": {"enabled": False}}
TWICE = {"attempts": 2, "backoff": 0, "breaker": {"enabled": False}}
PREFIX = "com.amazonaws.dynamodb.v20120810#"
ANSWERS = [
    (400, "ProvisionedThroughputExceededException", errors.RateLimited),
    (400, "ThrottlingException", errors.RateLimited),
    (400, "RequestLimitExceeded", errors.RateLimited),
    (400, "ReplicatedWriteConflictException", errors.Overloaded),
    (400, "AccessDeniedException", errors.PermissionDenied),
    (400, "UnrecognizedClientException", errors.Authentication),
    (400, "ExpiredTokenException", errors.Authentication),
    (400, "ValidationException", errors.InvalidRequest),
    (400, "ResourceNotFoundException", errors.NotFound),
    (500, "InternalServerError", errors.Unavailable),
    (503, "ServiceUnavailable", errors.Unavailable),
]
REASONS = [
    ("ThrottlingError", errors.RateLimited),
    ("ProvisionedThroughputExceeded", errors.RateLimited),
    ("ValidationError", errors.InvalidRequest),
    ("SomethingNew", errors.Conflict),
]
ANY = Collection("any")


def answer(code, status=400, **fields):
    """Return an error as DynamoDB words it."""
    told = {"__type": f"{PREFIX}{code}", "message": "Told so.", **fields}
    return Scripted.json(told, status=status)


def canceled(*reasons):
    """Return that a transaction was given up for *reasons*."""
    told = [{"Code": reason} for reason in reasons]
    return answer("TransactionCanceledException", CancellationReasons=told)


def target(request):
    """Return the action that was asked for."""
    return request.headers["x-amz-target"].partition(".")[2]


@pytest.fixture
async def faults():
    """Return a server that answers as it is told."""
    async with FaultServer() as faults:
        yield faults


@pytest.fixture
async def lossy():
    """Return a server that stores an item and then fails to say so."""
    stored = []

    def keep(request):
        if target(request) == "PutItem" and "body" in request.json["Item"]:
            stored.append(request.json["Item"])
            return answer("InternalServerError", 500)
        found = {"Item": stored[-1]} if stored else {}
        return Scripted.json({"Responses": {}, **found})

    async with FaultServer(otherwise=keep) as server:
        yield server


@pytest.fixture
async def open_board(settings_of):
    """Return a function that opens a board with a store."""
    boards = []

    def open_board(endpoint, policy=ONCE, **changes):
        given = settings_of(endpoint, policy=policy, create_table=False, **changes)
        boards.append(Pegboard.isolated({"storage": {"kit": given}}))
        return boards[-1]

    yield open_board
    for board in boards:
        await board.aclose()


@pytest.fixture
def store(open_board, faults):
    """Return a store on a server that answers as it is told, once."""
    return open_board(faults.url).storage("kit", KeyValue)


@pytest.mark.parametrize(("status", "code", "expected"), ANSWERS)
async def test_answers_are_told_apart(faults, store, status, code, expected):
    """Each code of DynamoDB is the error that says what to do."""
    faults.respond(answer(code, status))
    with pytest.raises(errors.CallError) as caught:
        await store.get("key")

    assert type(caught.value) is expected
    assert (caught.value.status, caught.value.code) == (status, code)


@pytest.mark.parametrize(("reason", "expected"), REASONS)
async def test_reason_of_a_transaction_is_told(faults, store, reason, expected):
    """That it was given up says nothing; why it was says what to do."""
    faults.respond(canceled("None", reason))
    with pytest.raises(errors.CallError) as caught:
        await store.set_many({"a": 1, "b": 2})

    assert type(caught.value) is expected
    assert caught.value.status == 400


async def test_throttled_write_is_made_again(faults, open_board):
    """Nothing was done, so even what must not be done twice is repeated."""
    store = open_board(faults.url, TWICE).storage("kit", KeyValue)
    faults.respond(answer("ProvisionedThroughputExceededException"), Scripted.json({}))
    await store.set("key", 1)

    assert [request.json["Item"]["body"] for request in faults.requests] == [
        {"N": "1"},
        {"N": "1"},
    ]


async def test_failed_read_is_made_by_the_policy_alone(faults, store):
    """One attempt of the policy is one request."""
    faults.respond(answer("InternalServerError", 500), Scripted.json({}))
    with pytest.raises(errors.Unavailable):
        await store.get("key")

    assert len(faults.requests) == 1


@pytest.mark.parametrize(
    ("busy", "change"),
    [
        (canceled("TransactionConflict"), lambda store: store.set_many({"a": 1})),
        (answer("TransactionConflictException"), lambda store: store.set("a", 1)),
    ],
)
async def test_transaction_of_others_is_waited_for(faults, store, busy, change):
    """What is being changed by a transaction is not out of order, only busy."""
    faults.respond(busy, Scripted.json({}))
    await change(store)

    assert len(faults.requests) == 2
    assert faults.requests[0].body == faults.requests[1].body


async def test_transaction_is_known_by_its_token(faults, store):
    """The service itself sees to it that what arrives twice is done once."""
    for _ in range(2):
        faults.respond(Scripted.json({}))
        await store.set_many({"a": 1})
    tokens = [request.json["ClientRequestToken"] for request in faults.requests]

    assert len({*tokens}) == 2


async def test_lost_answer_is_no_lost_write(lossy, open_board):
    """Whoever stored something and heard nothing looks whether it is there."""
    store = open_board(lossy.url).storage("kit", KeyValue)
    version = await store.set("key", 1)

    assert [target(request) for request in lossy.requests] == ["PutItem", "GetItem"]
    assert lossy.requests[0].json["Item"]["version"] == {"S": version}


async def test_lost_answer_is_no_lost_document(lossy, open_board):
    """A document is looked for in the same way."""
    store = open_board(lossy.url).storage("kit", DocumentStore)
    version = await store.put_document(ANY, "key", {"a": 1})
    sent = [target(request) for request in lossy.requests]

    # The first put is that of the collection's name.
    assert sent[:4] == ["BatchGetItem", "PutItem", "PutItem", "GetItem"]
    assert lossy.requests[2].json["Item"]["version"] == {"S": version}


@pytest.mark.parametrize(
    "found", [Scripted.json({}), answer("InternalServerError", 500)]
)
async def test_lost_write_is_told(faults, store, found):
    """If it is not there, or nobody knows, the error is the one that came first."""
    faults.respond(answer("InternalServerError", 500, message="first"), found)
    with pytest.raises(errors.Unavailable, match="first"):
        await store.set("key", 1)

    assert len(faults.requests) == 2


async def test_refused_write_is_not_looked_for(faults, store):
    """What was refused is not there."""
    faults.respond(answer("ValidationException"))
    with pytest.raises(errors.InvalidRequest):
        await store.set("key", 1)

    assert len(faults.requests) == 1


@pytest.mark.parametrize(
    "change",
    [
        lambda store: store.set("key", "x" * 409_600),
        lambda store: store.set_many({"key": ["y" * 409_600]}),
        lambda store: store.set("k" * 1021, 1),
        lambda store: store.set("\u00e9" * 511, 1),
    ],
)
async def test_what_is_too_large_is_refused(faults, store, change):
    """The error says how much there is room for, and nothing is sent."""
    with pytest.raises(errors.InvalidRequest, match=r"up to \d+") as caught:
        await change(store)

    assert caught.value.request_sent == "no"
    assert not faults.requests


async def test_largest_value_is_stored(settings):
    """What we let pass, a server that counts lets pass, too, and no byte more."""
    async with Pegboard.isolated({"storage": {"kit": settings}}) as board:
        store = board.storage("kit", KeyValue)
        prefix = settings["url"].rpartition("/")[2]
        item = {"pk": f"{prefix}/values", "sk": "key", "body": '""'}
        names = len("version") + 24 + sum(len(a) + len(b) for a, b in item.items())
        largest = "x" * (400 * 1024 - names)
        await store.set("key", largest)

        assert await store.get("key") == largest
        with pytest.raises(errors.InvalidRequest):
            await store.set("key", largest + "x")
