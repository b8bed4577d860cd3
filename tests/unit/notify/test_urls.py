"""The wall between customers' URLs and our own network."""

from ipaddress import IPv4Address, IPv6Address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.notify.domain.addresses import is_refused
from services.notify.domain.urls import destination
from services.notify.errors import WebhookUrlRefused

# The union of what three trusted projects refuse, written down again on purpose.
REFUSED = [
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
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
    "255.255.255.255/32",
    "::/128",
    "::1/128",
    "64:ff9b::/96",
    "64:ff9b:1::/48",
    "100::/64",
    "2001::/32",
    "2001:db8::/32",
    "2002::/16",
    "3fff::/20",
    "5f00::/16",
    "fc00::/7",
    "fe80::/10",
    "ff00::/8",
]


@pytest.mark.parametrize("network", REFUSED)
def test_the_first_and_the_last_address_of_each_range_are_refused(network: str) -> None:
    parsed = ip_network(network)

    assert is_refused(str(parsed[0]), allow_loopback=False)
    assert is_refused(str(parsed[-1]), allow_loopback=False)


@pytest.mark.parametrize("network", [one for one in REFUSED if "." in one])
def test_an_ipv4_address_does_not_hide_in_an_ipv6_one(network: str) -> None:
    for address in (ip_network(network)[0], ip_network(network)[-1]):
        for disguise in (f"::ffff:{address}", f"64:ff9b::{address}", f"::{address}"):
            assert is_refused(disguise, allow_loopback=False)


@given(st.ip_addresses())
def test_whatever_is_allowed_is_in_no_refused_range(address: IPv4Address | IPv6Address) -> None:
    if not is_refused(str(address), allow_loopback=False):
        mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
        assert not any((mapped or address) in ip_network(network) for network in REFUSED)


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "172.15.255.255", "172.32.0.0", "100.63.255.255", "2606:4700::1"]
)
def test_public_addresses_are_allowed(address: str) -> None:
    assert not is_refused(address, allow_loopback=False)


def test_only_loopback_is_let_in_on_one_machine() -> None:
    for address in ("127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"):
        assert not is_refused(address, allow_loopback=True)
    for address in ("169.254.169.254", "10.0.0.1", "0.0.0.0", "fe80::1%eth0", "nonsense"):
        assert is_refused(address, allow_loopback=True)


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example.com/",
        "ftp://hooks.example.com/",
        "file:///etc/passwd",
        "gopher://hooks.example.com/",
        "//hooks.example.com/",
        "https:///path",
        "https://",
        "",
        "https://user:secret@hooks.example.com/",
        "https://hooks.example.com@127.0.0.1/",
        "https://@hooks.example.com/",
        *(f"https://hooks.example.com:{port}/" for port in (22, 25, 80, 5432, 0, 65536, "x")),
        "https://hooks.example.com/#fragment",
        "https://hooks.example.com/\\@127.0.0.1",
        "https://hooks.example.com/a b",
        "https://hooks.example.com/\r\nHost: localhost",
        "https://hooks.exämple.com/",
        "https://hooks.example.com/" + "x" * 2000,
        "https://localhost/",
        "https://LOCALHOST./",
        "https://api.localhost/",
        "https://db.internal/",
        "https://printer.local/",
        "https://intranet/",
        "https://127.0.0.1/",
        "https://127.1/",
        "https://0x7f.1/",
        "https://0x7f000001/",
        "https://2130706433/",
        "https://017700000001/",
        "https://0177.0.0.1/",
        "https://127.0.0.1./",
        "https://[::1]/",
        "https://[::ffff:7f00:1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://[fe80::1%25eth0]/",
        "https://[fe80::1%eth0]/",
        "https://[fd00:ec2::254]/",
        "https://169.254.169.254/latest/meta-data",
        "https://169.254.170.2/",
        "https://0/",
        "https://10.0.0.8/",
        "https://-.example.com/",
        "https://a..example.com/",
    ],
)
def test_a_url_that_leads_elsewhere_is_refused(url: str) -> None:
    with pytest.raises(WebhookUrlRefused):
        destination(url, allow_loopback=False)


@pytest.mark.parametrize(
    ("url", "host", "port", "target", "header"),
    [
        ("https://hooks.example.com", "hooks.example.com", 443, "/", "hooks.example.com"),
        ("https://Hooks.Example.COM./a?b=1", "hooks.example.com", 443, "/a?b=1", "hooks.example.com"),
        ("https://hooks.example.com:8443/a", "hooks.example.com", 8443, "/a", "hooks.example.com:8443"),
        ("https://xn--bcher-kva.example/", "xn--bcher-kva.example", 443, "/", "xn--bcher-kva.example"),
        ("https://8.8.8.8/", "8.8.8.8", 443, "/", "8.8.8.8"),
        ("https://[2606:4700::1]:8443/", "2606:4700::1", 8443, "/", "[2606:4700::1]:8443"),
    ],
)
def test_a_public_url_says_where_it_leads(url: str, host: str, port: int, target: str, header: str) -> None:
    found = destination(url, allow_loopback=False)

    assert (host, port, target, header) == (found.host, found.port, found.target, found.host_header)


def test_one_machine_may_use_http_any_port_and_localhost() -> None:
    found = destination("http://localhost:9000/hook", allow_loopback=True)

    assert ("http", "localhost", 9000) == (found.scheme, found.host, found.port)
    for url in ("http://10.0.0.1:9000/", "http://2130706433/", "http://127.1:80/", "ftp://localhost/"):
        with pytest.raises(WebhookUrlRefused):
            destination(url, allow_loopback=True)


@given(st.text(max_size=80))
def test_no_text_breaks_the_reader(text: str) -> None:
    for url in (text, f"https://{text}"):
        try:
            found = destination(url, allow_loopback=False)
        except WebhookUrlRefused:
            continue

        assert ("https", True) == (found.scheme, bool(found.host))
