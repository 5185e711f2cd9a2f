"""The calls of queues and of logs are operations like all others."""

from __future__ import annotations

import pytest
from pegboard import KeyValue, Pegboard, Queue
from pegboard.errors import InvalidRequest, SettingsError

SETTINGS = {
    "llm": {"default": {"provider": "fake"}},
    "integrations": {"jobs": {"provider": "memory"}},
}


@pytest.fixture
async def board():
    """Return a board with a queue."""
    async with Pegboard.isolated(SETTINGS) as board:
        yield board


async def test_queue_is_used_by_name(board):
    """With JSON in and out, from the message to its acknowledgement."""
    published = await board.call(
        "jobs.publish_many",
        {"messages": [{"body": {"a": 1}, "attributes": {"k": "v"}}, {"body": 2}]},
    )
    received = await board.call("jobs.receive", {"limit": 2, "visibility": 10})
    done = [await board.call("jobs.ack", {"receipt": r["receipt"]}) for r in received]

    assert [one["error"] for one in published] == [None, None]
    assert [one["id"] for one in published] == [one["id"] for one in received]
    assert received[0]["body"] == {"a": 1}
    assert received[0]["attributes"] == {"k": "v"}
    assert done == [True, True]
    assert await board.call("jobs.count") == {"ready": 0, "delayed": 0, "in_flight": 0}


async def test_bad_message_by_name_is_refused(board):
    """As it is in Python, and nothing was called."""
    with pytest.raises(InvalidRequest, match="body"):
        await board.call("jobs.publish", {"attributes": {}})
    with pytest.raises(InvalidRequest, match="delay"):
        await board.call("jobs.publish", {"body": 1, "delay": -1})


async def test_events_are_read_by_name(board):
    """A page says where to go on."""
    await board.call("jobs.publish_event", {"topic": "a.b", "body": [1]})
    page = await board.call("jobs.read_events", {"topics": ["a.*"], "after": "start"})

    assert [event["body"] for event in page["events"]] == [[1]]
    assert (page["position"], page["dropped"]) == ("1", 0)


async def test_models_publish_and_look(board):
    """To receive is to promise to do it, which is for workers."""
    assert {tool.name for tool in board.tools("jobs")} == {
        "jobs-publish",
        "jobs-publish_many",
        "jobs-count",
        "jobs-list_dead_letters",
        "jobs-publish_event",
        "jobs-read_events",
    }
    with pytest.raises(InvalidRequest, match="not for models"):
        board.tools("jobs.receive")


async def test_model_hands_work_over():
    """What it publishes is received like any other message."""
    call = {"tool": "jobs-publish", "arguments": {"body": {"send": "mail"}}}
    settings = {
        **SETTINGS,
        "llm": {"default": {"provider": "fake", "replies": [call, "Handed over."]}},
    }
    async with Pegboard.isolated(settings) as board:
        run = await board.llm().run("Send it.", tools=board.tools("jobs.publish"))
        (received,) = await board.integration("jobs", Queue).receive()

    assert run.text == "Handed over."
    assert received.body == {"send": "mail"}


async def test_file_of_other_tables_is_refused(tmp_path):
    """A file of values is no queue, and the other way round."""
    path = str(tmp_path / "shared.sqlite")
    settings = {
        "storage": {"values": {"provider": "sqlite", "path": path}},
        "integrations": {"jobs": {"provider": "sqlite", "path": path}},
    }
    async with Pegboard.isolated(settings) as board:
        await board.storage("values", KeyValue).set("key", 1)

        with pytest.raises(SettingsError, match=r"integrations\.jobs\.path"):
            await board.integration("jobs", Queue).publish(1)
        assert await board.storage("values", KeyValue).get("key") == 1


@pytest.mark.parametrize("provider", ["memory", "sqlite"])
async def test_instance_can_be_reached(provider, tmp_path):
    """Its health is measured."""
    settings = {
        "data_folder": str(tmp_path),
        "integrations": {"jobs": {"provider": provider}},
    }
    async with Pegboard.isolated(settings) as board:
        health = await board.health()

    assert health["integrations.jobs"].status == "up"
