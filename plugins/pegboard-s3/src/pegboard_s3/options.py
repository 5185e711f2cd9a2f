"""What settings may say about blobs in a bucket or a container."""

from __future__ import annotations

import re
from typing import Annotated, Self

from pegboard import Options
from pegboard.contracts.blobs import checked_blob_key
from pegboard.errors import InvalidRequest
from pydantic import AfterValidator, Field, SecretStr, model_validator

URL = re.compile(r"s3://([a-zA-Z0-9][\w.-]{1,253}[a-zA-Z0-9])(?:/(.*))?", re.ASCII)
ENDPOINT = re.compile(r"https?://[^/?#@\s]+(/[^?#\s]*)?")
AZURE_URL = re.compile(
    r"azure-blob://([a-z0-9]{3,24})/([a-z0-9$](?:-?[a-z0-9]){2,62})(?:/(.*))?", re.ASCII
)
LEAST_PART = 5 * 1024 * 1024


def _checked_url(url: str) -> str:
    found = URL.fullmatch(url)
    if found is None:
        msg = "write it as s3://bucket or s3://bucket/prefix"
        raise ValueError(msg)
    _check_prefix(found[2])
    return url


def _checked_azure_url(url: str) -> str:
    found = AZURE_URL.fullmatch(url)
    if found is None:
        msg = "write it as azure-blob://account/container, a prefix may follow"
        raise ValueError(msg)
    _check_prefix(found[3])
    return url


def _check_prefix(text: str | None) -> None:
    if prefix := (text or "").strip("/"):
        try:
            checked_blob_key(prefix)
        except InvalidRequest as error:
            raise ValueError(error.message) from None


def _checked_endpoint(endpoint: str | None) -> str | None:
    if endpoint is not None and not ENDPOINT.fullmatch(endpoint):
        msg = "write it as https://host or http://host:port"
        raise ValueError(msg)
    return endpoint


class BucketOptions(Options):
    """What all services have."""

    endpoint: Annotated[str | None, AfterValidator(_checked_endpoint)] = None
    """Where the service is, if not where its owner has it."""
    part_size: int = Field(default=8 * 1024 * 1024, ge=LEAST_PART)
    """Bytes of a part: content that is longer is sent in several."""
    parts_at_once: int = Field(default=2, ge=1)
    """How many parts of a blob are sent at once; so many are in memory."""
    timeout: float = Field(default=30.0, gt=0)
    """Longest wait for the next byte of the service, in seconds."""

    @property
    def prefix(self) -> str:
        """What keys begin with: nothing, or something that ends with a slash."""
        prefix = self._path.strip("/")
        return prefix and f"{prefix}/"

    @property
    def _path(self) -> str:
        """What follows the bucket in the URL."""
        return ""


class S3Options(BucketOptions):
    """Blobs in a bucket of Amazon S3, or of what is compatible with it."""

    url: Annotated[str, AfterValidator(_checked_url)]
    """The bucket, and what its keys begin with: ``s3://bucket/prefix``."""
    region: str = "us-east-1"
    """The region of the bucket."""
    access_key_id: SecretStr | None = None
    """The key's name. Without one, the machine's own role is asked for."""
    secret_access_key: SecretStr | None = None
    """The key."""
    session_token: SecretStr | None = None
    """What belongs to a key that is good for a while only."""
    anonymous: bool = False
    """Whether requests are not signed, as public buckets allow."""
    path_style: bool | None = None
    """Whether the bucket stands in the path. None: where there is an endpoint."""

    @model_validator(mode="after")
    def _is_whole_key(self) -> Self:
        if (self.access_key_id is None) != (self.secret_access_key is None):
            msg = "access_key_id and secret_access_key go together: set both or none"
            raise ValueError(msg)
        return self

    @property
    def bucket(self) -> str:
        """The bucket."""
        return URL.sub(r"\1", self.url)

    @property
    def _path(self) -> str:
        found = URL.fullmatch(self.url)
        return (found[2] or "") if found else ""


class AzureOptions(BucketOptions):
    """Blobs in a container of Azure Blob Storage."""

    url: Annotated[str, AfterValidator(_checked_azure_url)]
    """The account, the container, and what keys begin with."""
    account_key: SecretStr | None = None
    """The key of the account. Without one, the machine's own identity is asked for."""
    sas_token: SecretStr | None = None
    """A shared access signature, in place of the key."""

    @property
    def account(self) -> str:
        """The account."""
        return AZURE_URL.sub(r"\1", self.url)

    @property
    def container(self) -> str:
        """The container."""
        return AZURE_URL.sub(r"\2", self.url)

    @property
    def _path(self) -> str:
        found = AZURE_URL.fullmatch(self.url)
        return (found[3] or "") if found else ""
