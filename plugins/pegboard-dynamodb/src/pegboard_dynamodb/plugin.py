"""What pegboard-dynamodb offers: values and documents in Amazon DynamoDB."""

from __future__ import annotations

from pegboard import StorageProvider, hookimpl
from pegboard_aws.variables import variables


@hookimpl
def pegboard_storage_providers() -> list[StorageProvider]:
    """Return the one provider."""
    return [
        StorageProvider(
            name="dynamodb",
            factory="pegboard_dynamodb._key_value:DynamoKeyValue",
            options="pegboard_dynamodb.options:DynamoOptions",
            contracts={"KeyValue": 1, "DocumentStore": 1, "DocumentCollections": 1},
            external=True,
            install="pegboard-dynamodb",
            env=variables("DYNAMODB"),
            summary="values and documents in Amazon DynamoDB",
        )
    ]
