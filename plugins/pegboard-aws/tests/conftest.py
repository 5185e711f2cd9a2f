from __future__ import annotations

import botocore.session
import pytest
from botocore.config import Config

KEY = "test"
REGION = "eu-central-1"


@pytest.fixture
def access(ministack):
    """Return what the settings of every instance have in them."""
    return {
        "endpoint": ministack,
        "region": REGION,
        "access_key_id": KEY,
        "secret_access_key": KEY,
    }


@pytest.fixture
def sdk(ministack):
    """Return a function that makes a client of the SDK, which blocks."""
    session = botocore.session.Session()
    session.set_credentials(KEY, KEY)

    def sdk(service):
        return session.create_client(
            service,
            region_name=REGION,
            endpoint_url=ministack,
            config=Config(retries={"total_max_attempts": 1}),
        )

    return sdk
