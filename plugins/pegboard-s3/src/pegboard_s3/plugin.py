"""What pegboard-s3 offers: blobs in Amazon S3 and what is compatible with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pegboard import StorageProvider, hookimpl

if TYPE_CHECKING:
    from pegboard import Context

    from ._blobs import S3Blobs
    from .options import S3Options

# A large blob takes its time, and what stalls is noticed by the option ``timeout``.
POLICY = {"deadline": 3600}


@hookimpl
def pegboard_storage_providers() -> list[StorageProvider]:
    """Return the one provider."""
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
        )
    ]


def make_blobs(options: S3Options, context: Context) -> S3Blobs:
    """Make a store. Does no I/O; the SDK is imported here, when someone asks for it."""
    from ._blobs import S3Blobs  # noqa: PLC0415

    return S3Blobs(options, context)
