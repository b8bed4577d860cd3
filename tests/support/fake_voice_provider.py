"""A voice provider in memory, with its state in the open and failures on order. The same suite runs against
it and against the real adapter (tests/contract/vapi), so that other tests may trust it."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal
from uuid import uuid4

from services.calls.domain.assistants import ProviderAssistant, ProviderPhoneNumber
from services.calls.domain.placement import (
    Outcome,
    Placed,
    PlacementOrder,
    ProviderCall,
    Refused,
    Unknown,
)
from services.calls.errors import ProviderAssistantNotFound, ProviderRefused, ProviderUnavailable

ASSISTANT_ID = "8f3b2f4e-0b7d-4f0c-8a7e-6d2c9e51aa01"
PHONE_NUMBER_ID = "5b0d1c52-6a0e-4c7f-9a35-0c5f7f1f4d01"
PHONE_NUMBER = "+15148447210"

_REFUSALS = {
    401: "PROVIDER_UNAUTHORIZED",
    402: "PROVIDER_PAYMENT_REQUIRED",
    403: "PROVIDER_FORBIDDEN",
    429: "RATE_LIMITED",
}


@dataclass(frozen=True, slots=True)
class Failure:
    mode: Literal["timeout", "reset", "http"]
    status: int = 500
    call_made: bool = False
    retry_after_seconds: int = 0


class FakeVoiceProvider:
    def __init__(self) -> None:
        self.calls: dict[str, ProviderCall] = {}
        self.assistants: dict[str, ProviderAssistant] = {
            ASSISTANT_ID: ProviderAssistant(id=ASSISTANT_ID, name="Reception", config={}, updated_at=None)
        }
        # How often a call was asked for, by our id.
        self.orders: list[PlacementOrder] = []
        self.lines = 10
        self.reachable = True
        self.placing_pause_seconds = 0.0
        # Calls that lists do not show yet, as an eventually consistent provider would.
        self.hidden: set[str] = set()
        # Awaited once the call exists and before the answer returns.
        self.before_answer: Callable[[ProviderCall], Awaitable[None]] | None = None
        self._failures: list[Failure] = []

    def fail_next(
        self,
        mode: Literal["timeout", "reset", "http"],
        *,
        status: int = 500,
        call_made: bool = False,
        retry_after_seconds: int = 0,
    ) -> None:
        self._failures.append(Failure(mode, status, call_made, retry_after_seconds))

    async def close(self) -> None:
        """It goes on: several clients may be the same provider."""

    async def list_phone_numbers(self) -> list[ProviderPhoneNumber]:
        self._check_reachable()
        return [ProviderPhoneNumber(id=PHONE_NUMBER_ID, number=PHONE_NUMBER, name="Main")]

    async def get_phone_number(self, phone_number_id: str) -> ProviderPhoneNumber | None:
        self._check_reachable()
        if phone_number_id != PHONE_NUMBER_ID:
            return None
        return ProviderPhoneNumber(id=PHONE_NUMBER_ID, number=PHONE_NUMBER, name="Main")

    async def create_call(
        self, order: PlacementOrder, *, may_send: Callable[[], bool], on_sent: Callable[[], Awaitable[None]]
    ) -> Outcome:
        await asyncio.sleep(0)
        if not may_send():
            return Refused(reason="DEADLINE_PASSED", infrastructure=True)
        self.orders.append(order)
        await on_sent()
        if self._failures:
            return self._fail(order, self._failures.pop(0))
        refused = self._refusal(order)
        if refused:
            return refused
        call = self._make(order)
        if self.before_answer is not None:
            await self.before_answer(call)
        return Placed(provider_call_id=call.id)

    async def get_call(self, provider_call_id: str) -> ProviderCall | None:
        self._check_reachable()
        return self.calls.get(provider_call_id)

    async def list_calls(
        self, *, created_from: datetime, created_to: datetime, provider_assistant_id: str = ""
    ) -> list[ProviderCall]:
        self._check_reachable()
        return [
            call
            for call in reversed(self.calls.values())
            if call.created_at
            and created_from <= call.created_at <= created_to
            and call.id not in self.hidden
            and provider_assistant_id in ("", call.document["assistantId"])
        ]

    async def end_call(self, provider_call_id: str) -> None:
        self._check_reachable()
        if provider_call_id in self.calls and not self.calls[provider_call_id].ended:
            self.change(provider_call_id, status="ended", endedReason="manually-canceled")

    async def create_assistant(self, *, name: str, config: Mapping[str, Any]) -> ProviderAssistant:
        self._check_reachable()
        self._check_config(config)
        made = ProviderAssistant(
            id=str(uuid4()),
            name=name,
            config=dict(config),
            updated_at=datetime.now(UTC),
            created_at=datetime.now(UTC),
        )
        self.assistants[made.id] = made
        return made

    async def get_assistant(self, provider_assistant_id: str) -> ProviderAssistant:
        self._check_reachable()
        if provider_assistant_id not in self.assistants:
            raise ProviderAssistantNotFound
        return self.assistants[provider_assistant_id]

    async def list_assistants(self, *, limit: int, created_to: datetime | None) -> list[ProviderAssistant]:
        self._check_reachable()
        first = datetime.min.replace(tzinfo=UTC)
        ages = {one.id: one.created_at or first for one in self.assistants.values()}
        told = [one for one in self.assistants.values() if created_to is None or ages[one.id] <= created_to]
        return sorted(told, key=lambda one: ages[one.id], reverse=True)[:limit]

    async def update_assistant(
        self, provider_assistant_id: str, *, name: str, config: Mapping[str, Any] | None
    ) -> ProviderAssistant:
        present = await self.get_assistant(provider_assistant_id)
        self._check_config(config or {})
        changed = replace(
            present,
            name=name or present.name,
            config={**present.config, **(config or {})},
            updated_at=datetime.now(UTC),
        )
        self.assistants[provider_assistant_id] = changed
        return changed

    def change(self, provider_call_id: str, **fields: Any) -> ProviderCall:
        """The provider's call as it is from now on; `fields` in the provider's own names."""
        present = self.calls[provider_call_id]
        now = datetime.now(UTC).isoformat()
        ended = {"endedAt": now} if fields.get("status") == "ended" else {}
        document = {**present.document, "updatedAt": now, **ended, **fields}
        self.calls[provider_call_id] = replace(present, status=document["status"], document=document)
        return self.calls[provider_call_id]

    def _fail(self, order: PlacementOrder, failure: Failure) -> Outcome:
        if failure.call_made:
            self._make(order)
        if failure.mode == "timeout":
            return Unknown(reason="TIMEOUT")
        if failure.mode == "reset":
            return Unknown(reason="CONNECTION_LOST")
        if failure.status in _REFUSALS:
            return Refused(
                reason=_REFUSALS[failure.status],
                infrastructure=True,
                retry_after_seconds=failure.retry_after_seconds,
            )
        return Unknown(reason=f"HTTP_{failure.status}")

    def _refusal(self, order: PlacementOrder) -> Refused | None:
        if not re.fullmatch(r"\+[1-9][0-9]{6,14}", order.customer_number):
            return Refused(reason="INVALID_NUMBER", infrastructure=False)
        if order.provider_assistant_id not in self.assistants:
            return Refused(reason="ASSISTANT_NOT_FOUND", infrastructure=True)
        if order.phone_number_id != PHONE_NUMBER_ID:
            return Refused(reason="PHONE_NUMBER_REFUSED", infrastructure=True)
        if sum(not call.ended for call in self.calls.values()) >= self.lines:
            return Refused(reason="OVER_CONCURRENCY", infrastructure=True)
        return None

    def _make(self, order: PlacementOrder) -> ProviderCall:
        now = datetime.now(UTC)
        document: dict[str, Any] = {
            "id": str(uuid4()),
            "type": "outboundPhoneCall",
            "status": "queued",
            "name": str(order.call_id),
            "assistantId": order.provider_assistant_id,
            "phoneNumberId": order.phone_number_id,
            "customer": {"number": order.customer_number},
            "assistantOverrides": {"metadata": {"callplaneCallId": str(order.call_id)}},
            "createdAt": now.isoformat(),
            "updatedAt": now.isoformat(),
        }
        made = ProviderCall(
            id=document["id"],
            status="queued",
            name=document["name"],
            metadata={"callplaneCallId": str(order.call_id)},
            created_at=now,
            control_url="",
            document=document,
        )
        self.calls[made.id] = made
        return made

    def _check_reachable(self) -> None:
        if not self.reachable:
            raise ProviderUnavailable

    def _check_config(self, config: Mapping[str, Any]) -> None:
        if "noSuchField" in config:
            raise ProviderRefused(
                metadata={"status": "400", "detail": "property noSuchField should not exist"}
            )
