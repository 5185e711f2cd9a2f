from __future__ import annotations

import asyncio
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from loguru import logger
from pegboard import Pegboard, errors
from pegboard_aws.functions import log_as_json, worker

SENTINEL = "sentinel-1"
ARN = "arn:aws:sqs:eu-central-1:123456789012:jobs"


def record(number, body='"fine"', *, arn=ARN, **attributes):
    """Return a message as Lambda tells of it."""
    return {
        "messageId": f"m-{number}",
        "receiptHandle": f"r-{number}",
        "body": body,
        "attributes": {
            "ApproximateReceiveCount": "3",
            "SentTimestamp": "1500",
            "MessageGroupId": "g",
        },
        "messageAttributes": {
            name: {"stringValue": text, "dataType": "String"}
            for name, text in attributes.items()
        },
        "md5OfBody": "x",
        "eventSource": "aws:sqs",
        "eventSourceARN": arn,
        "awsRegion": "eu-central-1",
    }


def failures(answer):
    """Return the ids that are told to have failed."""
    return [one["itemIdentifier"] for one in answer["batchItemFailures"]]


class Context:
    """What Lambda gives beside an event."""

    function_name = "jobs"
    aws_request_id = "invocation-1"

    def __init__(self, milliseconds=3000):
        self._milliseconds = milliseconds

    def get_remaining_time_in_millis(self):
        return self._milliseconds


@pytest.fixture
def make_worker():
    """Return a function that makes a worker of a handler."""
    made = []

    def make_worker(handler, **options):
        made.append(worker(handler, board=lambda: Pegboard.isolated({}), **options))
        return made[-1]

    yield make_worker
    for one in made:
        one.close()


@pytest.fixture
def lines(capsys):
    """Return a function that returns what was logged, as JSON."""
    log_as_json()
    yield lambda: [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    logger.remove()


async def refuse_poison(_board, job):
    """Do what is to be done, unless it is poison."""
    if job.body == "poison":
        raise ValueError(SENTINEL)


def test_job_is_a_delivery(make_worker):
    """A handler is given what a queue would give it."""
    jobs = []

    async def work(board, job):
        jobs.append((isinstance(board, Pegboard), job))

    event = {"Records": [record(1, '{"a": [1]}', kind="x")]}
    assert failures(make_worker(work)(event, Context())) == []
    ((has_board, job),) = jobs

    assert has_board
    assert (job.id, job.receipt, job.body) == ("m-1", "r-1", {"a": [1]})
    assert (job.deliveries, job.published, job.group) == (3, 1.5, "g")
    assert job.attributes == {"kind": "x"}


def test_only_what_failed_comes_again(make_worker, lines):
    """All others are done, whatever stands between them."""
    bodies = ['"fine"', '"poison"', '"fine"', '"poison"']
    event = {"Records": [record(n, body) for n, body in enumerate(bodies)]}

    answer = make_worker(refuse_poison)(event, Context())

    assert failures(answer) == ["m-1", "m-3"]
    told = [line for line in lines() if line["level"] == "ERROR"]
    assert {line["job"] for line in told} == {"m-1", "m-3"}
    assert {line["deliveries"] for line in told} == {3}


@given(bad=st.sets(st.integers(0, 11)))
def test_groups_keep_their_order(bad):
    """Of a queue of groups, the first that failed comes again and all after it."""
    begun = []

    async def work(_board, job):
        begun.append(job.id)
        await asyncio.sleep(0)
        if int(job.body) in bad:
            raise ValueError

    process = worker(work, board=lambda: Pegboard.isolated({}))
    records = [record(n, str(n), arn=f"{ARN}.fifo") for n in range(12)]
    answer = process({"Records": records}, Context())
    process.close()

    first = min(bad, default=12)
    assert failures(answer) == [f"m-{n}" for n in range(first, 12)]
    assert begun == [f"m-{n}" for n in range(min(first + 1, 12))]


@given(bad=st.sets(st.integers(0, 11)))
def test_failures_are_exactly_those(bad):
    """In any other queue, no more and no fewer."""

    async def work(_board, job):
        await asyncio.sleep(0)
        if job.body in bad:
            raise ValueError

    process = worker(work, board=lambda: Pegboard.isolated({}), concurrency=3)
    answer = process({"Records": [record(n, str(n)) for n in range(12)]}, Context())
    process.close()

    assert failures(answer) == [f"m-{n}" for n in sorted(bad)]


def test_so_many_are_worked_at_at_once(make_worker):
    """As many as it is told, and no more."""
    busy = most = 0

    async def work(_board, _job):
        nonlocal busy, most
        busy += 1
        most = max(most, busy)
        await asyncio.sleep(0.001)
        busy -= 1

    event = {"Records": [record(number) for number in range(20)]}
    make_worker(work, concurrency=4)(event, Context())

    assert most == 4


def test_what_is_not_done_in_time_comes_again(make_worker, lines):
    """The others are done; Lambda is told before it ends the process."""

    async def work(_board, job):
        if job.body == "slow":
            await asyncio.Event().wait()

    event = {"Records": [record(1), record(2, '"slow"'), record(3)]}
    answer = make_worker(work)(event, Context(milliseconds=600))

    assert failures(answer) == ["m-2"]
    assert lines()[0]["error"] == "TimeoutError"


def test_job_has_the_name_of_its_request(make_worker, lines):
    """What a request led to is found under one name."""

    async def work(_board, _job):
        logger.info("Working.")

    records = [record(1, correlation_id="asked-1"), record(2)]
    make_worker(work)({"Records": records}, Context())

    one, other, done = lines()
    assert (one["correlation_id"], one["job"]) == ("asked-1", "m-1")
    assert (other["correlation_id"], other["job"]) == ("m-2", "m-2")
    assert (done["jobs"], done["failed"]) == (2, 0)
    assert done["correlation_id"] == "invocation-1"


def test_text_that_is_no_json_is_a_job(make_worker):
    """It is for the handler to refuse it; the others of the batch are done."""
    seen = []

    async def work(_board, job):
        seen.append(job.body)

    event = {"Records": [record(1, "{half"), record(2, "7")]}
    assert failures(make_worker(work)(event, Context())) == []
    assert seen == ["{half", 7]


def test_settings_that_are_wrong_fail_the_invocation():
    """All messages come again, and the function counts as failed."""
    process = worker(refuse_poison, board=lambda: Pegboard.isolated({"storag": {}}))

    with pytest.raises(errors.PegboardError):
        process({"Records": [record(1)]}, Context())
    process.close()


@pytest.mark.parametrize(
    "event", [{}, {"Records": [{"eventSource": "aws:s3"}]}, {"Records": "x"}]
)
def test_other_events_are_refused(make_worker, event):
    """Nobody takes them for a batch of which nothing failed."""
    with pytest.raises(errors.InvalidRequest, match="none of SQS"):
        make_worker(refuse_poison)(event, Context())
