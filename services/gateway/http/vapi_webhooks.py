"""POST /hooks/vapi/{source}: the voice provider's webhooks.

Size, source, signature; then either an answer, or an acknowledgement after the ledger has committed.
"""

import time
from datetime import UTC, datetime
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from libs import telemetry
from services.gateway.domain import fallbacks, messages
from services.gateway.domain.signatures import SignedRequest, is_signed
from services.gateway.domain.sources import VAPI, OpenSource
from services.gateway.domain.webhooks import IncomingEvent
from services.gateway.errors import IntakeFull, SignatureInvalid
from services.gateway.http import bodies, headers
from services.gateway.http.problems import to_response
from services.gateway.operations.answers import Answers
from services.gateway.operations.intake import Intake
from services.gateway.operations.sources import Directory

PREFIX: Final = "/hooks/vapi/"
ROUTE: Final = PREFIX + "{source}"
BODY_BYTES_MAX: Final = 8 * 1024 * 1024

_refused = telemetry.meter().create_counter(
    "callplane.webhooks.refused", description="Webhooks whose signature was missing, wrong or too old."
)
_shed = telemetry.meter().create_counter(
    "callplane.webhooks.shed", description="Webhooks refused because too many were waiting to be stored."
)


class VapiWebhooks:
    def __init__(self, directory: Directory, intake: Intake, answers: Answers) -> None:
        self._directory = directory
        self._intake = intake
        self._answers = answers

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
        _check_signature(request, body, found)
        event = incoming(found, body)
        if messages.expects_answer(message_type):
            spent_seconds = time.monotonic() - began
            answer = await self._answers.answer(event, message_type=message_type, spent_seconds=spent_seconds)
            if message_type == messages.VOICE_REQUEST:
                return Response(fallbacks.silence(body), media_type="application/octet-stream")
            return _json(answer) if answer else _RECEIVED
        await self._intake.accept(event)
        return _RECEIVED


def incoming(found: OpenSource, body: bytes) -> IncomingEvent:
    return IncomingEvent(
        source_id=found.source.id,
        org_id=found.source.org_id,
        provider=found.source.provider,
        body=body,
        received_at=datetime.now(UTC),
        traceparent=telemetry.current_traceparent(),
        default_assistant_id=found.source.default_assistant_id,
    )


def _check_signature(request: Request, body: bytes, found: OpenSource) -> None:
    source = found.source
    signed = SignedRequest(headers=headers.by_name(request.scope), body=body)
    now = time.time()
    if not is_signed(signed, source.schemes, settings=source.settings, secrets=found.secrets(now), now=now):
        _refused.add(1, {"provider": source.provider})
        raise SignatureInvalid


def _json(body: bytes) -> Response:
    return Response(body, media_type="application/json")


# Made once: they hold nothing of the request they answer.
_RECEIVED: Final = _json(b'{"received":true}')
_FULL: Final = to_response(IntakeFull())
