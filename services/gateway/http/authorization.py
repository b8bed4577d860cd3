"""Envoy asks here about every API request: who is it, and may it come in?

The path is what the request became after transcoding: a gRPC method, or a plain path for files. The answer
200 carries a short-lived principal token that Envoy hands on; anything else goes to the client as it is.
What a principal may do is decided by the service that is called, by the scope declared beside its RPC.
"""

from collections.abc import Collection
from typing import Final

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from libs.rpc import Principal, PrincipalSigner
from libs.rpc.principals import METADATA_KEY
from services.gateway.errors import KeyRefused, MethodNotPublic
from services.gateway.http.endpoint import Endpoint
from services.gateway.operations.admission import Admission

_TOKEN_SECONDS: Final = 60
_METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "CONNECT")


class Authorization:
    """An ASGI application; every path and method is a question. `internal_methods` are closed to everybody
    outside."""

    def __init__(
        self, admission: Admission, *, signer: PrincipalSigner, internal_methods: Collection[str]
    ) -> None:
        self._admission = admission
        self._signer = signer
        self._internal_methods = frozenset(internal_methods)
        self._endpoint = Endpoint("authorize", dict.fromkeys(_METHODS, self.check))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._endpoint(scope, receive, send)

    async def check(self, request: Request) -> Response:
        key = await self._admission.admit(_credential(request.headers))
        if request.url.path in self._internal_methods:
            raise MethodNotPublic(metadata={"required_scope": "internal"})
        principal = Principal(subject=f"key:{key.id}", org_id=key.org_id, scopes=key.scopes)
        token = self._signer.sign(principal, ttl_seconds=_TOKEN_SECONDS)
        return Response(headers={METADATA_KEY: token})


def _credential(headers: Headers) -> str:
    """The one key of the request; two different ones are none."""
    bearers = [
        value[7:].strip() for value in headers.getlist("authorization") if value[:7].lower() == "bearer "
    ]
    given = set(bearers) | {value.strip() for value in headers.getlist("x-api-key")}
    if len(given) != 1:
        raise KeyRefused
    return given.pop()
