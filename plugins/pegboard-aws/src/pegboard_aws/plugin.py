"""What pegboard-aws offers: queues of SQS and secrets of AWS Secrets Manager."""

from __future__ import annotations

from pegboard import IntegrationProvider, hookimpl

from .variables import variables


@hookimpl
def pegboard_integrations() -> list[IntegrationProvider]:
    """Return the providers."""
    return [
        IntegrationProvider(
            name="secrets-manager",
            factory="pegboard_aws._secrets:SecretsManager",
            options="pegboard_aws.options:SecretsManagerOptions",
            contracts={"SecretStore": 1, "SecretVault": 1},
            install="pegboard-aws",
            env=variables("SECRETS_MANAGER"),
            summary="secrets in AWS Secrets Manager",
        ),
        IntegrationProvider(
            name="sqs",
            factory="pegboard_aws._queue:SQSQueue",
            options="pegboard_aws.options:SQSOptions",
            contracts={"Queue": 1},
            install="pegboard-aws",
            env=variables("SQS"),
            summary="a queue of Amazon SQS",
        ),
    ]
