"""The routes of the two HTTP servers."""

from starlette.routing import Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from services.gateway.http import campaign_files, twilio_webhooks, vapi_webhooks
from services.gateway.http.campaign_files import CampaignFiles
from services.gateway.http.descriptions import Descriptions
from services.gateway.http.endpoint import Endpoint, Handler
from services.gateway.http.health import Health
from services.gateway.http.twilio_webhooks import TwilioWebhooks
from services.gateway.http.unrouted import Unrouted
from services.gateway.http.vapi_webhooks import VapiWebhooks


class Front:
    """Leads the voice provider's webhooks, which are nearly all of the requests, past the router: finding
    their route there would cost as much as checking their signature."""

    def __init__(self, webhooks: ASGIApp, router: ASGIApp) -> None:
        self._webhooks = webhooks
        self._router = router

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope.get("path", "")
        source = path.removeprefix(vapi_webhooks.PREFIX)
        if source and source != path and "/" not in source:
            scope["path_params"] = {"source": source}
            await self._webhooks(scope, receive, send)
        else:
            await self._router(scope, receive, send)


def public(
    *,
    vapi: VapiWebhooks,
    twilio: TwilioWebhooks,
    files: CampaignFiles,
    health: Health,
    descriptions: Descriptions,
    unrouted: Unrouted,
) -> ASGIApp:
    """What stands behind Envoy."""
    router = Router(
        routes=[
            _route(twilio_webhooks.SMS_ROUTE, "POST", twilio.receive_text),
            _route(twilio_webhooks.SMS_STATUS_ROUTE, "POST", twilio.receive_status),
            _route(twilio_webhooks.VOICE_ROUTE, "POST", twilio.receive_voice),
            _route(campaign_files.IMPORT_ROUTE, "POST", files.import_contacts),
            _route(campaign_files.EXPORT_ROUTE, "GET", files.export),
            _route("/health", "GET", health.report, traced=False),
            _route("/livez", "GET", health.live, traced=False),
            _route("/versions", "GET", descriptions.versions, traced=False),
            _route("/openapi.json", "GET", descriptions.openapi, traced=False),
            _route("/docs", "GET", descriptions.docs, traced=False),
        ],
        redirect_slashes=False,
        default=unrouted,
    )
    return Front(Endpoint(vapi_webhooks.ROUTE, {"POST": vapi.receive}), router)


def _route(path: str, method: str, handler: Handler, *, traced: bool = True) -> Route:
    # No `methods`: the endpoint itself answers 405, in our shape.
    return Route(path, Endpoint(path, {method: handler}, traced=traced))
