from __future__ import annotations

import json
import urllib.request
from urllib.parse import urlsplit
from uuid import uuid4

import pytest

TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": "lambda.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
    ],
}
MAY = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "sqs:*", "Resource": "*"}],
}
WEBHOOK = """
import sys

from pegboard import Queue
from pegboard_aws.functions import Answer, log_as_json, webhook

log_as_json()
imported = sorted(sys.modules)


async def receive(board, request):
    if request.path == "/modules":
        import pegboard

        return Answer.json({"imported": imported, "from": pegboard.__file__})
    jobs = board.integration("jobs", Queue)
    job = await jobs.publish(
        request.text, attributes={"correlation_id": request.correlation_id}
    )
    return Answer.json({"job": job}, status=202)


handler = webhook(receive)
"""
WORKER = """
from pegboard import Queue
from pegboard_aws.functions import log_as_json, worker

log_as_json()


async def work(board, job):
    if job.body == "poison":
        raise ValueError("sentinel")
    done = board.integration("done", Queue)
    name = job.attributes["correlation_id"]
    await done.publish(job.body, attributes={"correlation_id": name})


handler = worker(work)
"""
SETTINGS = """
[integrations.jobs]
provider = "sqs"

[integrations.done]
provider = "sqs"
"""


@pytest.fixture(scope="session")
def role(sdk):
    """Return the role of functions, which may do anything with queues."""
    client = sdk("iam")
    name = "function"
    made = client.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(TRUST))
    client.put_role_policy(
        RoleName=name, PolicyName="queues", PolicyDocument=json.dumps(MAY)
    )
    return made["Role"]["Arn"]


@pytest.fixture
def make_function(sdk, pack_function, role):
    """Return a function that makes one of Lambda's, and returns its name."""
    client = sdk("lambda")

    def make_function(code, **variables):
        name = f"function-{uuid4().hex}"
        files = {"program.py": code, "pegboard.toml": SETTINGS}
        client.create_function(
            FunctionName=name,
            Runtime="python3.11",
            Role=role,
            Handler="program.handler",
            Timeout=60,
            Code={"ZipFile": pack_function(files, "pegboard-aws")},
            Environment={
                "Variables": {"AWS_EC2_METADATA_DISABLED": "true", **variables}
            },
        )
        return name

    return make_function


@pytest.fixture
def ask(sdk, ministack):
    """Return a function that sends a request to the URL of a function."""
    client = sdk("lambda")
    hosts = {}

    def ask(name, path, body="", **headers):
        if name not in hosts:
            made = client.create_function_url_config(FunctionName=name, AuthType="NONE")
            hosts[name] = urlsplit(made["FunctionUrl"]).netloc
        request = urllib.request.Request(  # noqa: S310 - its own
            ministack + path, body.encode(), {"Host": hosts[name], **headers}
        )
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 - same
            return answer.status, answer.headers, json.loads(answer.read())

    return ask


@pytest.fixture
def receive(sdk):
    """Return a function that waits for so many messages of a queue."""
    client = sdk("sqs")

    def receive(url, count):
        found = []
        while len(found) < count:
            asked = client.receive_message(
                QueueUrl=url,
                WaitTimeSeconds=20,
                MaxNumberOfMessages=10,
                MessageAttributeNames=["All"],
            )
            assert asked.get("Messages"), f"{len(found)} messages instead of {count}"
            found += asked["Messages"]
        return {
            json.loads(one["Body"]): one["MessageAttributes"]["correlation_id"][
                "StringValue"
            ]
            for one in found
        }

    return receive


@pytest.fixture
def send(sdk):
    """Return a function that sends messages, which have a correlation id each."""

    def send(url, *bodies):
        for body in bodies:
            named = {"DataType": "String", "StringValue": f"of {body}"}
            sdk("sqs").send_message(
                QueueUrl=url,
                MessageBody=json.dumps(body),
                MessageAttributes={"correlation_id": named},
            )

    return send


def test_request_becomes_a_job(make_function, make_queue, ask, receive):
    """A program that runs at Amazon answers a real request, and hands over the work."""
    url = make_queue()
    name = make_function(WEBHOOK, PEGBOARD_INTEGRATIONS__JOBS__URL=url)
    status, headers, told = ask(name, "/", "hello", **{"X-Correlation-Id": "asked-1"})

    assert (status, headers["x-correlation-id"]) == (202, "asked-1")
    assert told["job"]
    assert receive(url, 1) == {"hello": "asked-1"}


def test_function_starts_with_little(make_function, ask):
    """What takes long to import is imported by those that use it."""
    name = make_function(WEBHOOK)
    _, _, told = ask(name, "/modules")
    imported = {module.partition(".")[0] for module in told["imported"]}

    assert "site-packages" not in told["from"]
    assert {"pegboard", "pegboard_aws"} <= imported
    assert imported & {"aiohttp", "httpx", "openai", "rich", "tenacity"} == set()


def test_only_poison_comes_again(make_function, make_queue, receive, send, sdk):
    """Each message is done once, and the bad one is given up in the end."""
    dead, done = make_queue(), make_queue()
    jobs = make_queue(dead_letters=(dead, 2), VisibilityTimeout="3")
    name = make_function(WORKER, PEGBOARD_INTEGRATIONS__DONE__URL=done)
    send(jobs, "one", "poison", "two", "three")
    # A process that only now starts would take longer than the visibility.
    nothing = json.dumps({"Records": []})
    sdk("lambda").invoke(FunctionName=name, Payload=nothing)
    arn = sdk("sqs").get_queue_attributes(QueueUrl=jobs, AttributeNames=["QueueArn"])
    sdk("lambda").create_event_source_mapping(
        EventSourceArn=arn["Attributes"]["QueueArn"],
        FunctionName=name,
        BatchSize=10,
        FunctionResponseTypes=["ReportBatchItemFailures"],
    )

    assert receive(dead, 1) == {"poison": "of poison"}
    fine = ("one", "two", "three")
    assert receive(done, 3) == {name: f"of {name}" for name in fine}
    assert sdk("sqs").receive_message(QueueUrl=done).get("Messages", []) == []
