"""Answers to "who takes this call?": by the organization's routes, read at most every few seconds, and kept
with the call."""

import time
from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from libs import telemetry
from libs.pg import Connection
from services.calls.domain.inbound_routes import (
    InboundCall,
    StoredInboundRoute,
    answer_of,
    asks_for_caller,
    choose,
    inbound_call,
)
from services.calls.domain.webhooks import IncomingWebhook
from services.calls.store import inbound_answers, inbound_routes

# A change counts everywhere within 5 seconds.
_FRESH_SECONDS: Final = 3.0
_ORGANIZATIONS_MAX: Final = 1000

_answers = telemetry.meter().create_counter(
    "callplane.inbound_answers", description="Calls that came in and asked who takes them, by why it was."
)


class Routing:
    """`default_assistant_id`, the provider's, takes what nobody else takes."""

    def __init__(self, *, default_assistant_id: str) -> None:
        self._default_assistant_id = default_assistant_id
        self._routes: dict[UUID, tuple[Sequence[StoredInboundRoute], float]] = {}

    async def answer(
        self, conn: Connection, webhook: IncomingWebhook, content: Mapping[str, Any], *, provider_call_id: str
    ) -> Mapping[str, Any]:
        """Inside the caller's transaction. A call that asks again gets the answer it got, unless that was
        that nobody takes it."""
        chosen = await self._choose(conn, webhook, inbound_call(content), provider_call_id=provider_call_id)
        answer = answer_of(
            chosen,
            source_default=webhook.default_assistant_id,
            deployment_default=self._default_assistant_id,
        )
        if provider_call_id:
            answer = await inbound_answers.keep(
                conn,
                answer,
                org_id=webhook.org_id,
                provider=webhook.provider,
                provider_call_id=provider_call_id,
            )
        _answers.add(1, {"reason": answer.reason.value})
        return answer.answer

    def forget(self, org_id: UUID) -> None:
        """After a change, so that its author sees it at once."""
        self._routes.pop(org_id, None)

    async def _choose(
        self, conn: Connection, webhook: IncomingWebhook, call: InboundCall, *, provider_call_id: str
    ) -> StoredInboundRoute | None:
        routes = await self._of(conn, webhook.org_id)
        known = asks_for_caller(routes) and await inbound_answers.is_known(
            conn, call.caller_number, org_id=webhook.org_id, but_in=provider_call_id
        )
        return choose(routes, call, now=webhook.received_at, caller_known=known)

    async def _of(self, conn: Connection, org_id: UUID) -> Sequence[StoredInboundRoute]:
        routes, fresh_until = self._routes.get(org_id, ((), 0.0))
        if time.monotonic() < fresh_until:
            return routes
        if len(self._routes) >= _ORGANIZATIONS_MAX:
            self._routes.clear()
        read_at = time.monotonic()
        routes = await inbound_routes.list_active(conn, org_id=org_id)
        self._routes[org_id] = (routes, read_at + _FRESH_SECONDS)
        return routes
