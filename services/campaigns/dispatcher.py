"""The loop that dials: woken by whatever frees a slot or starts a campaign, and by the time a retry is
due."""

import asyncio

from libs import telemetry
from libs.cancellation import raise_if_cancelled
from libs.errors import ServiceError
from libs.loops import Loop
from services.campaigns.domain.dialing import Candidate, Intent
from services.campaigns.operations.dialing import Dialing

_log = telemetry.logger(__name__)

_CAMPAIGNS_MAX = 50
# Of one campaign before the others have their turn: everybody's slots fill side by side.
_TURN_MAX = 5
# Of the requests on their way, from one phone number: an account that does not answer holds up only itself.
_SHARE_OF_NUMBER = 0.5
_STOP_SECONDS = 3.0
# Until another look because of a phone number that somebody else is on, or of trouble with a campaign.
_AGAIN_SECONDS = 5.0
# Batches of contacts who may not be called now, of one campaign, before others have their turn.
_VAIN_MAX = 5


class Dispatcher:
    """`wake()` makes it look at once. Calls are placed beside the loop, `in_flight_max` at a time and half of
    them from one phone number, so that a slow answer keeps no other slot empty."""

    def __init__(
        self,
        dialing: Dialing,
        *,
        tick_seconds: float,
        in_flight_max: int = 50,
        again_seconds: float = _AGAIN_SECONDS,
    ) -> None:
        self._dialing = dialing
        self._again_seconds = again_seconds
        self._loop = Loop("dispatcher", self._step, interval_seconds=tick_seconds)
        # With the phone number that each is made from.
        self._in_flight: dict[asyncio.Task[bool], str] = {}
        self._in_flight_max = in_flight_max
        self._timer: asyncio.TimerHandle | None = None
        # One for all campaigns: each look that ends in vain would leave a timer, and each timer is a look.
        self._later: asyncio.TimerHandle | None = None

    def wake(self) -> None:
        self._loop.wake()

    async def run(self) -> None:
        """Until cancelled; then requests on their way may finish. Those that do not are sent again later, as
        the same attempts."""
        try:
            await self._loop.run()
        finally:
            for timer in (self._timer, self._later):
                if timer is not None:
                    timer.cancel()
            await self._drain()

    async def _step(self) -> int:
        dialed = 0
        dialable = await self._dialing.list_dialable(limit=_CAMPAIGNS_MAX)
        for candidate in dialable.campaigns:
            if self._room(candidate.phone_number_id) <= 0:
                continue
            try:
                dialed += await self._dial_campaign(candidate)
            except ServiceError as exc:
                # One campaign's trouble is not the others'.
                _log.warning("campaign not dialed", campaign_id=str(candidate.id), reason=exc.reason)
                self._wake_later()
            except Exception as exc:  # noqa: BLE001  nor is what is wrong with its rows
                raise_if_cancelled()
                _log.error("campaign cannot be dialed", campaign_id=str(candidate.id), exc_info=exc)
                self._wake_later()
        self._wake_in(await self._dialing.seconds_until_due(since=dialable.looked_at))
        return dialed

    async def _dial_campaign(self, candidate: Candidate) -> int:
        """A turn of a campaign; answers how many calls are on their way by it."""
        if not await self._dialing.is_line_quiet(candidate):
            # The end of a call wakes the loop too, but not every call is told of.
            self._wake_later()
            return 0
        for _ in range(_VAIN_MAX):
            room = self._room(candidate.phone_number_id)
            claims = await self._dialing.claim(candidate.id, limit=min(_TURN_MAX, room))
            for intent in claims.intents:
                self._send(intent)
            if claims.intents or not claims.more:
                return len(claims.intents)
        # A long list may not be called now; other campaigns go on meanwhile.
        self.wake()
        return 0

    def _wake_later(self) -> None:
        if self._later is None:
            self._later = asyncio.get_running_loop().call_later(self._again_seconds, self._look_again)

    def _look_again(self) -> None:
        self._later = None
        self.wake()

    def _room(self, phone_number_id: str) -> int:
        """How many more requests may be on their way from a phone number."""
        of_number = sum(number == phone_number_id for number in self._in_flight.values())
        return min(
            self._in_flight_max - len(self._in_flight),
            int(self._in_flight_max * _SHARE_OF_NUMBER) - of_number,
        )

    def _send(self, intent: Intent) -> None:
        task = asyncio.create_task(self._place(intent), name=f"dial {intent.dial.attempt_id}")
        self._in_flight[task] = intent.dial.phone_number_id
        task.add_done_callback(self._sent)

    def _sent(self, task: asyncio.Task[bool]) -> None:
        was_full = self._room(self._in_flight[task]) <= 0
        del self._in_flight[task]
        if was_full or task.cancelled() or task.result():
            self.wake()

    async def _place(self, intent: Intent) -> bool:
        """Whether there is room for another call of the campaign."""
        try:
            return await self._dialing.place(intent)
        except ServiceError as exc:
            _log.warning("dial not answered", attempt_id=str(intent.dial.attempt_id), reason=exc.reason)
        except Exception as exc:  # noqa: BLE001  the attempt is sent again later, whatever it was
            _log.error("dial failed", attempt_id=str(intent.dial.attempt_id), exc_info=exc)
        return False

    def _wake_in(self, seconds: float | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if seconds is not None:
            self._timer = asyncio.get_running_loop().call_later(max(seconds, 0.0), self.wake)

    async def _drain(self) -> None:
        if not self._in_flight:
            return
        _, late = await asyncio.wait(self._in_flight, timeout=_STOP_SECONDS)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
