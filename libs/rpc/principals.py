"""Who makes the current call, as a short-lived token that only Callplane's own processes can sign."""

import time
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OctKey

from libs.environment import Secret
from libs.errors import Kind, ServiceError

METADATA_KEY: Final = "x-callplane-principal"
ADMIN: Final = "admin"
INTERNAL: Final = "internal"
# The organization of a service that acts for none in particular.
NO_ORG: Final = UUID(int=0)

_ALGORITHM: Final = "HS256"
_ISSUER: Final = "callplane"
_SERVICE_PREFIX: Final = "service:"
_SECRET_LENGTH_MIN: Final = 32
_VERIFIED_MAX: Final = 1000
# Clocks of two machines may differ by this much.
_LEEWAY_SECONDS: Final = 5


class Unauthenticated(ServiceError):
    """No valid credential came with the call."""

    kind = Kind.UNAUTHENTICATED
    reason = "UNAUTHENTICATED"


@dataclass(frozen=True, slots=True)
class Principal:
    """`subject` is `key:<id>`, `user:<id>`, `source:<id>`, or `service:<name>` for one of our own
    services."""

    subject: str
    org_id: UUID
    scopes: frozenset[str]

    @property
    def is_service(self) -> bool:
        return self.subject.startswith(_SERVICE_PREFIX)

    def may(self, scope: str) -> bool:
        """`internal` is for services alone and opens every method to them; `admin` opens all but `internal`
        ones."""
        if self.is_service and INTERNAL in self.scopes:
            return True
        return scope != INTERNAL and (scope in self.scopes or ADMIN in self.scopes)


def service_principal(
    service: str, *, org_id: UUID = NO_ORG, scopes: frozenset[str] = frozenset({INTERNAL})
) -> Principal:
    return Principal(subject=f"{_SERVICE_PREFIX}{service}", org_id=org_id, scopes=scopes)


class PrincipalSigner:
    """Signs and verifies principal tokens (compact JWT, HS256) with the secret that all our processes
    share."""

    def __init__(self, secret: str | Secret) -> None:
        text = secret.reveal() if isinstance(secret, Secret) else secret
        if len(text) < _SECRET_LENGTH_MIN:
            raise ValueError(f"the principal secret must have at least {_SECRET_LENGTH_MIN} characters")
        self._key = OctKey.import_key(text)
        # Peers use a token for half a minute; looking it up costs a hundredth of verifying it.
        self._verified: dict[str, tuple[Principal, float]] = {}

    def sign(self, principal: Principal, *, ttl_seconds: int = 60) -> str:
        """Raises ValueError for a principal that is not a service and asks for `internal`."""
        if INTERNAL in principal.scopes and not principal.is_service:
            raise ValueError("only a service can hold the scope 'internal'")
        now = int(time.time())
        claims = {
            "iss": _ISSUER,
            "sub": principal.subject,
            "org": str(principal.org_id),
            "scope": " ".join(sorted(principal.scopes)),
            "iat": now,
            "exp": now + ttl_seconds,
        }
        return jwt.encode({"alg": _ALGORITHM, "typ": "JWT"}, claims, self._key, algorithms=[_ALGORITHM])

    def verify(self, token: str) -> Principal:
        """Raises Unauthenticated if the token is forged, expired or malformed."""
        verified = self._verified.get(token)
        if verified is None:
            verified = self._read(token)
            if len(self._verified) >= _VERIFIED_MAX:
                self._verified.clear()
            self._verified[token] = verified
        found, expires_at = verified
        if not time.time() < expires_at + _LEEWAY_SECONDS:
            raise Unauthenticated
        return found

    def _read(self, token: str) -> tuple[Principal, float]:
        """Who it names, whether or not it has expired, and when it does."""
        try:
            claims = jwt.decode(token, self._key, algorithms=[_ALGORITHM]).claims
            expires_at, issuer = float(claims["exp"]), claims["iss"]
            found = Principal(
                subject=str(claims["sub"]),
                org_id=UUID(claims["org"]),
                scopes=frozenset(str(claims["scope"]).split()),
            )
        except (JoseError, KeyError, ValueError, TypeError, AttributeError):
            raise Unauthenticated from None
        if issuer != _ISSUER or (INTERNAL in found.scopes and not found.is_service):
            raise Unauthenticated
        return found, expires_at


current: ContextVar[Principal] = ContextVar("principal")


def principal() -> Principal:
    """Of the call being served; Unauthenticated outside of one."""
    found = current.get(None)
    if found is None:
        raise Unauthenticated
    return found
