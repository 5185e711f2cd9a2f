"""Where a server is, in the spellings that Ollama itself takes."""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from urllib.parse import SplitResult

PORTS = {"http": 80, "https": 443}
OLLAMA_PORT = 11434
LOCALHOST = "127.0.0.1"


def address_of(host: str) -> str:
    """
    Return the address that *host* means, such as ``http://127.0.0.1:11434``.

    What a server listens on everywhere (``0.0.0.0``) is reached at this machine.

    Raises:
        ValueError: It is no such thing.

    """
    text = host.strip().strip("\"'")
    scheme, separator, rest = text.partition("://")
    if not separator:
        scheme, rest = "http", text
    parts = urlsplit(f"{scheme}://{rest}")
    _check(scheme, parts)
    port = parts.port or (PORTS[scheme] if separator else OLLAMA_PORT)
    return f"{scheme}://{_name(parts.hostname)}:{port}{parts.path.rstrip('/')}"


def is_this_machine(address: str) -> bool:
    """Return whether the server at *address* runs here."""
    name = urlsplit(address).hostname or ""
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"


def _check(scheme: str, parts: SplitResult) -> None:
    if scheme not in PORTS:
        msg = f"the scheme {scheme!r} is unknown. Use http or https"
        raise ValueError(msg)
    if parts.username or parts.password:
        msg = "it holds a user or a password. Set headers.Authorization instead"
        raise ValueError(msg)
    if parts.query or parts.fragment:
        msg = "it has more than a host, a port and a path"
        raise ValueError(msg)


def _name(name: str | None) -> str:
    try:
        address = ip_address(name or LOCALHOST)
    except ValueError:
        return str(name)
    if address.is_unspecified:
        return "[::1]" if isinstance(address, IPv6Address) else LOCALHOST
    return f"[{address}]" if isinstance(address, IPv6Address) else str(address)
