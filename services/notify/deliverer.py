"""Sends events to customers' endpoints."""

import asyncio
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final, Protocol
from urllib.parse import urlsplit

from libs import failpoints, telemetry
from libs.in_flight import InFlight
from libs.loops import Loop
from libs.pg import Pool
from libs.vault import Vault
from services.notify.domain.webhooks import SCHEDULE_SECONDS, AttemptError, ClaimedDelivery, PostResult
from services.notify.operations import delivering

_INTERVAL_SECONDS: Final = 1.0
_BATCH_MAX: Final = 50
# Endpoints that fail wait among themselves: however long they hang, the others have the larger room.
_IN_FLIGHT_MAX: Final = 200
_FAILING_IN_FLIGHT_MAX: Final = 50
_DRAIN_SECONDS: Final = 4.0

failpoints.register("hook.before_send", "hook.after_send")

_log = telemetry.logger(__name__)
_meter = telemetry.meter()
_attempts = _meter.create_counter(
    "callplane.webhooks.attempts", description="Requests to endpoints, by outcome."
)
_duration = _meter.create_histogram(
    "callplane.webhooks.duration", unit="s", description="Time a request took."
)
_lag = _meter.create_histogram(
    "callplane.webhooks.lag", unit="s", description="From an event to its delivery at the first attempt."
)


class Endpoint(Protocol):
    async def post(self, url: str, *, headers: dict[str, str], body: str) -> PostResult: ...


class Deliverer:
    def __init__(
        self, pool: Pool, endpoint: Endpoint, *, vault: Vault, schedule: Sequence[float] = SCHEDULE_SECONDS
    ) -> None:
        self._pool = pool
        self._endpoint = endpoint
        self._vault = vault
        self._schedule = schedule
        self._loop = Loop("notify.deliverer", self._deliver_due, interval_seconds=_INTERVAL_SECONDS)
        self._healthy = InFlight("deliver webhook", limit=_IN_FLIGHT_MAX, on_done=self._loop.wake)
        self._failing = InFlight(
            "deliver failing webhook", limit=_FAILING_IN_FLIGHT_MAX, on_done=self._loop.wake
        )

    def wake(self) -> None:
        self._loop.wake()

    async def run(self) -> None:
        """Until cancelled; requests that are under way may end."""
        try:
            await self._loop.run()
        finally:
            lanes = (self._healthy, self._failing)
            await asyncio.gather(*(lane.drain(seconds_max=_DRAIN_SECONDS) for lane in lanes))

    async def _deliver_due(self) -> int:
        started = await self._start(self._healthy, failing=False)
        return started + await self._start(self._failing, failing=True)

    async def _start(self, lane: InFlight, *, failing: bool) -> int:
        limit = min(lane.free, _BATCH_MAX)
        if limit == 0:
            return 0
        claimed = await delivering.claim(self._pool, limit=limit, failing=failing, vault=self._vault)
        for delivery, secrets in claimed:
            lane.start(self._deliver(delivery, secrets))
        return len(claimed)

    async def _deliver(self, claimed: ClaimedDelivery, secrets: Sequence[str]) -> None:
        with (
            telemetry.bind(org_id=str(claimed.org_id), delivery_id=str(claimed.id)),
            telemetry.span(
                "deliver webhook",
                kind=telemetry.SpanKind.CLIENT,
                traceparent=claimed.traceparent or None,
                attributes={
                    "http.request.method": "POST",
                    "http.request.resend_count": claimed.attempts - 1,
                    "server.address": urlsplit(claimed.url).hostname or "",
                    "messaging.message.id": str(claimed.event_id),
                    "callplane.event_type": claimed.event_type,
                    "callplane.webhook_id": str(claimed.webhook_id),
                    "callplane.org_id": str(claimed.org_id),
                },
            ) as span,
        ):
            result = await self._post(claimed, secrets)
            span.set_attribute("http.response.status_code", result.status_code)
            if not result.delivered:
                span.set_attribute("error.type", result.error.value)
                _log.info("webhook not delivered", error=result.error.value, attempts=claimed.attempts)
            await delivering.record(self._pool, claimed, result, schedule=self._schedule)

    async def _post(self, claimed: ClaimedDelivery, secrets: Sequence[str]) -> PostResult:
        if not secrets:
            _log.error("webhook cannot be signed")
            return PostResult(status_code=0, error=AttemptError.NOT_SIGNED, response_body="", duration_ms=0.0)
        headers = delivering.headers_of(claimed, secrets=secrets)
        if traceparent := telemetry.current_traceparent():
            headers["traceparent"] = traceparent
        await failpoints.hit("hook.before_send")
        started = time.monotonic()
        result = await self._endpoint.post(claimed.url, headers=headers, body=claimed.body)
        await failpoints.hit("hook.after_send")
        _attempts.add(1, {"outcome": result.error.value or "DELIVERED"})
        _duration.record(time.monotonic() - started)
        if result.delivered and claimed.attempts == 1:
            _lag.record(max(0.0, (datetime.now(UTC) - claimed.event_time).total_seconds()))
        return result
