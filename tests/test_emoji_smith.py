"""Emoji Smith runs on AWS Lambda, from the signed request to the picture in Slack."""

from __future__ import annotations

import asyncio
import json
import urllib.request
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import NamedTuple
from urllib.error import HTTPError
from urllib.parse import urlencode, urlsplit

import botocore.session
import pytest
from markdown_it import MarkdownIt
from pegboard import Blobs, Documents, Pegboard, Queue
from pegboard.testing import FaultServer, Scripted
from pegboard.testing.openai_wire import images
from pegboard.testing.slack_wire import CHANNELS, TOKEN, Workspace
from pegboard_slack.inbound import sign

FOLDER = Path(__file__).parents[1] / "examples" / "emoji_smith"
FILES = {
    path.name: path.read_text()
    for path in FOLDER.iterdir()
    if path.suffix in {".py", ".toml"}
}
PACKAGES = tuple(
    f"pegboard-{one}" for one in ("aws", "dynamodb", "openai", "s3", "slack")
)
SECRET = "the signing secret"
(CHANNEL,) = CHANNELS
PICTURE = b"\x89PNG\r\n\x1a\n of a cat"
REGION = "eu-central-1"
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
    "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}],
}


def wished(text):
    """Return the body of a command, as Slack sends it."""
    fields = {"command": "/emoji", "text": text, "user_id": "U1", "channel_id": CHANNEL}
    return urlencode(fields).encode()


CAT, PIE = wished("party a cat with a hat"), wished("pie a pie")
KEYS = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_REGION": REGION,
}


