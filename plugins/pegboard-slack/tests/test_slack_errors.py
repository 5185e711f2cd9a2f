from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from pegboard import Messenger, Pegboard, errors
from pegboard.testing import Fault, FaultServer, Scripted
from pegboard.testing.scripted import MEANINGLESS_RETRY_AFTER, retry_after
from pegboard.testing.slack_wire import TOKEN, error
from pegboard_slack._errors import BY_CODE, HINTS, KINDS
from pegboard_slack.contract import Slack

if TYPE_CHECKING:
    from .conftest import OpenBoard

NOW = 1_800_000_000.0
ONCE = {"attempts": 1}


@pytest.fixture
def board(open_board: OpenBoard) -> Pegboard:
    """Return a board that tries once."""
    return open_board(policy=ONCE)


async def failed(board: Pegboard, server: FaultServer, answer: Scripted):
    """Return the error that *answer* makes of a message to #ops."""
    server.respond(answer)
    with pytest.raises(errors.CallError) as caught:
        await board.integration("alerts", Messenger).post_message("#ops", "Hello.")
    return caught.value


@pytest.mark.parametrize(("code", "kind"), KINDS.items())
async def test_code_says_what_went_wrong(
    server: FaultServer, board: Pegboard, code: str, kind: type[errors.CallError]
) -> None:
    """The code decides, it is kept, and the message has it."""
    found = await failed(board, server, Scripted.json(error(code)))

    assert type(found) is kind
    assert found.code == code
    assert f"Slack refuses chat.postMessage: {code}." in str(found)


@pytest.mark.parametrize(
    "code", ["msg_too_long", "no_text", "invalid_blocks", "brand_new_in_2030"]
)
async def test_other_codes_are_about_the_request(
    server: FaultServer, board: Pegboard, code: str
) -> None:
    """Whatever else Slack refuses, it will refuse again."""
    found = await failed(board, server, Scripted.json(error(code)))

    assert type(found) is errors.InvalidRequest
    assert (found.code, found.retryable) == (code, False)


def test_no_code_is_in_the_table_twice() -> None:
    """Each has one meaning."""
    codes = [code for group in BY_CODE.values() for code in group]

    assert sorted(codes) == sorted(set(codes))


@pytest.mark.parametrize("code", HINTS)
async def test_hints_are_whole_sentences(
    server: FaultServer, board: Pegboard, code: str
) -> None:
    """Nothing in braces is left over."""
    found = await failed(board, server, Scripted.json(error(code)))

    assert not {*"{}"} & {*str(found)}
    assert str(found).endswith(".")
    assert ".." not in str(found)


@pytest.mark.parametrize("code", ["channel_not_found", "not_in_channel", "is_archived"])
async def test_the_channel_is_named(
    server: FaultServer, board: Pegboard, code: str
) -> None:
    """Who reads the log sees which one it was."""
    assert "'#ops'" in str(await failed(board, server, Scripted.json(error(code))))


async def test_the_channel_of_an_upload_is_named(board: Pegboard) -> None:
    """There the field has another name."""
    with pytest.raises(errors.NotFound, match="'#ops'"):
        await board.integration("alerts", Slack).upload_file("#ops", "a.txt", b"a")


async def test_the_missing_scope_is_named(server: FaultServer, board: Pegboard) -> None:
    """What is needed and what there is."""
    told = error(
        "missing_scope", needed="files:write", provided="chat:write,users:read"
    )
    found = await failed(board, server, Scripted.json(told))

    assert isinstance(found, errors.PermissionDenied)
    assert "the scope files:write" in str(found)
    assert "It has: chat:write,users:read." in str(found)


async def test_what_is_wrong_with_an_argument_is_told(
    server: FaultServer, board: Pegboard
) -> None:
    """Slack says where in the request, in a place of its own."""
    where = "input must match regex pattern: ^[CGDZ] [json-pointer:/channel_id]"
    more = {"messages": [f"[ERROR] {where}"]}
    told = error("invalid_arguments", response_metadata=more)

    assert f"{where}." in str(await failed(board, server, Scripted.json(told)))


@pytest.mark.parametrize(
    "more", [None, [], {"messages": None}, {"messages": 5}, {"messages": [None, {}]}]
)
async def test_odd_details_harm_nobody(
    server: FaultServer, board: Pegboard, more: object
) -> None:
    """What cannot be read is not what went wrong."""
    told = error("invalid_arguments", response_metadata=more, needed=[], provided={})

    found = await failed(board, server, Scripted.json(told))
    assert found.code == "invalid_arguments"


@pytest.mark.parametrize("status", [200, 429])
@pytest.mark.parametrize("spelling", retry_after(7, now=NOW))
async def test_wait_is_read(
    server: FaultServer, board: Pegboard, status: int, spelling: str
) -> None:
    """In every spelling, with either status."""
    headers = retry_after(7, now=NOW)[spelling]
    answer = Scripted.json(error("ratelimited"), status=status).with_headers(headers)
    found = await failed(board, server, answer)

    assert isinstance(found, errors.RateLimited)
    assert (found.retry_after, found.request_sent) == (7, "no")
    assert found.code == "ratelimited"


