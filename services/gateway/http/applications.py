"""The routes of the two HTTP servers."""

from starlette.routing import Route, Router

from services.gateway.http import campaign_files, twilio_webhooks, vapi_webhooks
from services.gateway.http.campaign_files import CampaignFiles
from services.gateway.http.descriptions import Descriptions
from services.gateway.http.endpoint import Endpoint, Handler
from services.gateway.http.health import Health
from services.gateway.http.twilio_webhooks import TwilioWebhooks
from services.gateway.http.unrouted import Unrouted
from services.gateway.http.vapi_webhooks import VapiWebhooks


def public(
    *,
    vapi: VapiWebhooks,
    twilio: TwilioWebhooks,
    files: CampaignFiles,
    health: Health,
    descriptions: Descriptions,
    unrouted: Unrouted,
) -> Router:
    """What stands behind Envoy."""
    return Router(
        routes=[
            _route(vapi_webhooks.ROUTE, "POST", vapi.receive),
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


def _route(path: str, method: str, handler: Handler, *, traced: bool = True) -> Route:
    # No `methods`: the endpoint itself answers 405, in our shape.
    return Route(path, Endpoint(path, {method: handler}, traced=traced))
