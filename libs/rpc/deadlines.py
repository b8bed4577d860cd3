"""How much time the current call has left, and what a call made on its behalf may use of it."""

import asyncio
from contextvars import ContextVar
from typing import Final

from libs.errors import Kind, ServiceError

# A call that comes without a deadline gets this one; streams are meant to last.
DEFAULT_SECONDS: Final = 5.0
DEFAULT_STREAM_SECONDS: Final = 300.0
# Kept back so that the answer "too late" still reaches the caller, at every hop.
MARGIN_SECONDS: Final = 0.02

# In the event loop's time.
current: ContextVar[float] = ContextVar("deadline")


class DeadlineExceeded(ServiceError):
    """The time for this call is over."""

    kind = Kind.TIMEOUT
    reason = "DEADLINE_EXCEEDED"


def begin(time_remaining: float | None, *, stream: bool) -> float:
    """The moment to stop working on a call that was given so much time. Refuses what cannot be finished."""
    if time_remaining is None:
        time_remaining = DEFAULT_STREAM_SECONDS if stream else DEFAULT_SECONDS
    if time_remaining < MARGIN_SECONDS:
        raise DeadlineExceeded
    return asyncio.get_running_loop().time() + time_remaining - MARGIN_SECONDS


def for_call(timeout: float | None, *, stream: bool) -> float:
    """The timeout for a call to a peer: what was asked for, but never more than the call being served has
    left."""
    if timeout is None:
        timeout = DEFAULT_STREAM_SECONDS if stream else DEFAULT_SECONDS
    deadline = current.get(None)
    if deadline is None:
        return timeout
    return max(0.0, min(timeout, deadline - asyncio.get_running_loop().time() - MARGIN_SECONDS))
