"""Posts queued messages to the provider, and looks up those whose fate is not known."""

import asyncio
import time
from itertools import count
from typing import Final

from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_result,
    stop_after_attempt,
    wait_exponential_jitter,
)

from libs import failpoints, telemetry
from libs.errors import Kind, ServiceError
from libs.in_flight import InFlight
from libs.loops import Loop
from libs.pg import Pool
from services.notify.domain.messages import Message, NotSent, SendOutcome, Sent, Verdict
from services.notify.operations import sending
from services.notify.operations.sending import MessageProvider

_IN_FLIGHT_MAX: Final = 8
_INTERVAL_SECONDS: Final = 1.0
_LOOKUPS_MAX: Final = 20
_TRIES: Final = 3
_RETRY_SECONDS: Final = 1.0
# A provider that asks for more patience than this gets it from the schedule.
_RETRY_AFTER_SECONDS_MAX: Final = 2.0
# A request begun later than this could outlast the lease.
_LAST_TRY_SECONDS: Final = sending.LEASE_SECONDS - 15.0
_DRAIN_SECONDS: Final = 4.0
_INTERRUPTED: Final = NotSent("INTERRUPTED", Verdict.RETRYABLE)

failpoints.register("sms.before_post", "sms.after_post")

_log = telemetry.logger(__name__)
_meter = telemetry.meter()
_sends = _meter.create_counter(
    "callplane.messages.sends", description="Requests to send a message, by outcome."
)
_duration = _meter.create_histogram(
    "callplane.messages.send.duration", unit="s", description="Time a request took."
)
_lookups = _meter.create_counter(
    "callplane.messages.lookups", description="Messages looked up, by what was found."
)


class Sender:
    def __init__(
        self, pool: Pool, provider: MessageProvider, *, retry_seconds: float = _RETRY_SECONDS
    ) -> None:
        self._pool = pool
        self._provider = provider
        self._retry_seconds = retry_seconds
        self._sending = Loop("notify.sender", self._send_due, interval_seconds=_INTERVAL_SECONDS)
        self._looking_up = Loop(
            "notify.message_lookups", self._look_up_due, interval_seconds=_INTERVAL_SECONDS
        )
        self._in_flight = InFlight("send message", limit=_IN_FLIGHT_MAX, on_done=self._sending.wake)

    def wake(self) -> None:
        self._sending.wake()

    async def run(self) -> None:
        """Until cancelled; requests that are under way may end."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._sending.run())
                group.create_task(self._looking_up.run())
        finally:
            await self._in_flight.drain(seconds_max=_DRAIN_SECONDS)

    async def _send_due(self) -> int:
        if self._in_flight.free == 0:
            return 0
        claimed_at = time.monotonic()
        messages = await sending.claim(self._pool, limit=self._in_flight.free)
        for message in messages:
            self._in_flight.start(self._send(message, last_try_at=claimed_at + _LAST_TRY_SECONDS))
        return len(messages)

    async def _send(self, message: Message, *, last_try_at: float) -> None:
        with (
            telemetry.bind(org_id=str(message.org_id), message_id=str(message.id)),
            telemetry.span(
                "send message",
                kind=telemetry.SpanKind.PRODUCER,
                traceparent=message.traceparent or None,
                attributes={
                    "messaging.system": "sms",
                    "messaging.operation.type": "send",
                    "messaging.message.id": str(message.id),
                    "callplane.org_id": str(message.org_id),
                },
            ) as span,
        ):
            outcome = await self._tries(message, last_try_at=last_try_at)
            span.set_attribute("callplane.outcome", type(outcome).__name__)
            if not isinstance(outcome, Sent):
                _log.warning("message not sent", outcome=type(outcome).__name__, reason=_reason(outcome))
                await sending.settle(self._pool, message, outcome)
                self._looking_up.wake()

    async def _tries(self, message: Message, *, last_try_at: float) -> SendOutcome:
        """Quick tries, as long as each one surely sent nothing."""
        numbers = count(message.attempts)

        async def attempt() -> SendOutcome:
            number = next(numbers)
            if number > message.attempts and not await sending.count_attempt(self._pool, message):
                return _INTERRUPTED
            if time.monotonic() > last_try_at:
                # This process stood still; by now the message may be looked up, or given up.
                return _INTERRUPTED
            return await self._post(message, number=number)

        retrying = AsyncRetrying(
            stop=stop_after_attempt(_TRIES),
            wait=wait_exponential_jitter(
                multiplier=self._retry_seconds, max=10, jitter=self._retry_seconds / 2
            ),
            retry=retry_if_result(_is_worth_another_try),
            retry_error_callback=_last_outcome,
        )
        outcome: SendOutcome = await retrying(attempt)
        return outcome

    async def _post(self, message: Message, *, number: int) -> SendOutcome:
        await failpoints.hit("sms.before_post")
        started = time.monotonic()
        outcome = await self._provider.send(message)
        seconds = time.monotonic() - started
        await failpoints.hit("sms.after_post")
        _sends.add(1, {"outcome": type(outcome).__name__})
        _duration.record(seconds)
        await sending.record_try(self._pool, message, outcome, number=number, duration_ms=seconds * 1000)
        return outcome

    async def _look_up_due(self) -> int:
        claimed = await sending.claim_lookups(self._pool, limit=_LOOKUPS_MAX)
        for message, known in claimed:
            await self._look_up(message, known)
        return len(claimed)

    async def _look_up(self, message: Message, known: frozenset[str]) -> None:
        started = time.monotonic()
        with telemetry.span(
            "look up message",
            traceparent=message.traceparent or None,
            attributes={"messaging.message.id": str(message.id), "callplane.org_id": str(message.org_id)},
        ):
            try:
                found = await self._provider.find(message, known=known)
            except ServiceError as exc:
                if exc.kind is not Kind.UNAVAILABLE:
                    raise
                # The claim of this look ends by itself, and the next one follows.
                _lookups.add(1, {"outcome": "UNAVAILABLE"})
                _log.warning("message not looked up", message_id=str(message.id), reason=exc.reason)
                return
            _lookups.add(1, {"outcome": "FOUND" if found else "ABSENT"})
            await sending.record_lookup(
                self._pool, message, found, duration_ms=(time.monotonic() - started) * 1000
            )


def _is_worth_another_try(outcome: SendOutcome) -> bool:
    return (
        isinstance(outcome, NotSent)
        and outcome.tried
        and outcome.verdict is Verdict.RETRYABLE
        and outcome.retry_after_seconds <= _RETRY_AFTER_SECONDS_MAX
        and outcome is not _INTERRUPTED
    )


def _last_outcome(state: RetryCallState) -> SendOutcome:
    outcome: SendOutcome = state.outcome.result() if state.outcome else _INTERRUPTED
    return outcome


def _reason(outcome: SendOutcome) -> str:
    return outcome.code if isinstance(outcome, NotSent) else getattr(outcome, "error", "")
