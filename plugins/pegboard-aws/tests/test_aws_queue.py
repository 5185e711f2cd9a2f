from __future__ import annotations

import pytest
from pegboard import NewMessage, Pegboard, Published, errors
from pegboard.testing import FaultServer, Scripted
from pegboard_aws._queue import _placed
from pegboard_aws.options import SQSOptions

PLACE = "/000000000000/jobs"
TOLD = {
    "MessageId": "m-1",
    "ReceiptHandle": "r-1",
    "Body": '{"job": 7}',
    "Attributes": {"ApproximateReceiveCount": "2", "SentTimestamp": "1500"},
}


@pytest.fixture
async def server():
    """Return a server that answers as it is told."""
    async with FaultServer() as server:
        yield server


def sent(count, **failed):
    """Return the answer to a batch of *count* messages, of which some *failed*."""
    names = [str(number) for number in range(count)]
    good = [{"Id": n, "MessageId": f"m-{n}"} for n in names if f"m{n}" not in failed]
    bad = [{"Id": name[1:], **told} for name, told in failed.items()]
    return Scripted.json({"Successful": good, "Failed": bad})


async def test_message_goes_to_and_fro(make_queue, open_queue):
    """What the service adds to it is told."""
    queue = open_queue(make_queue())
    name = await queue.publish(
        {"job": "\u00fc\u2028"}, attributes={"a.b-c_1": "\u00e9"}
    )
    (found,) = await queue.receive()

    assert (found.id, found.body) == (name, {"job": "\u00fc\u2028"})
    assert found.attributes == {"a.b-c_1": "\u00e9"}
    assert (found.deliveries, found.group) == (1, None)
    assert found.published > 1_700_000_000
    assert await queue.ack(found.receipt)
    assert not await queue.extend(found.receipt)


async def test_text_of_others_arrives_as_it_is(make_queue, open_queue, sdk):
    """Not everybody who puts something into a queue writes JSON."""
    url = make_queue()
    sdk("sqs").send_message(QueueUrl=url, MessageBody="{half of")

    (found,) = await open_queue(url).receive()
    assert found.body == "{half of"


async def test_dead_letters_are_in_a_queue_of_their_own(make_queue, open_queue):
    """A queue that has one keeps it by itself; it is read like any other."""
    dead = make_queue()
    queue = open_queue(make_queue(dead_letters=(dead, 2)))
    name = await queue.publish("poison")
    for number in (1, 2):
        (found,) = await queue.receive()
        assert found.deliveries == number
        await queue.nack(found.receipt)

    assert await queue.receive() == []
    (letter,) = await open_queue(dead).receive()
    assert (letter.id, letter.body) == (name, "poison")


async def test_groups_are_received_in_order(make_queue, open_queue):
    """The next one of a group comes when the one before it is done."""
    queue = open_queue(make_queue(fifo=True))
    for number in (1, 2):
        await queue.publish(number, group="a")
    (first,) = await queue.receive()

    assert (first.body, first.group) == (1, "a")
    assert await queue.receive() == []
    await queue.ack(first.receipt)
    (second,) = await queue.receive()
    assert second.body == 2


async def test_no_group_waits_for_no_other(make_queue, open_queue):
    """In a queue of groups, a message without one is alone in its own."""
    queue = open_queue(make_queue(fifo=True))
    await queue.publish_many([NewMessage(body=1), NewMessage(body=1)])

    assert [found.body for _ in range(2) for found in await queue.receive()] == [1, 1]


async def test_service_may_drop_copies(make_queue, open_queue):
    """What has the same body is one message, where settings say so."""
    url = make_queue(fifo=True, ContentBasedDeduplication="true")
    queue = open_queue(url, content_deduplication=True)
    one, other = [await queue.publish("x", group="a") for _ in range(2)]

    assert one == other
    assert (await queue.count()).ready == 1


async def test_groups_need_a_queue_of_groups(make_queue, open_queue):
    """Nothing is sent that would be received in another order."""
    queue = open_queue(make_queue())

    with pytest.raises(errors.Unsupported, match=r"names end with \.fifo"):
        await queue.publish("x", group="a")
    with pytest.raises(errors.Unsupported):
        await queue.publish_many([NewMessage(body=1), NewMessage(body=2, group="a")])
    assert (await queue.count()).ready == 0


async def test_queue_of_groups_delays_no_message(make_queue, open_queue):
    """It is the service that has no delay for a single one."""
    with pytest.raises(errors.Unsupported, match="no delay"):
        await open_queue(make_queue(fifo=True)).publish("x", delay=1)


async def test_missing_queue_is_not_found(make_queue, open_queue):
    """The error comes with the first call, or with health."""
    queue = open_queue(make_queue() + "-gone")
    for call in (
        queue.publish("x"),
        queue.receive(),
        queue.count(),
        queue.ack("r" * 30),
    ):
        with pytest.raises(errors.NotFound, match=r"QueueDoesNotExist.*Create the que"):
            await call


@pytest.mark.parametrize(
    "call",
    [
        lambda queue: queue.publish("x", delay=901),
        lambda queue: queue.receive(visibility=43_201),
        lambda queue: queue.nack("r" * 30, delay=43_201),
        lambda queue: queue.extend("r" * 30, visibility=43_201),
    ],
)
async def test_bound_of_the_service_is_told(open_queue, server, call):
    """Before anything is sent, with the number."""
    with pytest.raises(errors.InvalidRequest, match=r"SQS takes up to (900|43200)\."):
        await call(open_queue(server.url + PLACE))
    assert server.requests == []


