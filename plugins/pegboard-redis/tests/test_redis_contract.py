from __future__ import annotations

from uuid import uuid4

import pytest
from pegboard.testing.clock import RealClock
from pegboard.testing.documents import (
    DocumentCollectionsContract,
    PersistentDocumentStoreContract,
)
from pegboard.testing.key_value import PersistentKeyValueContract

PATIENT = {"timeout": 60, "connect_timeout": 60}


class TestValkey(PersistentKeyValueContract):
    @pytest.fixture
    def settings(self, shared_valkey):
        """Return the settings of a store that nobody else uses."""
        prefix = f"{uuid4().hex}:"
        url = shared_valkey.url
        return {"provider": "redis", "url": url, "prefix": prefix, **PATIENT}

    @pytest.fixture
    def clock(self):
        """Return real time: the server keeps its own."""
        return RealClock()


class TestRedis(PersistentKeyValueContract):
    @pytest.fixture
    def settings(self, shared_redis):
        """Return the settings of a store with several connections."""
        prefix = f"{uuid4().hex}:"
        url = f"unix://{shared_redis.socket}?db=3"
        more = {"connections": 3, **PATIENT}
        return {"provider": "redis", "url": url, "prefix": prefix, **more}

    @pytest.fixture
    def clock(self):
        """Return real time: the server keeps its own."""
        return RealClock()


class TestValkeyDocuments(DocumentCollectionsContract, PersistentDocumentStoreContract):
    @pytest.fixture
    def settings(self, shared_valkey):
        """Return the settings of a store that nobody else uses."""
        prefix = f"{uuid4().hex}:"
        url = shared_valkey.url
        return {"provider": "redis", "url": url, "prefix": prefix, **PATIENT}


class TestRedisDocuments(DocumentCollectionsContract, PersistentDocumentStoreContract):
    @pytest.fixture
    def settings(self, shared_redis):
        """Return the settings of a store with several connections."""
        prefix = f"{uuid4().hex}:"
        url = f"unix://{shared_redis.socket}?db=3"
        more = {"connections": 3, **PATIENT}
        return {"provider": "redis", "url": url, "prefix": prefix, **more}
