"""The services that there are: how each is connected to, and what it does its way."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from obstore.store import AzureStore, S3Store

from ._convert import AS_THEY_ARE, IDENTIFIERS, Names

if TYPE_CHECKING:
    from collections.abc import Callable

    from obstore.store import ClientConfig, RetryConfig
    from pegboard import Context
    from pydantic import SecretStr

    from .options import AzureOptions, BucketOptions, S3Options

Store = S3Store | AzureStore
ONCE: RetryConfig = {"max_retries": 0}


@dataclass(frozen=True, slots=True)
class Service:
    """Where blobs are, and how to get there."""

    where: str
    """As errors call it."""
    connect: Callable[[], Store]
    names: Names


def s3(options: S3Options, context: Context) -> Service:
    """Return the service of *options*."""
    connect = partial(_s3_store, options, context)
    return Service(f"s3://{options.bucket}", connect, AS_THEY_ARE)


def azure(options: AzureOptions, context: Context) -> Service:
    """Return the service of *options*."""
    where = f"azure-blob://{options.account}/{options.container}"
    return Service(where, partial(_azure_store, options, context), IDENTIFIERS)


def _s3_store(options: S3Options, context: Context) -> S3Store:
    in_path = options.path_style
    config = _config(
        options,
        access_key_id=options.access_key_id,
        secret_access_key=options.secret_access_key,
        session_token=options.session_token,
    )
    return S3Store(
        options.bucket,
        config=config,  # type: ignore[arg-type]  # as its keys say
        region=options.region,
        skip_signature=options.anonymous,
        virtual_hosted_style_request=not (
            options.endpoint is not None if in_path is None else in_path
        ),
        client_options=_client_options(options, context),
        retry_config=ONCE,
    )


def _azure_store(options: AzureOptions, context: Context) -> AzureStore:
    config = _config(
        options, account_key=options.account_key, sas_key=options.sas_token
    )
    return AzureStore(
        options.container,
        account_name=options.account,
        config=config,  # type: ignore[arg-type]  # as its keys say
        client_options=_client_options(options, context),
        retry_config=ONCE,
    )


def _config(options: BucketOptions, **secrets: SecretStr | None) -> dict[str, str]:
    config = {name: one.get_secret_value() for name, one in secrets.items() if one}
    if options.endpoint is not None:
        config["endpoint"] = options.endpoint
    return config


def _client_options(options: BucketOptions, context: Context) -> ClientConfig:
    config: ClientConfig = {
        "allow_http": (options.endpoint or "").startswith("http:"),
        "connect_timeout": timedelta(seconds=min(context.connect_timeout, 3600)),
        "read_timeout": timedelta(seconds=options.timeout),
        # Of a whole request; how long a call may take is for the policy to say.
        "timeout": timedelta(days=1),
    }
    if context.keep_alive == 0:
        config["pool_max_idle_per_host"] = "0"
    elif context.keep_alive is not None:
        config["pool_idle_timeout"] = timedelta(seconds=min(context.keep_alive, 86400))
    return config
