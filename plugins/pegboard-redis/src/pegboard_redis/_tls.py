"""Whom to trust, and how to be trusted: what the options say about TLS."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, NoReturn

from pegboard.errors import Problem, SettingsError

if TYPE_CHECKING:
    from .options import ServerOptions

FILES = ("ca_file", "cert_file", "key_file")


def check_files(options: ServerOptions, address: str) -> None:
    """
    Refuse certificates that would not be used.

    Raises:
        SettingsError: There are some.

    """
    given = [name for name in FILES if getattr(options, name) is not None]
    if given and not options.server.is_tls:
        _refuse(f"{address}.{given[0]}", "is for TLS. Let url begin with rediss://.")
    if given == ["key_file"]:
        _refuse(f"{address}.key_file", "belongs to a certificate. Set cert_file, too.")


def trust(options: ServerOptions, address: str) -> ssl.SSLContext:
    """
    Return the context of connections by TLS. Reads files.

    Raises:
        SettingsError: A file cannot be used.

    """
    name = "ca_file"
    try:
        context = ssl.create_default_context(cafile=options.ca_file)
        if options.cert_file:
            name = "cert_file"
            context.load_cert_chain(options.cert_file, options.key_file)
    except OSError as error:
        _refuse(f"{address}.{name}", f"cannot be used: {error}.", error)
    return context


def _refuse(where: str, message: str, cause: Exception | None = None) -> NoReturn:
    raise SettingsError(Problem(where, message)) from cause
