"""Twilio's signature: HMAC-SHA1 over the URL it called and, for a form, every field sorted by name.

The URL is the configured public one, never what the request claims (Host and forwarding headers can be
forged).
"""

import base64
import hashlib
import hmac
from collections.abc import Iterable, Sequence
from typing import Final
from urllib.parse import parse_qs, urlsplit, urlunsplit

_SIGNATURE_LENGTH: Final = 28
_STANDARD_PORTS: Final = {"http": 80, "https": 443}


def is_signed_form(
    signature: str, *, url: str, fields: Sequence[tuple[str, str]], tokens: Sequence[bytes]
) -> bool:
    """By any of the account's `tokens`. `fields` as they came; a repeated name counts with each of its
    different values."""
    signed = "".join(name + value for name, value in sorted(set(fields)))
    return _is_signed(signature, url=url, suffix=signed, tokens=tokens)


def is_signed_body(signature: str, *, url: str, body: bytes, tokens: Sequence[bytes]) -> bool:
    """For bodies that are no form: the URL carries the body's SHA-256."""
    given = parse_qs(urlsplit(url).query).get("bodySHA256", [""])[0]
    expected = hashlib.sha256(body).hexdigest()
    matches = hmac.compare_digest(given.lower().encode(), expected.encode())
    return _is_signed(signature, url=url, suffix="", tokens=tokens) and matches


def _is_signed(signature: str, *, url: str, suffix: str, tokens: Sequence[bytes]) -> bool:
    if len(signature) != _SIGNATURE_LENGTH or not signature.isascii():
        return False
    matches = [
        hmac.compare_digest(_signature(variant + suffix, token=token), signature.encode())
        for variant in _variants(url)
        for token in tokens
        if token
    ]
    return any(matches)


def _signature(text: str, *, token: bytes) -> bytes:
    return base64.b64encode(hmac.new(token, text.encode("utf-8", "replace"), hashlib.sha1).digest())


def _variants(url: str) -> Iterable[str]:
    """Twilio signs some URLs with the port and some without, whatever was configured."""
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if parts.hostname and ":" in parts.hostname else parts.hostname or ""
    with_port = f"{host}:{parts.port or _STANDARD_PORTS.get(parts.scheme, 443)}"
    return dict.fromkeys(
        [url, urlunsplit(parts._replace(netloc=host)), urlunsplit(parts._replace(netloc=with_port))]
    )
