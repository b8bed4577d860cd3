"""When the dispatcher looks again."""

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import cast
from uuid import uuid4

from services.campaigns.dispatcher import Dispatcher
from services.campaigns.domain.dialing import Candidate, Dialable
from services.campaigns.operations.dialing import Dialing
from tests.support.waiting import eventually

_AGAIN_SECONDS = 0.05


class BusyLines:
    """Campaigns whose phone number somebody else is on, all the time."""

    def __init__(self, campaigns: Sequence[Candidate]) -> None:
        self._campaigns = campaigns
        self.looks = 0

    async def list_dialable(self, *, limit: int) -> Dialable:
        self.looks += 1
        return Dialable(self._campaigns[:limit], datetime.now(UTC))

    async def is_line_quiet(self, candidate: Candidate) -> bool:
        return False

    async def seconds_until_due(self, *, since: datetime) -> float | None:
        return None


async def test_however_often_it_was_woken_it_looks_again_once_in_a_while() -> None:
    """CA-7: a line that stays busy must not make it look ever more often."""
    lines = BusyLines([Candidate(id=uuid4(), org_id=uuid4(), phone_number_id="1", line_quiet=True)] * 3)
    dispatcher = Dispatcher(cast(Dialing, lines), tick_seconds=600.0, again_seconds=_AGAIN_SECONDS)
    running = asyncio.create_task(dispatcher.run())
    for woken in range(20):
        await _looked(lines, times=woken + 1)
        dispatcher.wake()
    await _looked(lines, times=21)
    since, looks = time.monotonic(), lines.looks

    await _looked(lines, times=looks + 10)

    assert time.monotonic() - since > 8 * _AGAIN_SECONDS
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running


async def _looked(lines: BusyLines, *, times: int) -> None:
    async def look() -> bool:
        return lines.looks >= times

    await eventually(look)
