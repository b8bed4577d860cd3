"""POST /hooks/twilio/{source}/...: what the message provider tells and asks.

/sms          somebody sent us a text; answered with TwiML
/sms-status   what became of a text we sent
/voice        somebody calls a number; kept in the ledger, and the caller hears that nobody is there
"""

import time
from typing import Final
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

from starlette.requests import Request
from starlette.responses import Response

from libs import telemetry
from libs.errors import Kind, ServiceError
from services.gateway.domain import sources, twilio_signatures
from services.gateway.domain.sources import TWILIO, OpenSource
from services.gateway.domain.webhooks import MessageStatus, TextMessage
from services.gateway.errors import (
    BodyUnreadable,
    ContentTypeUnsupported,
    NotStored,
    TwilioSignatureInvalid,
)
from services.gateway.http import bodies
from services.gateway.http.vapi_webhooks import incoming
from services.gateway.notify_client import NotifyClient
from services.gateway.operations.intake import Intake
from services.gateway.operations.sources import Directory

SMS_ROUTE: Final = "/hooks/twilio/{source}/sms"
SMS_STATUS_ROUTE: Final = "/hooks/twilio/{source}/sms-status"
VOICE_ROUTE: Final = "/hooks/twilio/{source}/voice"

_BODY_BYTES_MAX: Final = 256 * 1024
_FIELDS_MAX: Final = 500
_MESSAGE_ID_LENGTH: Final = 36
_FORM: Final = "application/x-www-form-urlencoded"
_NOBODY: Final = "<Say>Sorry, nobody can take your call on this number. Goodbye.</Say><Hangup/>"

_log = telemetry.logger(__name__)


class TwilioWebhooks:
    """`public_url` is where Twilio thinks we are; signatures are computed over it and never over what a
    request says."""

    def __init__(
        self, directory: Directory, notify: NotifyClient, intake: Intake, *, public_url: str
    ) -> None:
        self._directory = directory
        self._notify = notify
        self._intake = intake
        self._public_url = public_url

    async def receive_text(self, request: Request) -> Response:
        found, form, _ = await self._checked(request, kind="sms")
        message = TextMessage(
            org_id=found.source.org_id,
            provider_message_id=form.get("MessageSid") or form.get("SmsSid", ""),
            sender=form.get("From", ""),
            recipient=form.get("To", ""),
            body=form.get("Body", ""),
        )
        try:
            reply = await self._notify.receive_message(message)
        except ServiceError as error:
            _check_taken(error)
            reply = ""
        return _twiml(f"<Message>{escape(reply)}</Message>" if reply else "")

    async def receive_status(self, request: Request) -> Response:
        found, form, _ = await self._checked(request, kind="sms-status")
        status = MessageStatus(
            org_id=found.source.org_id,
            provider_message_id=form.get("MessageSid") or form.get("SmsSid", ""),
            status=form.get("MessageStatus") or form.get("SmsStatus", ""),
            error_code=form.get("ErrorCode", ""),
            traceparent=telemetry.current_traceparent(),
            # Our own id, which `notify` put into the URL it asked to be called at.
            message_id=request.query_params.get("message", "")[:_MESSAGE_ID_LENGTH],
        )
        try:
            await self._notify.receive_status(status)
        except ServiceError as error:
            _check_taken(error)
        return Response(status_code=204)

    async def receive_voice(self, request: Request) -> Response:
        found, _, body = await self._checked(request, kind="voice")
        await self._intake.accept(incoming(found, body, traceparent=telemetry.current_traceparent()))
        return _twiml(_NOBODY)

    async def _checked(self, request: Request, *, kind: str) -> tuple[OpenSource, dict[str, str], bytes]:
        """The source, the form's fields and the raw body of a request that truly comes from Twilio."""
        bodies.refuse_compressed(request)
        content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if content_type not in (_FORM, "application/json"):
            raise ContentTypeUnsupported(metadata={"accepted": _FORM})
        found = await self._directory.find(request.path_params["source"], provider=TWILIO)
        body = await bodies.read(request, limit_bytes=_BODY_BYTES_MAX)
        url = self._url(found, kind, request.scope.get("query_string", b""))
        given = request.headers.getlist("x-twilio-signature")
        signature = given[0] if len(given) == 1 else ""
        tokens = found.secrets(time.time())
        fields = _fields(body) if content_type == _FORM else []
        if content_type == _FORM:
            signed = twilio_signatures.is_signed_form(signature, url=url, fields=fields, tokens=tokens)
        else:
            signed = twilio_signatures.is_signed_body(signature, url=url, body=body, tokens=tokens)
        if not signed:
            raise TwilioSignatureInvalid
        # People cannot type NUL, and no database takes it; a STOP that has one is a STOP.
        return found, {name: value.replace("\0", "") for name, value in fields}, body

    def _url(self, found: OpenSource, kind: str, query: bytes) -> str:
        url = f"{self._public_url}{sources.path(TWILIO, found.source.name)}/{kind}"
        return f"{url}?{query.decode('latin-1')}" if query else url


def _fields(body: bytes) -> list[tuple[str, str]]:
    try:
        text = body.decode("ascii")
        return parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=_FIELDS_MAX)
    except ValueError:
        raise BodyUnreadable from None


def _check_taken(error: ServiceError) -> None:
    """What Twilio signed but we cannot make sense of is not sent again; everything else is."""
    if error.kind is not Kind.BAD_INPUT:
        raise NotStored from error
    _log.warning("message webhook not understood", reason=error.reason)


def _twiml(verbs: str) -> Response:
    document = f'<?xml version="1.0" encoding="UTF-8"?><Response>{verbs}</Response>'
    return Response(document, media_type="text/xml; charset=utf-8")
