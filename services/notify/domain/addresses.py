"""Addresses that a customer's URL must never make us call.

An explicit list: what `ipaddress` calls global changes between versions of Python.
"""

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final

_LOOPBACK: Final = tuple(map(ip_network, ("127.0.0.0/8", "::1/128")))
_REFUSED: Final = tuple(
    map(
        ip_network,
        (
            "0.0.0.0/8",  # this host
            "10.0.0.0/8",
            "100.64.0.0/10",  # carrier NAT, and the metadata service of one cloud
            "127.0.0.0/8",
            "169.254.0.0/16",  # link local, and the metadata services of most clouds
            "172.16.0.0/12",
            "192.0.0.0/24",
            "192.0.2.0/24",
            "192.88.99.0/24",
            "192.168.0.0/16",
            "198.18.0.0/15",
            "198.51.100.0/24",
            "203.0.113.0/24",
            "224.0.0.0/4",
            "240.0.0.0/4",
            "::/96",  # unspecified, loopback, and the deprecated IPv4-compatible form
            "64:ff9b::/96",  # NAT64: an IPv4 address in disguise
            "64:ff9b:1::/48",
            "100::/64",
            "2001::/32",  # Teredo: likewise
            "2001:db8::/32",
            "2002::/16",  # 6to4: likewise
            "3fff::/20",
            "5f00::/16",
            "fc00::/7",
            "fe80::/10",
            "fec0::/10",
            "ff00::/8",
        ),
    )
)


def is_refused(text: str, *, allow_loopback: bool) -> bool:
    """`text` is an address as a resolver gives it; what is none is refused."""
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return True
    address = _canonical(address)
    if allow_loopback and any(address in network for network in _LOOPBACK):
        return False
    return any(address in network for network in _REFUSED)


def _canonical(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """An IPv4 address inside an IPv6 one reaches the same host."""
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address
