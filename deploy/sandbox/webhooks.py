"""Delivery of webhooks to the product: signing, one attempt or the server's backoff plan, and ordered faults.

Without faults the webhooks of one call keep their order as long as the receiver answers within half a second.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
import msgspec

from deploy.sandbox.faults import NO_WEBHOOK_FAULT, FaultBook, WebhookFault
from deploy.sandbox.journal import Journal
from deploy.sandbox.moments import iso, now
from deploy.sandbox.settings import Settings
from deploy.sandbox.signatures import vapi_headers

CONCURRENT_MAX = 64
PENDING_MAX = 20_000
TIMEOUT_SECONDS = 20.0
ASSISTANT_REQUEST_TIMEOUT_SECONDS = 7.5
_ORDER_PATIENCE_SECONDS = 0.5
_ANSWERED_TYPES = frozenset({"tool-calls", "assistant-request"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where the webhooks of a call go: Vapi's `server` object."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    timeout_seconds: float = TIMEOUT_SECONDS
    backoff_plan: Mapping[str, Any] | None = None

    @classmethod
    def of_server(cls, server: Mapping[str, Any], *, default_url: str) -> Target:
        return cls(
            url=str(server.get("url") or default_url),
            headers={str(k): str(v) for k, v in (server.get("headers") or {}).items()},
            timeout_seconds=float(server.get("timeoutSeconds") or TIMEOUT_SECONDS),
            backoff_plan=server.get("backoffPlan"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    call_id: str
    message_type: str
    message: dict[str, Any]
    target: Target
    traceparent: str = ""
    fault: WebhookFault | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: Any


class Courier:
    def __init__(
        self,
        *,
        client: httpx.AsyncClient,
        settings: Callable[[], Settings],
        faults: FaultBook,
        journal: Journal,
        rng: random.Random,
    ) -> None:
        self._client = client
        self._settings = settings
        self._faults = faults
        self._journal = journal
        self._rng = rng
        self._slots = asyncio.Semaphore(CONCURRENT_MAX)
        self._tasks: set[asyncio.Task[Answer | None]] = set()
        self._previous: dict[str, asyncio.Task[Answer | None]] = {}
        self.counts: dict[str, Counter[str]] = {
            name: Counter() for name in ("emitted", "delivered", "failed", "dropped", "duplicated")
        }

    @property
    def pending(self) -> int:
        return len(self._tasks)

    def send(self, webhook: Webhook) -> None:
        """Posts the webhook in the background; its answer is only recorded."""
        self._emit(webhook)

    async def ask(self, webhook: Webhook) -> Answer | None:
        """Posts the webhook and waits for the answer; None when there was none in time."""
        task = self._emit(webhook)
        return await task if task else None

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _emit(self, webhook: Webhook) -> asyncio.Task[Answer | None] | None:
        self.counts["emitted"][webhook.message_type] += 1
        fault = webhook.fault or self._faults.strike_webhook()
        answered = webhook.message_type in _ANSWERED_TYPES
        if not webhook.target.url or len(self._tasks) >= PENDING_MAX:
            self._record(webhook, outcome="failed", error="no url" if not webhook.target.url else "overflow")
            return None
        if not answered and self._rng.random() < fault.drop:
            self._record(webhook, outcome="dropped")
            return None
        body = msgspec.json.encode({"message": webhook.message})
        if self._rng.random() < fault.duplicate:
            self.counts["duplicated"][webhook.message_type] += 1
            self._start(webhook, body, fault if fault.reorders() else NO_WEBHOOK_FAULT, duplicate=True)
        return self._start(webhook, body, NO_WEBHOOK_FAULT if answered else fault, duplicate=False)

    def _start(
        self, webhook: Webhook, body: bytes, fault: WebhookFault, *, duplicate: bool
    ) -> asyncio.Task[Answer | None]:
        before = None if fault.reorders() else self._previous.get(webhook.call_id)
        delay_seconds = fault.delay_seconds(self._rng)
        task = asyncio.create_task(
            self._deliver(webhook, body, before=before, delay_seconds=delay_seconds, duplicate=duplicate)
        )
        self._tasks.add(task)
        self._previous[webhook.call_id] = task
        task.add_done_callback(lambda done: self._forget(webhook.call_id, done))
        return task

    def _forget(self, call_id: str, task: asyncio.Task[Answer | None]) -> None:
        self._tasks.discard(task)
        if self._previous.get(call_id) is task:
            del self._previous[call_id]

    async def _deliver(
        self,
        webhook: Webhook,
        body: bytes,
        *,
        before: asyncio.Task[Answer | None] | None,
        delay_seconds: float,
        duplicate: bool,
    ) -> Answer | None:
        if before is not None:
            await asyncio.wait({before}, timeout=_ORDER_PATIENCE_SECONDS)
        if delay_seconds:
            await asyncio.sleep(delay_seconds)
        answer, attempts, error = await self._attempts(webhook, body)
        delivered = answer is not None and 200 <= answer.status < 300
        self._record(
            webhook,
            outcome="delivered" if delivered else "failed",
            status=answer.status if answer else None,
            attempts=attempts,
            error=error,
            duplicate=duplicate,
        )
        return answer

    async def _attempts(self, webhook: Webhook, body: bytes) -> tuple[Answer | None, int, str]:
        """One POST, or as many as the target's backoff plan allows."""
        plan = webhook.target.backoff_plan or {}
        retries = min(int(plan.get("maxRetries", 0)), 10)
        excluded = set(plan.get("excludedStatusCodes") or ())
        answer, error = None, ""
        for attempt in range(1, retries + 2):
            answer, error = await self._post(webhook, body)
            if answer is not None and (200 <= answer.status < 300 or answer.status in excluded):
                return answer, attempt, error
            if attempt <= retries:
                growth = 2 ** (attempt - 1) if plan.get("type") == "exponential" else 1
                await asyncio.sleep(self._settings().real_seconds(float(plan["baseDelaySeconds"]) * growth))
        return answer, retries + 1, error

    async def _post(self, webhook: Webhook, body: bytes) -> tuple[Answer | None, str]:
        settings = self._settings()
        headers = {
            "Content-Type": "application/json",
            **webhook.target.headers,
            **vapi_headers(settings.signature, secret=settings.webhook_secret, body=body, at=now()),
        }
        if webhook.traceparent:
            headers["traceparent"] = webhook.traceparent
        timeout = webhook.target.timeout_seconds
        if webhook.message_type == "assistant-request":
            timeout = ASSISTANT_REQUEST_TIMEOUT_SECONDS
        try:
            async with self._slots:
                response = await self._client.post(
                    webhook.target.url, content=body, headers=headers, timeout=timeout
                )
        except httpx.HTTPError as failure:
            return None, type(failure).__name__
        return Answer(response.status_code, _json_or_none(response.content)), ""

    def _record(self, webhook: Webhook, *, outcome: str, **details: Any) -> None:
        self.counts[outcome][webhook.message_type] += 1
        entry = {
            "at": iso(now()),
            "callId": webhook.call_id,
            "type": webhook.message_type,
            "status": webhook.message.get("status"),
            "outcome": outcome,
            "answer": details.pop("status", None),
            **details,
        }
        self._journal.append("deliveries", entry)


def _json_or_none(content: bytes) -> Any:
    try:
        return msgspec.json.decode(content)
    except msgspec.DecodeError:
        return None
