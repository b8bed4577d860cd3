"""Which URLs a customer may name as an endpoint.

Only the spelling is judged here; the addresses behind a name are judged again at every connection.
"""

import re
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from services.notify.domain.addresses import is_refused
from services.notify.errors import WebhookUrlRefused

_LENGTH_MAX: Final = 2000
_PORTS: Final = frozenset({443, 8443})
_CHARACTERS: Final = re.compile(r"[!-~]+")
_LABEL: Final = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
# Browsers and resolvers read such a last label as a number, and the name as an IPv4 address.
_NUMBER: Final = re.compile(r"\d+|0x[0-9a-f]*")
_LOCAL_SUFFIXES: Final = ("localhost", "localdomain", "local", "internal", "intranet", "lan", "home.arpa")


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a URL leads. `target` is path and query."""

    scheme: str
    host: str
    port: int
    target: str

    @property
    def host_header(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.scheme == "https" else 80) else f"{host}:{self.port}"


def destination(url: str, *, allow_loopback: bool) -> Destination:
    """Raises WebhookUrlRefused. `allow_loopback` is for one machine: loopback addresses, http and any port
    there."""
    if len(url) > _LENGTH_MAX:
        raise WebhookUrlRefused("is too long")
    if not _CHARACTERS.fullmatch(url) or "\\" in url:
        raise WebhookUrlRefused("has characters that a URL does not have")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise WebhookUrlRefused("cannot be read") from None
    if "@" in parts.netloc:
        raise WebhookUrlRefused("must not hold a user name or password")
    if parts.fragment:
        raise WebhookUrlRefused("must not have a fragment")
    host = _host(parts.hostname or "", allow_loopback=allow_loopback)
    if parts.scheme not in ("https", "http") or (parts.scheme == "http" and not allow_loopback):
        raise WebhookUrlRefused("must begin with https://")
    if port is None:
        port = 443 if parts.scheme == "https" else 80
    if port not in _PORTS and not (allow_loopback and port > 0):
        raise WebhookUrlRefused("must use port 443 or 8443")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Destination(scheme=parts.scheme, host=host, port=port, target=target)


def _host(host: str, *, allow_loopback: bool) -> str:
    """In lower case, without the dot that ends a full name."""
    host = host.lower().removesuffix(".")
    if not host:
        raise WebhookUrlRefused("has no host")
    if ":" in host or _NUMBER.fullmatch(host.rpartition(".")[2]):
        return _literal(host, allow_loopback=allow_loopback)
    if allow_loopback and host == "localhost":
        return host
    labels = host.split(".")
    if len(host) > 253 or not all(map(_LABEL.fullmatch, labels)):
        raise WebhookUrlRefused("has a host name that does not exist")
    if len(labels) < 2 or any(host == suffix or host.endswith(f".{suffix}") for suffix in _LOCAL_SUFFIXES):
        raise WebhookUrlRefused("names a host that is not public")
    return host


def _literal(host: str, *, allow_loopback: bool) -> str:
    """Addresses in their usual spelling only: short, octal and hexadecimal ones exist to slip past checks."""
    try:
        address = ip_address(host)
    except ValueError:
        raise WebhookUrlRefused("has an address in an unusual spelling") from None
    if is_refused(host, allow_loopback=allow_loopback):
        raise WebhookUrlRefused("leads to an address that is not public")
    return str(address)
