"""What pegboard-s3 offers: blobs in Amazon S3, what is compatible, and in Azure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pegboard import StorageProvider, hookimpl

if TYPE_CHECKING:
    from pegboard import Context

    from ._blobs import ObjectBlobs
    from .options import AzureOptions, S3Options

# A large blob takes its time, and what stalls is noticed by the option ``timeout``.
POLICY = {"deadline": 3600}


@hookimpl
def pegboard_storage_providers() -> list[StorageProvider]:
    """Return the providers."""
    return [
        StorageProvider(
            name="s3",
            factory=make_blobs,
            options="pegboard_s3.options:S3Options",
            contracts={"Blobs": 1, "PresignedBlobs": 1},
            external=True,
            install="pegboard-s3",
            defaults={"policy": POLICY},
            env={
                "endpoint": ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"),
                "region": ("AWS_REGION", "AWS_DEFAULT_REGION"),
                "access_key_id": ("AWS_ACCESS_KEY_ID",),
                "secret_access_key": ("AWS_SECRET_ACCESS_KEY",),
                "session_token": ("AWS_SESSION_TOKEN",),
            },
            summary="blobs in Amazon S3 and what is compatible with it",
        ),
        StorageProvider(
            name="azure-blob",
            factory=make_azure_blobs,
            options="pegboard_s3.options:AzureOptions",
            contracts={"Blobs": 1},
            external=True,
            install="pegboard-s3",
            defaults={"policy": POLICY},
            env={
                "endpoint": ("AZURE_STORAGE_ENDPOINT",),
                "account_key": (
                    "AZURE_STORAGE_ACCOUNT_KEY",
                    "AZURE_STORAGE_ACCESS_KEY",
                ),
                "sas_token": ("AZURE_STORAGE_SAS_TOKEN",),
            },
            summary="blobs in Azure Blob Storage",
        ),
    ]


def make_blobs(options: S3Options, context: Context) -> ObjectBlobs:
    """Make a store. Does no I/O; the SDK is imported here, when someone asks for it."""
    from ._blobs import ObjectBlobs  # noqa: PLC0415
    from ._service import s3  # noqa: PLC0415

    return ObjectBlobs(options, context, s3(options, context))


def make_azure_blobs(options: AzureOptions, context: Context) -> ObjectBlobs:
    """Make a store, in the same way."""
    from ._blobs import ObjectBlobs  # noqa: PLC0415
    from ._service import azure  # noqa: PLC0415

    return ObjectBlobs(options, context, azure(options, context))
