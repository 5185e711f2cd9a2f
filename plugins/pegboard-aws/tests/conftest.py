from __future__ import annotations

import json
from functools import cache
from uuid import uuid4

import botocore.session
import pytest
from botocore.config import Config
from pegboard import Pegboard, Queue

KEY = "test"
REGION = "eu-central-1"


@pytest.fixture
def access(ministack):
    """Return what the settings of every instance have in them."""
    return {
        "endpoint": ministack,
        "region": REGION,
        "access_key_id": KEY,
        "secret_access_key": KEY,
    }


@pytest.fixture(scope="session")
def sdk(ministack):
    """Return a function that gives a client of the SDK, which blocks."""
    session = botocore.session.Session()
    session.set_credentials(KEY, KEY)

    @cache
    def sdk(service):
        return session.create_client(
            service,
            region_name=REGION,
            endpoint_url=ministack,
            config=Config(retries={"total_max_attempts": 1}),
        )

    return sdk


@pytest.fixture
def make_queue(sdk):
    """Return a function that makes a queue and returns its address."""
    client = sdk("sqs")

    def make_queue(*, fifo=False, dead_letters=None, **attributes):
        name = f"queue-{uuid4().hex}{'.fifo' if fifo else ''}"
        if fifo:
            attributes["FifoQueue"] = "true"
        if dead_letters is not None:
            url, most = dead_letters
            asked = client.get_queue_attributes(
                QueueUrl=url, AttributeNames=["QueueArn"]
            )
            target = asked["Attributes"]["QueueArn"]
            policy = {"deadLetterTargetArn": target, "maxReceiveCount": most}
            attributes["RedrivePolicy"] = json.dumps(policy)
        return client.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]

    return make_queue


@pytest.fixture
async def open_queue(access):
    """Return a function that opens the queue at an address."""
    boards = []
    access = {name: access[name] for name in access if name != "endpoint"}

    def open_queue(url, **changes):
        section = {"provider": "sqs", "url": url, **access, **changes}
        boards.append(Pegboard.isolated({"integrations": {"jobs": section}}))
        return boards[-1].integration("jobs", Queue)

    yield open_queue
    for board in boards:
        await board.aclose()
