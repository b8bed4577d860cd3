"""POST /hooks/vapi/{source}: the voice provider's webhooks.

Size, source, signature; then either an answer, or an acknowledgement after the ledger has committed.
"""

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Final

from opentelemetry.trace import INVALID_SPAN, Span
from starlette.requests import Request
from starlette.responses import Response

from libs import telemetry
from services.gateway.domain import fallbacks, messages
from services.gateway.domain.signatures import SignedRequest, is_signed
from services.gateway.domain.sources import VAPI, OpenSource
from services.gateway.domain.webhooks import IncomingEvent
from services.gateway.errors import IntakeFull, NotStored, SignatureInvalid
from services.gateway.http import bodies, durations, headers
from services.gateway.http.problems import to_response
from services.gateway.http.refusals import Refusals
from services.gateway.http.webhook_protocol import Wire
from services.gateway.operations.answers import Answers
from services.gateway.operations.intake import Intake
from services.gateway.operations.sources import Directory

PREFIX: Final = "/hooks/vapi/"
ROUTE: Final = PREFIX + "{source}"
_SPAN: Final = f"POST {ROUTE}"
BODY_BYTES_MAX: Final = 8 * 1024 * 1024

_refused = telemetry.meter().create_counter(
    "callplane.webhooks.refused", description="Webhooks whose signature was missing, wrong or too old."
)
_shed = telemetry.meter().create_counter(
    "callplane.webhooks.shed", description="Webhooks refused because too many were waiting to be stored."
)


class VapiWebhooks:
    """`receive` is the ordinary way of a webhook, `take` the short one; both come to the same."""

    prefix: Final = PREFIX.encode()
    body_bytes_max: Final = BODY_BYTES_MAX

    def __init__(
        self, directory: Directory, intake: Intake, answers: Answers, *, refusals: Refusals | None = None
    ) -> None:
        self._directory = directory
        self._intake = intake
        self._answers = answers
        self._refusals = refusals or Refusals()

    async def receive(self, request: Request) -> Response:
        began = time.monotonic()
        bodies.refuse_compressed(request)
        found = await self._directory.find(request.path_params["source"], provider=VAPI)
        body = await bodies.read(request, limit_bytes=BODY_BYTES_MAX)
        message_type = messages.type_of(body)
        if self._intake.is_full_for(len(body)) and not messages.expects_answer(message_type):
            # Before anything that costs: what is refused must not take the time of what is not.
            _shed.add(1, {"provider": VAPI})
            return _FULL
        signed = SignedRequest(headers=headers.by_name(request.scope), body=body)
        if not _is_signed(signed, found):
            _refused.add(1, {"provider": found.source.provider})
            raise SignatureInvalid
        event = incoming(found, body, traceparent=telemetry.current_traceparent())
        if messages.expects_answer(message_type):
            spent_seconds = time.monotonic() - began
            answer = await self._answers.answer(event, message_type=message_type, spent_seconds=spent_seconds)
            if message_type == messages.VOICE_REQUEST:
                return Response(fallbacks.silence(body), media_type="application/octet-stream")
            return _json(answer) if answer else _RECEIVED
        await self._intake.accept(event)
        return _RECEIVED

    def take(
        self, source: bytes, fields: Mapping[bytes, bytes], body: bytes, respond: Callable[[Wire], None]
    ) -> bool:
        """Stores or sheds what only has to be stored and is rightly signed, if its source was asked for a
        moment ago. False, and nothing was done, for everything else."""
        began = time.monotonic()
        found = self._directory.known(source.decode("ascii"), provider=VAPI)
        if found is None or messages.expects_answer(messages.type_of(body)):
            return False
        if self._intake.is_full_for(len(body)):
            _shed.add(1, {"provider": VAPI})
            self._refusals.give(lambda: respond(_FULL_WIRE))
            return True
        if not _is_signed(SignedRequest(headers=headers.Fields(fields), body=body), found):
            return False
        span, traceparent = _trace(fields.get(b"traceparent", b"").decode("latin-1"))

        def settle(committed: bool) -> None:
            wire = _RECEIVED_WIRE if committed else _NOT_STORED_WIRE
            respond(wire)
            span.set_attribute("http.response.status_code", wire.status)
            span.end()
            durations.record(time.monotonic() - began, route=ROUTE, method="POST", status=wire.status)

        self._intake.put(incoming(found, body, traceparent=traceparent), settle)
        return True


def _trace(told: str) -> tuple[Span, str]:
    """The request's span and its traceparent, given the one that the request came with, if any."""
    unrecorded = "" if told else telemetry.unrecorded(_SPAN, kind=telemetry.SpanKind.SERVER)
    if unrecorded:
        return INVALID_SPAN, unrecorded
    span = telemetry.start_span(
        _SPAN, kind=telemetry.SpanKind.SERVER, attributes=_ATTRIBUTES, traceparent=told
    )
    return span, telemetry.traceparent_of(span)


def incoming(found: OpenSource, body: bytes, *, traceparent: str) -> IncomingEvent:
    return IncomingEvent(
        source_id=found.source.id,
        org_id=found.source.org_id,
        provider=found.source.provider,
        body=body,
        received_at=datetime.now(UTC),
        traceparent=traceparent,
        default_assistant_id=found.source.default_assistant_id,
    )


def _is_signed(signed: SignedRequest, found: OpenSource) -> bool:
    source, now = found.source, time.time()
    return is_signed(signed, source.schemes, settings=source.settings, secrets=found.secrets(now), now=now)


def _json(body: bytes) -> Response:
    return Response(body, media_type="application/json")


# Made once: they hold nothing of the request they answer.
_RECEIVED: Final = _json(b'{"received":true}')
_FULL: Final = to_response(IntakeFull())
_RECEIVED_WIRE: Final = Wire(_RECEIVED)
_FULL_WIRE: Final = Wire(_FULL)
_NOT_STORED_WIRE: Final = Wire(to_response(NotStored()))
_ATTRIBUTES: Final = {"http.request.method": "POST", "http.route": ROUTE}