async def test_many_go_ten_at_once(open_queue, server):
    """And each has its result, in the order that they were given in."""
    refused = {"Code": "InvalidMessageContents", "SenderFault": True, "Message": "No."}
    busy = {"Code": "ThrottlingException", "SenderFault": False}
    server.respond(sent(10, m3=refused), sent(10), sent(5, m0=busy))
    queue = open_queue(server.url + PLACE)
    results = await queue.publish_many([NewMessage(body=n) for n in range(25)])

    asked = [request.json["Entries"] for request in server.requests]
    assert [e["MessageBody"] for batch in asked for e in batch] == [
        *map(str, range(25))
    ]
    assert len({entry["Id"] for entry in asked[0]}) == 10
    assert results[2:5] == [
        Published(id="m-2"),
        Published(error="InvalidMessageContents: No."),
        Published(id="m-4"),
    ]
    assert results[20].retryable
    assert len(results) == 25


async def test_big_ones_go_by_themselves(open_queue, server):
    """So many bytes are sent at once as the service takes."""
    server.respond(sent(2), sent(1))
    bodies = ["x" * 100_000] * 3
    queue = open_queue(server.url + PLACE)
    results = await queue.publish_many([NewMessage(body=body) for body in bodies])

    assert [len(request.json["Entries"]) for request in server.requests] == [2, 1]
    assert len(results) == 3


async def test_what_was_sent_is_told_when_the_rest_fails(open_queue, server):
    """Nobody has to send again what is in the queue already."""
    failure = {"__type": "InternalFailure"}
    server.respond(sent(10), Scripted.json(failure, status=500))
    queue = open_queue(server.url + PLACE)
    results = await queue.publish_many([NewMessage(body=n) for n in range(25)])

    assert [result.id is not None for result in results] == [True] * 10 + [False] * 15
    assert "InternalFailure" in results[10].error
    assert [results[10].retryable, results[24].retryable] == [False, True]
    assert len(server.requests) == 2


async def test_nothing_sent_is_an_error(open_queue, server):
    """A call that did nothing at all fails as any call does."""
    server.respond(Scripted.json({"__type": "InternalFailure"}, status=500))

    with pytest.raises(errors.Unavailable):
        await open_queue(server.url + PLACE).publish_many([NewMessage(body=1)])


@pytest.mark.parametrize(
    ("wait", "deadline", "polls"),
    [(0, 100, [0]), (0.5, 100, [1]), (45, 100, [20]), (45, 9.5, [8]), (45, 1.5, [0])],
)
async def test_wait_ends_before_the_deadline(open_queue, server, wait, deadline, polls):
    """Otherwise what arrives in the last moment would be hidden from all."""
    server.respond(Scripted.json({"Messages": [TOLD]}))
    policy = {"deadline": deadline}
    await open_queue(server.url + PLACE, policy=policy).receive(wait=wait)

    assert [request.json["WaitTimeSeconds"] for request in server.requests] == polls


async def test_long_wait_takes_several_requests(open_queue, server):
    """The service waits for 20 seconds, a program for as long as it likes."""
    server.respond(Scripted.json({}), Scripted.json({"Messages": [TOLD]}))
    (found,) = await open_queue(server.url + PLACE).receive(wait=45, limit=50)

    assert (found.id, found.deliveries, found.published) == ("m-1", 2, 1.5)
    assert [r.json["WaitTimeSeconds"] for r in server.requests] == [20, 20]
    assert server.requests[0].json["MaxNumberOfMessages"] == 10


@pytest.mark.parametrize(
    ("url", "region", "endpoint"),
    [
        ("https://sqs.eu-west-3.amazonaws.com/1/jobs", "eu-west-3", None),
        ("https://sqs-fips.us-east-2.amazonaws.com/1/jobs", "us-east-2", None),
        ("https://sqs.cn-north-1.amazonaws.com.cn/1/jobs", "cn-north-1", None),
        ("https://vpce-1.sqs.eu-west-3.vpce.amazonaws.com/1/jobs", "eu-west-3", None),
        ("http://127.0.0.1:9/1/jobs", "eu-central-1", None),
        ("https://sqs.eu-west-3.amazonaws.com/1/jobs", "eu-west-3", "http://[::1]:9"),
    ],
)
def test_address_says_where_the_queue_is(url, region, endpoint):
    """Whatever region the variables of the machine name."""
    given = SQSOptions(url=url, endpoint=endpoint, region="eu-central-1")
    placed = _placed(given)

    assert placed.region == region
    assert placed.endpoint == endpoint or url.startswith(f"{placed.endpoint}/1/")


async def test_health_is_that_of_the_queue(make_queue, access):
    """A queue that is not there is found before the first message."""
    for url, status in ((make_queue(), "up"), (make_queue() + "-gone", "down")):
        access = {name: access[name] for name in access if name != "endpoint"}
        section = {"provider": "sqs", "url": url, **access}
        async with Pegboard.isolated({"integrations": {"jobs": section}}) as board:
            (health,) = (await board.health()).values()
        assert health.status == status
