from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from notion_client.errors import APIErrorCode
from pegboard import Pegboard, errors
from pegboard.testing import Fault, FaultServer, Scripted, TcpProxy
from pegboard.testing.notion_wire import STATUS, error
from pegboard.testing.scripted import MEANINGLESS_RETRY_AFTER, retry_after
from pegboard_notion._errors import KINDS
from pegboard_notion.contract import Notion
from pegboard_notion.fake import ROOT, TOKEN

if TYPE_CHECKING:
    from .conftest import OpenBoard

NOW = 1_800_000_000.0
ONCE = {"attempts": 1}


@pytest.fixture
def board(open_board: OpenBoard) -> Pegboard:
    """Return a board that tries once."""
    return open_board(policy=ONCE)


async def failed(board: Pegboard, server: FaultServer, answer: Scripted):
    """Return the error that *answer* makes of a page that is read."""
    server.respond(answer)
    with pytest.raises(errors.CallError) as caught:
        await board.integration("pages", Notion).read_page(ROOT)
    return caught.value


@pytest.mark.parametrize(("code", "kind"), KINDS.items())
async def test_code_says_what_went_wrong(
    server: FaultServer, board: Pegboard, code: APIErrorCode, kind: type
) -> None:
    """The code decides, and it is kept."""
    answer = Scripted.json(error(code.value, "Because."), status=STATUS[code.value])
    found = await failed(board, server, answer)

    assert type(found) is kind
    assert (found.code, found.status) == (code.value, STATUS[code.value])
    assert "Notion refuses the request: Because." in str(found)


def test_every_code_of_the_sdk_is_in_the_table() -> None:
    """A code that is new in the SDK is not forgotten."""
    assert {*KINDS} == {*APIErrorCode} == {*STATUS}


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (307, errors.InvalidReply),
        (400, errors.InvalidRequest),
        (401, errors.Authentication),
        (404, errors.NotFound),
        (429, errors.RateLimited),
        (500, errors.Unavailable),
        (502, errors.Unavailable),
        (529, errors.Overloaded),
    ],
)
@pytest.mark.parametrize(
    "body",
    [b"", b"<html>Sorry</html>", b"[1]", b'{"code": "brand_new", "message": "x"}'],
)
async def test_status_decides_where_notion_did_not_answer(
    server: FaultServer, board: Pegboard, status: int, kind: type, body: bytes
) -> None:
    """What a proxy says is not searched for words."""
    found = await failed(board, server, Scripted(status=status, body=body))

    assert type(found) is kind
    assert (found.status, found.code) == (status, None)
    assert len(server.requests) == 1


@pytest.mark.parametrize("spelling", retry_after(7, now=NOW))
async def test_wait_is_read(
    server: FaultServer, board: Pegboard, spelling: str
) -> None:
    """In every spelling."""
    headers = retry_after(7, now=NOW)[spelling]
    answer = Scripted.json(error("rate_limited"), status=429).with_headers(headers)
    found = await failed(board, server, answer)

    assert isinstance(found, errors.RateLimited)
    assert (found.retry_after, found.request_sent) == (7, "no")


@pytest.mark.parametrize("value", MEANINGLESS_RETRY_AFTER)
async def test_wait_that_makes_no_sense_is_none(
    server: FaultServer, board: Pegboard, value: str
) -> None:
    """It is as if nothing had been said."""
    answer = Scripted.json(error("rate_limited"), status=429)
    found = await failed(board, server, answer.with_headers({"retry-after": value}))

    assert found.retry_after is None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>Hello</html>",
        b"{",
        b"[]",
        b"null",
        b"{}",
        b"\xff\xfe\xfd",
        b'{"properties": []}',
        b'{"properties": {"Name": {"type": "title", "title": 5}}, "id": "x"}',
    ],
)
async def test_answer_that_is_none_is_invalid(
    server: FaultServer, board: Pegboard, body: bytes
) -> None:
    """Something answered, but not Notion."""
    found = await failed(board, server, Scripted(body=body))

    assert type(found) is errors.InvalidReply


@pytest.mark.parametrize("fault", [Fault.RESET, Fault.CLOSE])
async def test_broken_connection_is_told(
    server: FaultServer, board: Pegboard, fault: Fault
) -> None:
    """Notion may have acted."""
    found = await failed(board, server, Scripted(before=fault))

    assert type(found) is errors.ConnectionFailed
    assert found.request_sent == "maybe"


async def test_nobody_there_is_told(server: FaultServer, open_board: OpenBoard) -> None:
    """Nothing was sent."""
    async with TcpProxy("127.0.0.1", 9) as proxy:
        await proxy.refuse()
        place = f"http://{proxy.host}:{proxy.port}"
        board = open_board(policy=ONCE, base_url=place)
        found = await failed(board, server, Scripted())

    assert type(found) is errors.ConnectionFailed
    assert found.request_sent == "no"


async def test_time_runs_out(server: FaultServer, open_board: OpenBoard) -> None:
    """The deadline is over everything."""
    board = open_board(policy={"deadline": 0.1})
    found = await failed(board, server, Scripted(before=Fault.HANG))

    assert isinstance(found, errors.Timeout)


@pytest.mark.parametrize("code", ["unauthorized", "validation_error"])
async def test_no_error_shows_the_token(
    server: FaultServer, board: Pegboard, code: str
) -> None:
    """Even if Notion repeats it."""
    told = error(code, f"bad token {TOKEN}")
    found = await failed(board, server, Scripted.json(told, status=STATUS[code]))

    assert TOKEN not in f"{found} {found!r} {found.__cause__!r}"


@pytest.mark.parametrize("value", [float("nan"), object(), {1, 2}, "half \ud83d"])
async def test_block_that_cannot_be_sent_is_refused(
    server: FaultServer, board: Pegboard, value: object
) -> None:
    """It is the request that is wrong, and nothing has left."""
    notion = board.integration("pages", Notion)
    with pytest.raises(errors.InvalidRequest) as caught:
        await notion.append_blocks(ROOT, [{"type": value}])

    assert caught.value.request_sent == "no"
    assert server.requests == []


async def test_nothing_is_printed(
    server: FaultServer, board: Pegboard, caplog: pytest.LogCaptureFixture, capsys
) -> None:
    """The SDK would log what is raised already."""
    await failed(board, server, Scripted.json(error(), status=503))

    assert caplog.records == []
    assert capsys.readouterr() == ("", "")
