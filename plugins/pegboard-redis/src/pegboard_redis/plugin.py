"""What pegboard-redis offers: storage and messages on a Redis or Valkey server."""

from __future__ import annotations

from pegboard import IntegrationProvider, StorageProvider, hookimpl


@hookimpl
def pegboard_storage_providers() -> list[StorageProvider]:
    """Return the one provider."""
    return [
        StorageProvider(
            name="redis",
            factory="pegboard_redis._key_value:RedisKeyValue",
            options="pegboard_redis.options:RedisOptions",
            contracts={"DocumentCollections": 1, "DocumentStore": 1, "KeyValue": 1},
            install="pegboard-redis",
            env={"url": ("REDIS_URL",)},
            summary="values and documents on a Redis or Valkey server",
        )
    ]


@hookimpl
def pegboard_integrations() -> list[IntegrationProvider]:
    """Return the one provider."""
    return [
        IntegrationProvider(
            name="redis",
            factory="pegboard_redis._messaging:RedisMessaging",
            options="pegboard_redis.options:RedisMessagingOptions",
            contracts={"Queue": 1, "DeadLetterQueue": 1, "EventLog": 1},
            external=False,
            install="pegboard-redis",
            env={"url": ("REDIS_URL",)},
            summary="a queue and events on a Redis or Valkey server",
        )
    ]
