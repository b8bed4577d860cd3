"""Sends one call's webhooks: to the right server, in the common envelope, if the assistant asked for them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from deploy.sandbox import messages
from deploy.sandbox.call import Call
from deploy.sandbox.catalog import Catalog
from deploy.sandbox.faults import WebhookFault
from deploy.sandbox.settings import Settings
from deploy.sandbox.webhooks import Answer, Courier, Target, Webhook


@dataclass(slots=True, kw_only=True)
class Stage:
    """What every call is played on; `changed` is told of each new state of a call."""

    catalog: Catalog
    courier: Courier
    settings: Callable[[], Settings]
    changed: Callable[[Call], None]
    recordings_url: str


@dataclass(slots=True, kw_only=True)
class Sender:
    """`fault` overrides the ordered webhook faults for this call."""

    call: Call
    stage: Stage
    fault: WebhookFault | None = None

    def send(self, message_type: str, fields: dict[str, Any], *, transcript_type: str = "") -> None:
        webhook = self._webhook(message_type, fields, server=None, transcript_type=transcript_type)
        if webhook is not None:
            self.stage.courier.send(webhook)

    async def ask(
        self, message_type: str, fields: dict[str, Any], *, server: dict[str, Any] | None = None
    ) -> Answer | None:
        """Sends and waits for the answer; `server` is the tool's own, if it has one."""
        webhook = self._webhook(message_type, fields, server=server)
        return await self.stage.courier.ask(webhook) if webhook is not None else None

    def assistant(self) -> dict[str, Any] | None:
        call = self.call
        return self.stage.catalog.assistant_of(
            org_id=call.org_id,
            assistant_id=call.assistant_id,
            transient=call.assistant,
            overrides=call.assistant_overrides,
        )

    def _target(self, server: dict[str, Any] | None) -> Target:
        """One server takes each message: of the tool, or the assistant, or the number, or the account."""
        number = self.stage.catalog.phone_numbers.get(self.call.phone_number_id or "") or {}
        candidates = (server, (self.assistant() or {}).get("server"), number.get("server"))
        chosen = next((c for c in candidates if c and c.get("url")), None)
        default_url = self.stage.settings().webhook_url
        return Target.of_server(chosen or self._account_server(), default_url=default_url)

    def _account_server(self) -> dict[str, Any]:
        retries = self.stage.settings().webhook_retries
        plan = {"type": "exponential", "maxRetries": retries, "baseDelaySeconds": 1}
        return {"backoffPlan": plan} if retries else {}

    def _webhook(
        self,
        message_type: str,
        fields: dict[str, Any],
        *,
        server: dict[str, Any] | None,
        transcript_type: str = "",
    ) -> Webhook | None:
        assistant = self.assistant()
        sent_type = messages.wanted(assistant, message_type, transcript_type=transcript_type)
        if sent_type is None:
            return None
        number = self.stage.catalog.phone_numbers.get(self.call.phone_number_id or "")
        return Webhook(
            call_id=self.call.id,
            message_type=sent_type,
            message=messages.envelope(self.call, sent_type, fields, phone_number=number, assistant=assistant),
            target=self._target(server),
            traceparent=self.call.traceparent,
            fault=self.fault,
        )
