"""
What the Slack Web API sends, for scripts of ``FaultServer``: plain JSON values.

Errors come with status 200 and ``"ok": false``; only throttling has a status of its
own: ``Scripted.json(error("ratelimited"), status=429).with_headers(...)``, in which
``Retry-After`` counts seconds.

``Workspace`` remembers what is posted, so that a test sees what became of it::

    workspace = Workspace()
    async with FaultServer(otherwise=workspace) as server: ...

It does what the documentation says of the methods it knows. No Slack was asked; the
SDK ``slack-sdk`` 3.47 understands its answers.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from html import unescape
from itertools import count
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import parse_qsl, urlsplit

from .scripted import Scripted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .fault_server import Received

TIMESTAMP = "1763700000.000100"
"""What names a message within its channel."""
TOKEN = "xoxb-1"  # noqa: S105 - the key to nothing
CHANNELS: Mapping[str, str] = {"C0000000001": "ops"}
UPLOADS = "/upload/v1/"


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


@dataclass(slots=True)
class ShownMessage:
    """A message as people see it."""

    channel: str
    """The id."""
    id: str
    text: str
    """As it was sent, with Slack's markup."""
    blocks: list[Any] = field(default_factory=list)
    thread: str | None = None
    reactions: set[str] = field(default_factory=set)
    files: dict[str, bytes] = field(default_factory=dict)
    """Their contents, by title."""

    @property
    def shown(self) -> str:
        """The text, with what the markup makes of it."""
        return unescape(self.text.replace("<!channel>", "@channel"))


class Refused(Exception):
    """The workspace refuses a request."""


class Workspace:
    """A workspace in memory: what a ``FaultServer`` answers by."""

    def __init__(
        self, *, token: str = TOKEN, channels: Mapping[str, str] = CHANNELS
    ) -> None:
        """Let in who has *token*; *channels* have a name for each id."""
        self.messages: list[ShownMessage] = []
        self.modals: list[Any] = []
        self._token = token
        self._channels = dict(channels)
        self._uploads: dict[str, bytes] = {}
        self._used_triggers: set[str] = set()
        self._numbers = count(1)
        self._methods: Mapping[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
            "auth.test": lambda _: {"user": "pegboard", "team": "Workshop"},
            "chat.postMessage": self._post,
            "chat.update": self._update,
            "reactions.add": self._react,
            "reactions.remove": self._take_back,
            "files.getUploadURLExternal": self._place,
            "files.completeUploadExternal": self._share,
            "views.open": self._open,
        }

    def __call__(self, request: Received) -> Scripted:
        """Do what *request* asks for, and return the answer."""
        path = urlsplit(request.path).path
        if path.startswith(UPLOADS):
            self._uploads[path.removeprefix(UPLOADS)] = request.body
            text = f"OK - {len(request.body)}".encode()
            return Scripted(headers={"content-type": "text/plain"}, body=text)
        try:
            told = self._do(path.rpartition("/")[2], request)
        except Refused as refusal:
            return Scripted.json(error(str(refusal)))
        return Scripted.json({"ok": True, **told})

    def shown(self) -> str:
        """Return all texts as people see them, a line or more each."""
        return "\n".join(message.shown for message in self.messages)

    def _do(self, method: str, request: Received) -> dict[str, Any]:
        proof = request.headers.get("authorization")
        if proof != f"Bearer {self._token}":
            _refuse("invalid_auth" if proof else "not_authed")
        if method not in self._methods:
            _refuse("unknown_method")
        host = f"http://{request.headers.get('host')}"
        return self._methods[method]({**_fields(request), "host": host})

    def _post(self, given: dict[str, Any]) -> dict[str, Any]:
        channel = self._channel(given.get("channel", ""), by_name=True)
        if not given.get("text") and not given.get("blocks"):
            _refuse("no_text")
        thread = given.get("thread_ts")
        return self._answer(self._show(channel, given, thread))

    def _update(self, given: dict[str, Any]) -> dict[str, Any]:
        message = self._message(given, "ts")
        message.text = given.get("text", message.text)
        message.blocks = given.get("blocks", message.blocks)
        return self._answer(message)

    def _react(self, given: dict[str, Any]) -> dict[str, Any]:
        message = self._message(given, "timestamp")
        if given["name"] in message.reactions:
            _refuse("already_reacted")
        message.reactions.add(given["name"])
        return {}

    def _take_back(self, given: dict[str, Any]) -> dict[str, Any]:
        message = self._message(given, "timestamp")
        if given["name"] not in message.reactions:
            _refuse("no_reaction")
        message.reactions.remove(given["name"])
        return {}

    def _place(self, given: dict[str, Any]) -> dict[str, Any]:
        name = f"F{next(self._numbers):010}"
        return {"file_id": name, "upload_url": f"{given['host']}{UPLOADS}{name}"}

    def _share(self, given: dict[str, Any]) -> dict[str, Any]:
        channel = self._channel(given.get("channel_id", ""))
        files = given["files"]
        if any(file["id"] not in self._uploads for file in files):
            _refuse("file_not_found")
        said = {"text": given.get("initial_comment", "")}
        message = self._show(channel, said, given.get("thread_ts"))
        message.files = {file["title"]: self._uploads[file["id"]] for file in files}
        return {"files": files}

    def _open(self, given: dict[str, Any]) -> dict[str, Any]:
        if given["trigger_id"] in self._used_triggers:
            _refuse("exchanged_trigger_id")
        self._used_triggers.add(given["trigger_id"])
        self.modals.append(given["view"])
        return {"view": {**given["view"], "id": f"V{next(self._numbers):010}"}}

    def _show(
        self, channel: str, given: Mapping[str, Any], thread: str | None
    ) -> ShownMessage:
        name = f"1763700000.{next(self._numbers):06}"
        blocks, text = given.get("blocks", []), given.get("text", "")
        self.messages.append(ShownMessage(channel, name, text, blocks, thread))
        return self.messages[-1]

    def _answer(self, message: ShownMessage) -> dict[str, Any]:
        return posted(message.text, channel=message.channel, timestamp=message.id)

    def _channel(self, name: str, *, by_name: bool = False) -> str:
        names = {known: channel for channel, known in self._channels.items()}
        found = names.get(name.removeprefix("#")) if by_name else None
        if found is None and name not in self._channels:
            _refuse("channel_not_found")
        return found or name

    def _message(self, given: Mapping[str, Any], place: str) -> ShownMessage:
        wanted = self._channel(given.get("channel", "")), given.get(place)
        found = [m for m in self.messages if (m.channel, m.id) == wanted]
        return found[0] if found else _refuse("message_not_found")


def _refuse(name: str) -> NoReturn:
    raise Refused(name)


def _fields(request: Received) -> dict[str, Any]:
    """Return what a request says: in JSON, a form or the address."""
    is_json = request.headers.get("content-type", "").startswith("application/json")
    if is_json and request.body:
        return dict(request.json)
    form = f"{urlsplit(request.path).query}&{request.body.decode()}"
    fields: dict[str, Any] = dict(parse_qsl(form, keep_blank_values=True))
    structured = fields.keys() & {"blocks", "files", "view"}
    return fields | {name: json.loads(fields[name]) for name in structured}