class Cloud:
    """What a program that goes to the cloud is given there, made by the SDK."""

    def __init__(self, address, pack_function):
        self.address = address
        self._pack = pack_function
        session = botocore.session.Session()
        session.set_credentials("test", "test")
        self.client = cache(
            lambda service: session.create_client(
                service, region_name=REGION, endpoint_url=address
            )
        )

    def make_role(self):
        """Return the role of functions."""
        iam = self.client("iam")
        name = "emoji-smith"
        trust, may = json.dumps(TRUST), json.dumps(MAY)
        role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust)
        iam.put_role_policy(RoleName=name, PolicyName="all", PolicyDocument=may)
        return role["Role"]["Arn"]

    def make_queue(self, name, **attributes):
        """Return the address and the name of a queue."""
        sqs = self.client("sqs")
        url = sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
        told = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
        return url, told["Attributes"]["QueueArn"]

    def make_function(self, name, handler, role, variables):
        """Make a function of the example."""
        self.client("lambda").create_function(
            FunctionName=name,
            Runtime="python3.11",
            Role=role,
            Handler=handler,
            Timeout=60,
            Code={"ZipFile": self._pack(FILES, *PACKAGES)},
            Environment={"Variables": variables},
        )

    def make_address(self, name):
        """Return the host of a function's own."""
        made = self.client("lambda").create_function_url_config(
            FunctionName=name, AuthType="NONE"
        )
        return urlsplit(made["FunctionUrl"]).netloc

    def post(self, host, body, headers):
        """Return status and body of the answer to a request."""
        request = urllib.request.Request(  # noqa: S310 - its own
            f"{self.address}/slack", body, {**headers, "Host": host}
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
                return answer.status, answer.read().decode()
        except HTTPError as answer:
            return answer.code, answer.read().decode()


class Slack(NamedTuple):
    """A workspace, and where it is."""

    workspace: Workspace
    url: str


@pytest.fixture
async def slack():
    """Return a workspace with a server."""
    workspace = Workspace()
    async with FaultServer(otherwise=workspace) as server:
        yield Slack(workspace, server.url)


@pytest.fixture
async def painter():
    """Return what answers requests for pictures."""
    async with FaultServer(otherwise=Scripted.json(images(PICTURE))) as server:
        yield server


@pytest.fixture
def cloud(ministack, pack_function):
    """Return the cloud, in which nothing of this program is there yet."""
    return Cloud(ministack, pack_function)


class Deployed(NamedTuple):
    """The example, as it stands in the cloud."""

    host: str
    """Where Slack sends what people ask for."""
    jobs: str
    dead: str
    """The addresses of its queues."""
    start: Callable[[], object]
    """What has its worker begin."""


@pytest.fixture
def deployed(cloud, slack, painter, monkeypatch):
    """Return the example in the cloud; variables are set as they are there."""
    dead, dead_arn = cloud.make_queue("emoji-smith-dead")
    redrive = json.dumps({"deadLetterTargetArn": dead_arn, "maxReceiveCount": 1})
    jobs, arn = cloud.make_queue(
        "emoji-smith", RedrivePolicy=redrive, VisibilityTimeout="12"
    )
    place = {"LocationConstraint": REGION}
    cloud.client("s3").create_bucket(
        Bucket="emoji-smith", CreateBucketConfiguration=place
    )
    cloud.client("secretsmanager").create_secret(
        Name="emoji-smith/SLACK_SIGNING_SECRET", SecretString=SECRET
    )
    variables = {
        "PEGBOARD_PROFILE": "aws",
        "PEGBOARD_INTEGRATIONS__JOBS__URL": jobs,
        "PEGBOARD_INTEGRATIONS__TEAM__BASE_URL": slack.url,
        "PEGBOARD_LLM__DEFAULT__BASE_URL": f"{painter.url}/v1",
        "OPENAI_API_KEY": "k",
        "SLACK_BOT_TOKEN": TOKEN,
    }
    role = cloud.make_role()
    cloud.make_function("take", "functions.take", role, variables)
    cloud.make_function("work", "functions.work", role, variables)
    ours = {**variables, **KEYS, "AWS_ENDPOINT_URL": cloud.address}
    for name, value in ours.items():
        monkeypatch.setenv(name, value)
    start = partial(
        cloud.client("lambda").create_event_source_mapping,
        EventSourceArn=arn,
        FunctionName="work",
        BatchSize=10,
        FunctionResponseTypes=["ReportBatchItemFailures"],
    )
    return Deployed(cloud.make_address("take"), jobs, dead, start)


async def test_wish_becomes_a_picture_in_the_cloud(
    cloud, deployed, slack, painter, monkeypatch
):
    """Of what comes in at once, only what is signed counts, and only poison fails."""
    answers = [
        await asyncio.to_thread(
            cloud.post, deployed.host, body, sign(body, secret=secret)
        )
        for body, secret in ((CAT, "guessed"), (CAT, SECRET), (PIE, SECRET))
    ]
    assert answers[0][0] == 401
    assert answers[1:] == [
        (200, "I am making :party: for you."),
        (200, "I am making :pie: for you."),
    ]

    poison = '{"poison": true}'
    cloud.client("sqs").send_message(QueueUrl=deployed.jobs, MessageBody=poison)
    # A process that only now starts would take longer than the visibility.
    nothing = json.dumps({"Records": []})
    cloud.client("lambda").invoke(FunctionName="work", Payload=nothing)
    deployed.start()
    monkeypatch.syspath_prepend(FOLDER)
    from emoji_smith import Emoji  # noqa: PLC0415 - the example's own

    more = {"integrations": {"dead": {"provider": "sqs", "url": deployed.dead}}}
    async with Pegboard(more, folder=FOLDER) as board:
        (letter,) = await board.integration("dead", Queue).receive(wait=90)
        emojis = (await board.storage("emojis", Documents[Emoji]).find()).values
        pictures = board.storage("pictures", Blobs)
        stored = [await pictures.get(emoji.picture) for emoji in emojis]

    assert letter.body == {"poison": True}
    assert {emoji.name for emoji in emojis} == {"party", "pie"}
    assert all(emoji.is_posted for emoji in emojis)
    assert stored == [PICTURE] * 2
    assert sorted((one.channel, one.shown) for one in slack.workspace.messages) == [
        (CHANNEL, "Here is :party: - a cat with a hat."),
        (CHANNEL, "Here is :pie: - a pie."),
    ]
    prompts = {request.json["prompt"] for request in painter.requests}
    assert prompts == {
        "An emoji that shows a cat with a hat",
        "An emoji that shows a pie",
    }


def test_page_shows_the_files():
    """Who reads about the example reads what is run."""
    tokens = MarkdownIt().parse((FOLDER / "README.md").read_text())
    shown = [token.content for token in tokens if token.type == "fence"]
    for name, text in FILES.items():
        assert f"# {name}\n{text}" in shown, name
