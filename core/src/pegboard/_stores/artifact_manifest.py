"""What is known of an artifact: its versions, their tags, and who is at which stage."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from pegboard.contracts.blobs import checked_blob_key
from pegboard.errors import Conflict, InvalidReply, InvalidRequest, NotFound

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


@dataclass(frozen=True, slots=True)
class Artifact:
    """A version of an artifact."""

    name: str
    version: int
    """1 for the first, and one more for each that was pushed since."""
    size: int
    """In bytes."""
    sha256: str
    """The digest of the content, in hex."""
    media_type: str
    metadata: Mapping[str, Any]
    tags: tuple[str, ...]
    """In order."""
    stages: tuple[str, ...]
    """Where this version is the one, in order."""
    created: float
    """When it was pushed, in seconds since 1970, as the backend's clock says."""


@dataclass(frozen=True, slots=True)
class Version:
    """A version as the manifest has it."""

    number: int
    content: str
    """The key of its content."""
    size: int
    sha256: str
    media_type: str
    metadata: Mapping[str, Any]
    tags: tuple[str, ...]
    created: float


@dataclass(frozen=True, slots=True)
class Manifest:
    """The versions of one artifact, the oldest first. Changing it gives another."""

    name: str
    versions: tuple[Version, ...] = ()
    stages: Mapping[str, int] | None = None
    """The number of a version by the name of a stage."""
    last: int = 0
    """The highest number that a version ever had."""

    def with_version(self, version: Version, stage: str | None) -> Manifest:
        """Return it with *version*, which gets the next number, once."""
        if any(known.content == version.content for known in self.versions):
            return self
        number = self.last + 1
        versions = (*self.versions, replace(version, number=number))
        added = replace(self, versions=versions, last=number)
        return added if stage is None else added.promoted(number, stage)

    def promoted(self, number: int, stage: str) -> Manifest:
        """Return it with the version *number* at *stage*, whoever was there."""
        self.version(number)
        return replace(self, stages={**(self.stages or {}), stage: number})

    def tagged(self, number: int, tags: Iterable[str]) -> Manifest:
        """Return it with more *tags* at the version *number*."""
        return self._retagged(number, {*self.version(number).tags, *tags})

    def untagged(self, number: int, tags: Iterable[str]) -> Manifest:
        """Return it without *tags* at the version *number*."""
        return self._retagged(number, {*self.version(number).tags}.difference(tags))

    def without(self, number: int) -> Manifest:
        """Return it without the version *number*."""
        if stages := self._stages_of(number):
            msg = (
                f"Version {number} of {self.name!r} is at the stage "
                f"{', '.join(stages)}. Promote another one first."
            )
            raise Conflict(msg)
        left = tuple(one for one in self.versions if one.number != number)
        return replace(self, versions=left)

    def version(self, number: int) -> Version:
        """Return the version *number*."""
        for one in self.versions:
            if one.number == number:
                return one
        known = ", ".join(str(one.number) for one in self.versions[-10:]) or "none"
        msg = f"There is no version {number!r} of {self.name!r}. The last are: {known}."
        raise NotFound(msg)

    def find(
        self, number: int | None, stage: str | None, tag: str | None
    ) -> Version | None:
        """Return the version *number*, at *stage*, or the newest, with *tag*."""
        if stage is not None:
            number = (self.stages or {}).get(stage, 0)
        for one in reversed(self.versions):
            if number in {None, one.number} and (tag is None or tag in one.tags):
                return one
        return None

    def shown(self, version: Version) -> Artifact:
        """Return what users see of *version*."""
        return Artifact(
            name=self.name,
            version=version.number,
            size=version.size,
            sha256=version.sha256,
            media_type=version.media_type,
            metadata=json.loads(json.dumps(version.metadata)),
            tags=version.tags,
            stages=self._stages_of(version.number),
            created=version.created,
        )

    def to_json(self) -> bytes:
        """Return it as it is stored."""
        return json.dumps(asdict(self), ensure_ascii=False).encode()

    @classmethod
    def from_json(cls, name: str, text: bytes) -> Manifest:
        """
        Return what ``to_json`` has stored.

        Raises:
            InvalidReply: Something else did.

        """
        try:
            said = json.loads(text)
            versions = tuple(
                Version(**{**one, "tags": tuple(one["tags"])})
                for one in said["versions"]
            )
            return cls(name, versions, said["stages"], said["last"])
        except (ValueError, TypeError, KeyError) as error:
            msg = f"What is stored of the artifact {name!r} is no manifest of it."
            raise InvalidReply(msg) from error

    def _retagged(self, number: int, tags: Iterable[str]) -> Manifest:
        versions = tuple(
            replace(one, tags=tuple(sorted(tags))) if one.number == number else one
            for one in self.versions
        )
        return replace(self, versions=versions)

    def _stages_of(self, number: int) -> tuple[str, ...]:
        return tuple(sorted(s for s, n in (self.stages or {}).items() if n == number))


def checked_choice(version: int | None, stage: str | None, tag: str | None) -> None:
    """Refuse to choose a version in more than one way."""
    if sum(chosen is not None for chosen in (version, stage, tag)) > 1:
        msg = "Choose by version, by stage or by tag; they do not go together."
        raise InvalidRequest(msg, request_sent="no")


def checked_label(label: object) -> str:
    """Return *label* if it can be a tag, or the name of a stage."""
    if isinstance(label, str) and label == label.strip() and "/" not in label:
        return checked_blob_key(label)
    msg = f"A tag or a stage is a text such as 'production', without /, not {label!r}."
    raise InvalidRequest(msg, request_sent="no")
