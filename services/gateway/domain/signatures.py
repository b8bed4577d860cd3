"""How a webhook proves where it comes from. Pure functions over the raw body; every comparison is in
constant time.

A header that comes twice or is longer than any real one proves nothing.
"""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol

import msgspec

WINDOW_SECONDS: Final = 300

_HEADER_LENGTH_MAX: Final = 1024
_TIMESTAMP: Final = re.compile(r"\d{9,14}(?:\.\d{1,6})?")
# Seconds get here in the year 5138; milliseconds were here in 1973.
_MILLISECONDS_FROM: Final = 10**11
_VARIABLE: Final = re.compile(r"\{([a-z-]+)\}")
_VARIABLES: Final = frozenset({"body", "timestamp", "svix-id"})


class Scheme(StrEnum):
    """Names as in callplane.gateway.v2.Source.Scheme."""

    HMAC_BODY = "HMAC_BODY"
    HMAC_TIMESTAMP = "HMAC_TIMESTAMP"
    SHARED_SECRET = "SHARED_SECRET"  # noqa: S105  a name, not a secret
    BEARER = "BEARER"
    TWILIO = "TWILIO"


@dataclass(frozen=True, slots=True, kw_only=True)
class SignatureSettings:
    """Empty fields mean the scheme's own defaults."""

    signature_header: str = ""
    timestamp_header: str = ""
    prefix: str = ""
    encoding: str = ""
    algorithm: str = ""
    # With {body}, {timestamp} and {svix-id}, as the provider's own settings have it.
    payload_format: str = ""
    message_id_header: str = ""
    secret_encoding: str = ""


class Headers(Protocol):
    """Every value that a name, in lower case, came with."""

    def get(self, name: str, default: Sequence[str], /) -> Sequence[str]: ...


class SignedRequest(msgspec.Struct, frozen=True):
    headers: Headers
    body: bytes


def headers_by_name(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    headers: dict[str, list[str]] = {}
    for name, value in pairs:
        headers.setdefault(name.lower(), []).append(value)
    return headers


def is_signed(
    request: SignedRequest,
    schemes: Sequence[Scheme],
    *,
    settings: SignatureSettings,
    secrets: Sequence[bytes],
    now: float,
) -> bool:
    """Whether any of the schemes lets the request in with any of the secrets. `now` in seconds since 1970.
    TWILIO never does: it signs a URL and a form, see `twilio_signatures`."""
    proofs = [_Proof(request=request, settings=settings, secret=secret, now=now) for secret in secrets]
    # All are tried, so that the time taken does not tell which one came close.
    passed = [_CHECKS[scheme](proof) for proof in proofs for scheme in schemes if scheme in _CHECKS]
    return any(passed)


def is_payload_format(text: str, *, timestamped: bool) -> bool:
    """Whether a signature over such a payload covers the whole body, and the time if and only if that is
    looked at."""
    names = _VARIABLE.findall(text)
    plain = text.isascii() and not set("{}") & set(_VARIABLE.sub("", text))
    known = set(names) <= _VARIABLES and names.count("body") == 1
    return plain and known and timestamped == ("timestamp" in names)


def key_of(secret: bytes, *, encoding: str) -> bytes:
    """The key of the HMAC; empty, which lets nobody in, for what does not decode."""
    return _from_base64(secret.decode("latin-1")) if encoding == "base64" else secret


class _Proof(msgspec.Struct, frozen=True, kw_only=True):
    """What came with the request, and what it is held against."""

    request: SignedRequest
    settings: SignatureSettings
    secret: bytes
    now: float

    def header(self, default: str) -> str:
        return self.single(self.settings.signature_header or default)

    def single(self, name: str) -> str:
        values = self.request.headers.get(name.lower(), ())
        return values[0] if len(values) == 1 and len(values[0]) <= _HEADER_LENGTH_MAX else ""

    @property
    def timestamp(self) -> str:
        return self.single(self.settings.timestamp_header or "x-timestamp")

    def payload(self, default: str) -> bytes:
        """What the sender should have signed."""
        template = self.settings.payload_format or default
        if template == "{body}":
            return self.request.body
        before, _, after = template.partition("{body}")
        return self._filled(before) + self.request.body + self._filled(after)

    def _filled(self, text: str) -> bytes:
        if "{" in text:
            message_id = self.single(self.settings.message_id_header or "svix-id")
            text = text.replace("{timestamp}", self.timestamp).replace("{svix-id}", message_id)
        return text.encode("latin-1", "replace")


def _by_body(proof: _Proof) -> bool:
    return _matches(proof.header("x-vapi-signature"), proof.payload("{body}"), proof=proof)


def _by_timestamp(proof: _Proof) -> bool:
    if not is_recent(proof.timestamp, now=proof.now):
        return False
    return _matches(proof.header("x-signature"), proof.payload("{timestamp}.{body}"), proof=proof)


def _by_secret(proof: _Proof) -> bool:
    return _same(proof.header("x-vapi-secret"), proof.secret)


def _by_bearer(proof: _Proof) -> bool:
    scheme, _, token = proof.header("authorization").partition(" ")
    return scheme.lower() == "bearer" and _same(token.strip(), proof.secret)


_CHECKS: Final[Mapping[Scheme, Callable[[_Proof], bool]]] = {
    Scheme.HMAC_BODY: _by_body,
    Scheme.HMAC_TIMESTAMP: _by_timestamp,
    Scheme.SHARED_SECRET: _by_secret,
    Scheme.BEARER: _by_bearer,
}


def is_recent(timestamp: str, *, now: float) -> bool:
    """Seconds or milliseconds; the provider does not say which it sends."""
    if not _TIMESTAMP.fullmatch(timestamp):
        return False
    at = float(timestamp)
    seconds = at / 1000 if at >= _MILLISECONDS_FROM else at
    return abs(now - seconds) <= WINDOW_SECONDS


def _matches(given: str, message: bytes, *, proof: _Proof) -> bool:
    if not given:
        return False
    algorithm = proof.settings.algorithm or "sha256"
    prefix = proof.settings.prefix or f"{algorithm}="
    if given.startswith(prefix):
        given = given[len(prefix) :]
    elif proof.settings.prefix:
        return False
    key = key_of(proof.secret, encoding=proof.settings.secret_encoding)
    expected = hmac.digest(key, message, _DIGESTS[algorithm])
    decode = _from_base64 if proof.settings.encoding == "base64" else _from_hex
    return bool(key) and hmac.compare_digest(decode(given), expected)


_DIGESTS: Final[Mapping[str, str]] = {name: name for name in ("sha256", "sha512", "sha1")}


def _same(given: str, secret: bytes) -> bool:
    if not given:
        return False
    # Headers are read as Latin-1, so this gives back their bytes. Hashed, so that the length does not show
    # either.
    hashes = [hashlib.sha256(text).digest() for text in (given.encode("latin-1", "replace"), secret)]
    return bool(secret) and hmac.compare_digest(*hashes)


def _from_hex(text: str) -> bytes:
    try:
        return binascii.unhexlify(text)
    except ValueError:
        return b""


def _from_base64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        return b""
