"""How fast calls are placed from one provider account.

A limit of calls per second may be set by people; another is learned. Where the provider or the carrier says
that it is too much, the rate is halved at once; then it grows by a tenth every ten seconds, and the lesson is
forgotten when it has grown to four times what it was slowed to, twice the rate that was too much.
"""

import math
import re
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

# How far ahead a caller may wait for its turn; longer lets the request's own deadline pass.
WAIT_SECONDS_MAX: Final = 3.0
# No carrier takes less by default (Twilio's one call per second is the least), so that a single refusal in a
# quiet hour does not stop an account.
RATE_LEAST: Final = 1.0

_SLOWER: Final = 0.5
_GROWTH: Final = 1.1
_GROWTH_SECONDS: Final = 10.0
_FORGOTTEN_AT: Final = 4.0
# Several refusals of one moment are one lesson.
_LESSON: Final = timedelta(seconds=2)
_PAUSE_SECONDS: Final = 1.0
# Carrier errors of the last minute: so many, and so large a part of the calls placed, are no accident.
CARRIER_SECONDS: Final = 60
_CARRIER_ERRORS_MIN: Final = 3
_CARRIER_ERRORS_SHARE: Final = 0.2

# The provider's words for a carrier that cannot take calls as fast as they come.
_CARRIER_ERROR: Final = re.compile(r"sip-50[0-9]|sip-429|failed-to-connect|rate-limit|too-many")
_TOO_FAST: Final = frozenset({"RATE_LIMITED"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """As of a row that all processes share. `next_at` and `blocked_until` None: long ago."""

    rate_max: float | None = None
    slowed_rate: float | None = None
    slowed_at: datetime | None = None
    next_at: datetime | None = None
    blocked_until: datetime | None = None

    def learned_rate(self, now: datetime) -> float | None:
        if self.slowed_rate is None or self.slowed_at is None:
            return None
        grown = max((now - self.slowed_at).total_seconds(), 0.0) / _GROWTH_SECONDS
        if grown >= math.log(_FORGOTTEN_AT, _GROWTH):
            return None
        return self.slowed_rate * math.pow(_GROWTH, grown)

    def rate(self, now: datetime) -> float | None:
        """Calls per second; None: as fast as they come."""
        known = [one for one in (self.rate_max, self.learned_rate(now)) if one is not None]
        return min(known, default=None)

    def is_free(self, now: datetime) -> bool:
        """Whether nobody needs a turn."""
        return self.rate(now) is None and not self._is_blocked(now)

    def _is_blocked(self, now: datetime) -> bool:
        return self.blocked_until is not None and self.blocked_until > now


@dataclass(frozen=True, slots=True)
class Turn:
    """When to place a call: after `wait_seconds`; if that is too long, not now, and then nothing is taken."""

    wait_seconds: float
    pace: Pace

    @property
    def is_taken(self) -> bool:
        return self.wait_seconds <= WAIT_SECONDS_MAX


def take_turn(pace: Pace, *, now: datetime) -> Turn:
    at = max(one for one in (now, pace.next_at, pace.blocked_until) if one is not None)
    wait_seconds = (at - now).total_seconds()
    rate = pace.rate(now)
    if rate is None or wait_seconds > WAIT_SECONDS_MAX:
        return Turn(wait_seconds, pace)
    return Turn(wait_seconds, replace(pace, next_at=at + timedelta(seconds=1 / rate)))


def slowed(pace: Pace, *, observed_rate: float, now: datetime, retry_after_seconds: float = 0.0) -> Pace:
    """After the provider or the carrier said that it was too much. `observed_rate`: calls per second of the
    last moments, for where nothing was known yet."""
    until = now + timedelta(seconds=max(retry_after_seconds, _PAUSE_SECONDS))
    blocked = replace(pace, blocked_until=max(until, pace.blocked_until or until))
    if pace.slowed_at is not None and now - pace.slowed_at < _LESSON:
        return blocked
    rate = pace.rate(now) or max(observed_rate, 1.0)
    return replace(blocked, slowed_rate=max(rate * _SLOWER, RATE_LEAST), slowed_at=now)


def limited(pace: Pace, rate_max: float | None) -> Pace:
    """By people, who know better: what was learned is forgotten."""
    return Pace(rate_max=rate_max, next_at=pace.next_at)


def is_too_fast(reason: str) -> bool:
    """Of a refused call: whether it says that calls come too fast."""
    return reason in _TOO_FAST


def is_carrier_error(ended_reason: str) -> bool:
    """Of a call that failed: whether its carrier could not take it."""
    return _CARRIER_ERROR.search(ended_reason) is not None


def is_carrier_trouble(*, errors: int, placed: int) -> bool:
    """Of the last minute."""
    return errors >= _CARRIER_ERRORS_MIN and errors >= placed * _CARRIER_ERRORS_SHARE
