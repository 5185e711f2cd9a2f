"""Our values and those of the SDK, one into the other: pure functions."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote, unquote

from pegboard import Blob
from pegboard.contracts.blobs import OCTETS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from obstore import GetOptions, ObjectMeta, PutMode, PutResult

DIGEST = "pegboard-sha256"
"""The metadata in which the digest of the content is kept."""
CONTENT_TYPE = "Content-Type"
PLAIN = "".join(map(chr, range(0x20, 0x7F))).replace("%", "")
"""What stands in a header as it is. All else is percent-encoded in it."""
VERSION = re.compile(r"([\x21-\x7e]+?)(?:;([\x21-\x7e]+))?")
STANDARD = {
    *("Content-Disposition", "Content-Encoding", "Content-Language"),
    *("Cache-Control", CONTENT_TYPE),
}


class Names(NamedTuple):
    """How a service has the names of metadata."""

    theirs: Callable[[str], str]
    ours: Callable[[str], str]


def _identifier(name: str) -> str:
    """Return *name* as an identifier, which is all that Azure takes."""
    return ("_" if name[0].isdecimal() else "") + name.replace("-", "_")


def _plain(name: str) -> str:
    """Return the name that an identifier stands for."""
    return name.lower().removeprefix("_").replace("_", "-")


AS_THEY_ARE = Names(str, str)
IDENTIFIERS = Names(_identifier, _plain)


def attributes_of(
    media_type: str, metadata: Mapping[str, str], digest: str, names: Names
) -> dict[str, str]:
    """Return what is said of a blob as the SDK takes it."""
    said = {**metadata, DIGEST: digest}
    named = {names.theirs(name): quote(said[name], safe=PLAIN) for name in said}
    return {**named, CONTENT_TYPE: media_type}


def blob_of(
    key: str, meta: ObjectMeta, attributes: Mapping[Any, Any], names: Names
) -> Blob:
    """Return what the SDK says of the object *key*."""
    said = {names.ours(n): unquote(attributes[n]) for n in {*attributes} - STANDARD}
    digest = said.pop(DIGEST, None)
    return Blob(
        key=key,
        size=meta["size"],
        version=version_of(meta),
        sha256=digest,
        media_type=attributes.get(CONTENT_TYPE, OCTETS),
        metadata=said,
        modified=meta["last_modified"].timestamp(),
    )


def version_of(meta: ObjectMeta | PutResult) -> str:
    """Return what names the content of an object, and its version if it has one."""
    tag, version = (meta["e_tag"] or "").strip('"'), meta["version"]
    return f"{tag};{version}" if version and version != "null" else tag


def mode_of(if_version: str | None, *, if_absent: bool) -> PutMode:
    """Return the condition under which to store."""
    if if_absent:
        return "create"
    return "overwrite" if if_version is None else {"e_tag": _tag(if_version)}


def options_of(
    version: str | None, start: int = 0, end: int | None = None
) -> GetOptions:
    """Return which content to read, and which part of it."""
    options: GetOptions = {}
    if version is not None:
        found = VERSION.fullmatch(version)
        options["if_match"] = _tag(version)
        if found and found[2]:
            options = {"version": found[2]}
    if end is not None:
        options["range"] = (start, end)
    elif start:
        options["range"] = {"offset": start}
    return options


def is_version(text: str | None) -> bool:
    """Return whether *text* can be sent as a version."""
    return text is None or VERSION.fullmatch(text) is not None


def _tag(version: str) -> str:
    return f'"{version.partition(";")[0]}"'
