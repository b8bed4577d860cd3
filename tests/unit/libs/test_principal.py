"""Principal tokens: who can make one, who can use one for what."""

import base64
import json
import time
from uuid import UUID, uuid4

import pytest
from joserfc import jwt
from joserfc.jwk import OctKey

from libs.rpc import Principal, PrincipalSigner, principal
from libs.rpc.principals import Unauthenticated, service_principal

SECRET = "s" * 32
ORG = UUID("018f2b6e-7c31-7a58-9c1e-3f1d2a4b5c6d")
KEY = Principal(subject="key:1", org_id=ORG, scopes=frozenset({"calls:read", "calls:write"}))


@pytest.fixture
def signer() -> PrincipalSigner:
    return PrincipalSigner(SECRET)


def _token(claims: dict[str, object], *, secret: str = SECRET, algorithm: str = "HS256") -> str:
    return jwt.encode({"alg": algorithm}, claims, OctKey.import_key(secret), algorithms=[algorithm])


def _claims(**changes: object) -> dict[str, object]:
    now = int(time.time())
    claims = {
        "iss": "callplane",
        "sub": "key:1",
        "org": str(ORG),
        "scope": "calls:read",
        "iat": now,
        "exp": now + 60,
    }
    return {name: value for name, value in {**claims, **changes}.items() if value is not None}


def test_what_was_signed_is_verified(signer: PrincipalSigner) -> None:
    assert signer.verify(signer.sign(KEY)) == KEY
    assert signer.verify(_token(_claims())).scopes == {"calls:read"}


@pytest.mark.parametrize(
    "token",
    [
        pytest.param("", id="empty"),
        pytest.param("a.b", id="not a token"),
        pytest.param("a.b.c", id="not base64"),
        pytest.param("é.é.é", id="not ASCII"),
        pytest.param(_token(_claims(), secret="x" * 32), id="other secret"),
        pytest.param(_token(_claims(), algorithm="HS512"), id="other algorithm"),
        pytest.param(_token(_claims(exp=int(time.time()) - 6)), id="expired"),
        pytest.param(_token(_claims(exp=None)), id="no expiry"),
        pytest.param(_token(_claims(exp="never")), id="expiry of another type"),
        pytest.param(_token(_claims(iss="else")), id="other issuer"),
        pytest.param(_token(_claims(org="1")), id="organization is no UUID"),
        pytest.param(_token(_claims(org=7)), id="organization is no text"),
        pytest.param(_token(_claims(sub=None)), id="no subject"),
        pytest.param(_token(_claims(scope="internal")), id="internal without being a service"),
    ],
)
def test_anything_else_is_refused(signer: PrincipalSigner, token: str) -> None:
    with pytest.raises(Unauthenticated):
        signer.verify(token)


def test_a_forged_payload_is_refused(signer: PrincipalSigner) -> None:
    header, payload, signature = signer.sign(KEY).split(".")
    claims = json.loads(base64.urlsafe_b64decode(payload + "=="))
    claims["org"] = str(uuid4())
    forged = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()

    with pytest.raises(Unauthenticated):
        signer.verify(f"{header}.{forged}.{signature}")


def test_an_unsigned_token_is_refused(signer: PrincipalSigner) -> None:
    header = base64.urlsafe_b64encode(b'{"alg":"none"}').rstrip(b"=").decode()
    payload = signer.sign(KEY).split(".")[1]

    with pytest.raises(Unauthenticated):
        signer.verify(f"{header}.{payload}.")


def test_only_a_service_gets_internal(signer: PrincipalSigner) -> None:
    with pytest.raises(ValueError, match="internal"):
        signer.sign(Principal(subject="key:1", org_id=ORG, scopes=frozenset({"internal"})))

    assert signer.verify(signer.sign(service_principal("calls"))).is_service


def test_a_short_secret_is_refused() -> None:
    with pytest.raises(ValueError, match="32"):
        PrincipalSigner("short")


def test_what_each_scope_opens() -> None:
    admin = Principal(subject="key:2", org_id=ORG, scopes=frozenset({"admin"}))
    service = service_principal("campaigns", org_id=ORG)
    narrow_service = service_principal("campaigns", scopes=frozenset({"calls:read"}))
    impostor = Principal(subject="key:3", org_id=ORG, scopes=frozenset({"internal"}))

    assert [KEY.may(scope) for scope in ("calls:read", "calls:delete", "admin", "internal")] == [
        True,
        False,
        False,
        False,
    ]
    assert [admin.may(scope) for scope in ("calls:read", "admin", "internal")] == [True, True, False]
    assert [service.may(scope) for scope in ("calls:read", "internal")] == [True, True]
    assert [narrow_service.may(scope) for scope in ("calls:read", "internal")] == [True, False]
    assert [impostor.may(scope) for scope in ("calls:read", "internal")] == [False, False]


def test_outside_of_a_call_there_is_no_principal() -> None:
    with pytest.raises(Unauthenticated):
        principal()
