"""Failures ordered through POST /sandbox/faults: of an API operation, or of webhook delivery."""

from __future__ import annotations

import random
from collections import Counter
from typing import Annotated, Any, Literal

import msgspec

Probability = Annotated[float, msgspec.Meta(ge=0, le=1)]
Milliseconds = Annotated[float, msgspec.Meta(ge=0, le=60_000)]

OPERATIONS = (
    "vapi.createCall",
    "vapi.getCall",
    "vapi.listCalls",
    "vapi.createAssistant",
    "vapi.updateAssistant",
    "twilio.createMessage",
)


class OperationFault(msgspec.Struct, rename="camel", forbid_unknown_fields=True, kw_only=True):
    """`call_made` says whether the operation takes effect although its caller sees a failure."""

    mode: Literal["timeout", "reset", "http"]
    status: Annotated[int, msgspec.Meta(ge=400, le=599)] = 500
    call_made: bool = False
    count: Annotated[int, msgspec.Meta(ge=1)] | None = None
    probability: Probability = 1.0
    hold_seconds: Annotated[float, msgspec.Meta(gt=0, le=300)] = 60.0


class WebhookFault(msgspec.Struct, rename="camel", forbid_unknown_fields=True, kw_only=True):
    duplicate: Probability = 0.0
    drop: Probability = 0.0
    shuffle: bool = False
    delay_ms: tuple[Milliseconds, Milliseconds] | None = None
    count: Annotated[int, msgspec.Meta(ge=1)] | None = None

    def reorders(self) -> bool:
        return self.shuffle or self.delay_ms is not None

    def delay_seconds(self, rng: random.Random) -> float:
        low, high = self.delay_ms or ((0.0, 400.0) if self.shuffle else (0.0, 0.0))
        return rng.uniform(low, max(low, high)) / 1000


NO_WEBHOOK_FAULT = WebhookFault()


class FaultBook:
    """The faults in force and how often each struck; one with a count is used up after that many strikes."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._operations: dict[str, OperationFault] = {}
        self.webhooks: WebhookFault | None = None
        self.struck: Counter[str] = Counter()

    def order(self, faults: dict[str, Any]) -> None:
        """Adds or replaces the named faults; raises ValueError, and then changes nothing."""
        known = {*OPERATIONS, "webhooks"}
        if unknown := sorted(set(faults) - known):
            raise ValueError(f"unknown fault {', '.join(unknown)}; known: {', '.join(sorted(known))}")
        try:
            operations = {
                name: msgspec.convert(_spelled_as_call(value), OperationFault)
                for name, value in faults.items()
                if name != "webhooks"
            }
            webhooks = (
                msgspec.convert(faults["webhooks"], WebhookFault) if "webhooks" in faults else self.webhooks
            )
        except msgspec.ValidationError as error:
            raise ValueError(str(error)) from None
        self._operations.update(operations)
        self.webhooks = webhooks

    def clear(self) -> None:
        self._operations.clear()
        self.webhooks = None

    def strike(self, operation: str) -> OperationFault | None:
        """The fault this request of `operation` must suffer, if any."""
        fault = self._operations.get(operation)
        if fault is None or self._rng.random() >= fault.probability:
            return None
        self.struck[operation] += 1
        if fault.count is not None:
            fault.count -= 1
            if fault.count <= 0:
                del self._operations[operation]
        return fault

    def strike_webhook(self) -> WebhookFault:
        """The delivery fault for one webhook; a fault with a count covers that many webhooks."""
        fault = self.webhooks
        if fault is None:
            return NO_WEBHOOK_FAULT
        if fault.count is not None:
            fault.count -= 1
            if fault.count <= 0:
                self.webhooks = None
        return fault

    def view(self) -> dict[str, Any]:
        faults: dict[str, Any] = msgspec.to_builtins(self._operations)
        if self.webhooks is not None:
            faults["webhooks"] = msgspec.to_builtins(self.webhooks)
        return {"faults": faults, "struck": dict(self.struck)}


def _spelled_as_call(value: Any) -> Any:
    """Twilio makes messages, not calls: `messageMade` says the same as `callMade`."""
    if isinstance(value, dict) and "messageMade" in value:
        return {**{k: v for k, v in value.items() if k != "messageMade"}, "callMade": value["messageMade"]}
    return value
