"""Webhooks that the provider waits on: answered in time, by the rules of `calls` or by what can always be
said."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from libs import telemetry
from libs.errors import ServiceError
from services.gateway.domain import fallbacks
from services.gateway.domain.webhooks import IncomingEvent

_log = telemetry.logger(__name__)
_fallbacks = telemetry.meter().create_counter(
    "callplane.answers.fallbacks",
    description="Webhooks that got the fixed answer because nobody knew a better one.",
)

Ask = Callable[[IncomingEvent], Awaitable[bytes]]
Hold = Callable[[IncomingEvent], Awaitable[None]]

# The provider gives an assistant-request 7.5 seconds end to end.
DEADLINE_SECONDS: Final = 3.0
_CONCURRENT_MAX: Final = 100


class Answers:
    """Its own bulkhead: it never queues behind webhooks that are only stored. What `ask` does not answer goes
    to `hold`."""

    def __init__(self, ask: Ask, hold: Hold, *, deadline_seconds: float = DEADLINE_SECONDS) -> None:
        self._ask = ask
        self._hold = hold
        self._deadline_seconds = deadline_seconds
        self._places = asyncio.Semaphore(_CONCURRENT_MAX)

    async def answer(self, event: IncomingEvent, *, message_type: str, spent_seconds: float = 0.0) -> bytes:
        """Never raises a ServiceError: the caller on the line hears the answer, whatever it is. The deadline
        counts from when the webhook came, `spent_seconds` ago."""
        try:
            async with asyncio.timeout(self._deadline_seconds - spent_seconds), self._places:
                return await self._ask(event)
        except (ServiceError, TimeoutError) as exc:
            reason = exc.reason if isinstance(exc, ServiceError) else "DEADLINE_EXCEEDED"
            _fallbacks.add(1, {"type": message_type})
            _log.warning("fixed answer given", message_type=message_type, reason=reason)
            # Before the answer: what is answered is not sent again.
            await self._hold(event)
            return fallbacks.answer(message_type, event.body, default_assistant_id=event.default_assistant_id)
