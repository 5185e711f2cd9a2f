"""Listings of a server that orders keys as S3 does, which SeaweedFS does not."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit
from xml.sax.saxutils import escape

import pytest
from pegboard import Blobs, Pegboard
from pegboard.testing import FaultServer, Scripted

KEYS = sorted(
    [f"{a}/{b}" for a in "abc" for b in ("x", "y/z")]
    + ["a", "a b", "a-b", "a.b", "a.b/c", "b", "bb", "\u00e9", "\U0001f600", "a%2Fb"]
)
ENTRY = (
    "<Contents><Key>{}</Key><LastModified>2026-01-02T03:04:05.000Z</LastModified>"
    '<ETag>"tag"</ETag><Size>7</Size></Contents>'
)
PAGE = (
    "<ListBucketResult><IsTruncated>{}</IsTruncated>"
    "<NextContinuationToken>{}</NextContinuationToken>{}</ListBucketResult>"
)
LONGEST_PAGE = 4


def listing(keys):
    """Return what answers as ListObjectsV2 does, few keys at a time."""

    def answer(request):
        asked = {
            name: one for name, (one,) in parse_qs(urlsplit(request.path).query).items()
        }
        after = asked.get("continuation-token", asked.get("start-after", ""))
        begin = asked.get("prefix", "")
        found = [key for key in keys if key.startswith(begin) and key > after]
        shown, more = found[:LONGEST_PAGE], len(found) > LONGEST_PAGE
        token = escape(shown[-1]) if shown else ""
        entries = "".join(ENTRY.format(escape(key)) for key in shown)
        page = PAGE.format(str(more).lower(), token, entries)
        return Scripted(body=page.encode(), headers={"content-type": "application/xml"})

    return answer


@pytest.fixture
async def store(settings_of):
    """Return a store whose bucket holds the keys, and others beside them."""
    others = ["other/a", "place", "place-2/a", "placf/a"]
    keys = sorted([*others, *(f"place/{key}" for key in KEYS)])
    async with FaultServer(otherwise=listing(keys)) as server:
        given = settings_of(server.url, url="s3://bucket/place")
        async with Pegboard.isolated({"storage": {"kit": given}}) as board:
            yield board.storage("kit", Blobs)


@pytest.mark.parametrize("limit", [1, 2, 3, 5, 100])
@pytest.mark.parametrize("prefix", ["", "a", "a/", "a.", "b", "b/y/", "\u00e9", "zz"])
async def test_pages_show_every_key_once(store, prefix, limit):
    """Page by page, what begins with the prefix is listed in order."""
    found, cursor = [], None
    while True:
        page = await store.list(prefix, limit=limit, cursor=cursor)
        found += page.keys
        cursor = page.cursor
        if cursor is None:
            break
        assert len(page.keys) == limit

    assert found == [key for key in KEYS if key.startswith(prefix)]


async def test_listing_reads_no_further_than_it_has_to(settings_of):
    """A page is a request or two, however much there is behind it."""
    keys = [f"place/{number:05}" for number in range(10_000)]
    async with FaultServer(otherwise=listing(keys)) as server:
        given = settings_of(server.url, url="s3://bucket/place")
        async with Pegboard.isolated({"storage": {"kit": given}}) as board:
            store = board.storage("kit", Blobs)
            page = await store.list(limit=3, cursor="05000")

    assert page.keys == ("05001", "05002", "05003")
    assert len(server.requests) <= 3
