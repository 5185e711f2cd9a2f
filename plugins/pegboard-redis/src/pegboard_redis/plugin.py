"""What pegboard-redis offers: storage on a Redis or Valkey server."""

from __future__ import annotations

from pegboard import StorageProvider, hookimpl


@hookimpl
def pegboard_storage_providers() -> list[StorageProvider]:
    """Return the one provider."""
    return [
        StorageProvider(
            name="redis",
            factory="pegboard_redis._key_value:RedisKeyValue",
            options="pegboard_redis.options:RedisOptions",
            contracts={"DocumentStore": 1, "KeyValue": 1},
            install="pegboard-redis",
            env={"url": ("REDIS_URL",)},
            summary="values and documents on a Redis or Valkey server",
        )
    ]
