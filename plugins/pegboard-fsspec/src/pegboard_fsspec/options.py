"""What settings may say about a file system."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pegboard import Options
from pegboard.contracts.file_guards import checked_extension
from pydantic import AfterValidator, Field, SecretStr

URL = re.compile(r"[a-z][a-z0-9+.-]*(::[a-z][a-z0-9+.-]*)*://\S*")
PASSWORD = re.compile(r"://[^/@]*:[^/@]*@")


def _checked_url(url: str) -> str:
    if not URL.fullmatch(url):
        msg = "write it as protocol://path, such as sftp://host/folder"
        raise ValueError(msg)
    if PASSWORD.search(url):
        msg = "a password belongs into secrets, not into the url"
        raise ValueError(msg)
    return url


Extension = Annotated[str, AfterValidator(checked_extension)]


class FsspecOptions(Options):
    """Files and blobs on a file system of fsspec."""

    url: Annotated[str, AfterValidator(_checked_url)]
    """The folder: ``sftp://user@host/folder``, ``file:///folder``, ``memory://x``."""
    options: dict[str, Any] = Field(default_factory=dict)
    """What else the file system takes, by the names that it has for it."""
    secrets: dict[str, SecretStr] = Field(default_factory=dict)
    """The same for what is secret, such as ``password``, ``token`` or ``secret``."""
    connections: int = Field(default=4, ge=1)
    """How many calls are made at once, each over a connection of its own."""
    extensions: frozenset[Extension] | None = None
    """How names of files may end, such as ``.txt``. None is any way. Not for blobs."""
    max_size: int | None = Field(default=None, gt=0)
    """Bytes that a file may be written with. None is as many as fit. Not for blobs."""

    @property
    def protocol(self) -> str:
        """What kind of file system it is."""
        return self.url.partition("://")[0]

    @property
    def all_options(self) -> dict[str, Any]:
        """What the file system is made with."""
        secrets = {name: one.get_secret_value() for name, one in self.secrets.items()}
        return {**self.options, **secrets}
