"""
What the Slack Web API sends, for scripts of ``FaultServer``: plain JSON values.

Errors come with status 200 and ``"ok": false``; only throttling has a status of its
own: ``Scripted.json(error("ratelimited"), status=429).with_headers(...)``, in which
``Retry-After`` counts seconds. Checked with the SDK ``slack-sdk`` 3.47.
"""

from __future__ import annotations

from typing import Any

TIMESTAMP = "1763700000.000100"
"""What names a message within its channel."""


def error(name: str = "channel_not_found", **more: object) -> dict[str, Any]:
    """Return a refusal, with *more* such as ``needed`` for ``missing_scope``."""
    return {"ok": False, "error": name, **more}


def posted(
    text: str = "Hello.", *, channel: str = "C0000000001", timestamp: str = TIMESTAMP
) -> dict[str, Any]:
    """Return the answer of ``chat.postMessage``; *channel* is an id, not a name."""
    message = {
        "type": "message",
        "subtype": "bot_message",
        "text": text,
        "ts": timestamp,
        "bot_id": "B0000000001",
    }
    return {"ok": True, "channel": channel, "ts": timestamp, "message": message}