@pytest.mark.parametrize("value", MEANINGLESS_RETRY_AFTER)
async def test_wait_that_makes_no_sense_is_none(
    server: FaultServer, board: Pegboard, value: str
) -> None:
    """It is as if nothing had been said."""
    answer = Scripted.json(error("ratelimited"), status=429)
    found = await failed(board, server, answer.with_headers({"retry-after": value}))

    assert found.retry_after is None


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (302, errors.InvalidReply),
        (400, errors.InvalidRequest),
        (401, errors.Authentication),
        (403, errors.PermissionDenied),
        (404, errors.NotFound),
        (429, errors.RateLimited),
        (500, errors.Unavailable),
        (502, errors.Unavailable),
        (503, errors.Unavailable),
    ],
)
@pytest.mark.parametrize("body", [b"", b"<html>Sorry</html>", b'"text"', b"[1]"])
async def test_status_decides_where_slack_did_not_answer(
    server: FaultServer,
    board: Pegboard,
    status: int,
    kind: type[errors.CallError],
    body: bytes,
) -> None:
    """What a proxy or a broken server says is not searched for words."""
    found = await failed(board, server, Scripted(status=status, body=body))

    assert type(found) is kind
    assert (found.status, found.code) == (status, None)


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>Hello</html>", b"{", b"[]", b"null", b"{}", b'"ok"', b"\xff\xfe\xfd"],
)
async def test_answer_that_is_none_is_invalid(
    server: FaultServer, board: Pegboard, body: bytes
) -> None:
    """Something answered, but not Slack: nobody knows what became of the message."""
    found = await failed(board, server, Scripted(body=body))

    assert type(found) is errors.InvalidReply
    assert found.request_sent == "maybe"


@pytest.mark.parametrize("told", [{}, {"channel": "C1"}, {"channel": 5, "ts": "1.1"}])
async def test_answer_that_lacks_the_message_is_invalid(
    server: FaultServer, board: Pegboard, told: dict[str, object]
) -> None:
    """It was posted, but there is no name to return."""
    found = await failed(board, server, Scripted.json({"ok": True, **told}))

    assert type(found) is errors.InvalidReply
    assert found.request_sent == "yes"


@pytest.mark.parametrize("told", [{"ok": False}, {"ok": "true"}, {"ok": 1}])
async def test_refusal_without_a_reason_is_one(
    server: FaultServer, board: Pegboard, told: dict[str, object]
) -> None:
    """Only what says that it is fine is fine."""
    assert "no reason given" in str(await failed(board, server, Scripted.json(told)))


@pytest.mark.parametrize("fault", [Fault.RESET, Fault.CLOSE])
async def test_broken_connection_may_have_delivered(
    server: FaultServer, board: Pegboard, fault: Fault
) -> None:
    """The request had arrived."""
    found = await failed(board, server, Scripted(before=fault))

    assert type(found) is errors.ConnectionFailed
    assert found.request_sent == "maybe"


async def test_garbled_encoding_is_no_crash(
    server: FaultServer, board: Pegboard
) -> None:
    """What claims to be compressed and is not."""
    garbled = Scripted(headers={"content-encoding": "gzip"}, body=b"not that")

    assert isinstance(await failed(board, server, garbled), errors.ConnectionFailed)


async def test_no_answer_in_time_is_a_timeout(
    server: FaultServer, open_board: OpenBoard
) -> None:
    """The deadline of the call is that of the request."""
    board = open_board(policy={"deadline": 0.1})
    found = await failed(board, server, Scripted(before=Fault.HANG))

    assert isinstance(found, errors.Timeout)


@pytest.mark.parametrize("code", ["invalid_auth", "channel_not_found", "other"])
async def test_no_error_shows_the_token(
    server: FaultServer, board: Pegboard, code: str
) -> None:
    """Even if Slack repeats it."""
    told = error(code, response_metadata={"messages": [f"bad token {TOKEN}"]})
    found = await failed(board, server, Scripted.json(told))

    assert TOKEN not in f"{found} {found!r} {found.__cause__!r}"


@pytest.mark.parametrize("value", [float("nan"), object(), {1, 2}, "half \ud83d"])
async def test_block_that_cannot_be_sent_is_refused(
    server: FaultServer, board: Pegboard, value: object
) -> None:
    """It is the request that is wrong, and nothing has left."""
    slack = board.integration("alerts", Slack)
    with pytest.raises(errors.InvalidRequest) as caught:
        await slack.post_blocks("#ops", [{"type": value}], text="x")

    assert caught.value.request_sent == "no"
    assert server.requests == []
