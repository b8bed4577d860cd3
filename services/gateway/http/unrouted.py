"""What nobody else took: Envoy sends here every request that fits no route of the API.

404 for a path that does not exist, 405 with `Allow` for a method it does not take, 415 for a body that is
not JSON.
"""

from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from services.gateway.errors import ContentTypeUnsupported, MethodNotAllowed, RouteNotFound
from services.gateway.http.openapi.routes import Routes
from services.gateway.http.problems import to_response

_JSON: Final = "application/json"


class Unrouted:
    def __init__(self, routes: Routes) -> None:
        self._routes = routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._refusal(Request(scope, receive))(scope, receive, send)

    def _refusal(self, request: Request) -> Response:
        verbs = self._routes.verbs(request.url.path)
        if not verbs:
            return to_response(RouteNotFound())
        if request.method not in verbs:
            return to_response(MethodNotAllowed(metadata={"allow": ", ".join(verbs)}))
        if request.headers.get("content-type", _JSON).partition(";")[0].strip().lower() != _JSON:
            return to_response(ContentTypeUnsupported(metadata={"accepted": _JSON}))
        return to_response(RouteNotFound())
