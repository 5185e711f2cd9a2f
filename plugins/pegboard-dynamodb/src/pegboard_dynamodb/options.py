"""What settings may say about a table."""

from __future__ import annotations

import re
from typing import Annotated

from pegboard_aws.options import AWSOptions
from pydantic import AfterValidator, Field

URL = re.compile(r"dynamodb://([a-zA-Z0-9_.-]{3,255})(?:/(.*))?", re.ASCII | re.DOTALL)
LONGEST_PREFIX = 500


def _checked_url(url: str) -> str:
    found = URL.fullmatch(url)
    if found is None:
        msg = "write it as dynamodb://table or dynamodb://table/prefix"
        raise ValueError(msg)
    if len(found[2] or "") > LONGEST_PREFIX:
        msg = f"the prefix has more than {LONGEST_PREFIX} characters"
        raise ValueError(msg)
    return url


class DynamoOptions(AWSOptions):
    """Values and documents in a table of Amazon DynamoDB."""

    url: Annotated[str, AfterValidator(_checked_url)]
    """The table, and what is put before its partitions: dynamodb://table/prefix."""
    create_table: bool = False
    """Whether the table is made, paid by request, when it is not there."""
    ttl: float | None = Field(default=None, gt=0)
    """Seconds until a value expires, where the call does not say. None is never."""

    @property
    def table(self) -> str:
        """The name of the table."""
        return URL.sub(r"\1", self.url)

    @property
    def prefix(self) -> str:
        """What tells these partitions from those of others in the table."""
        found = URL.fullmatch(self.url)
        return (found[2] or "") if found else ""
