"""A circuit breaker: after repeated failures the door stays shut for a while, then one caller tries it."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from enum import StrEnum

from libs import telemetry
from libs.errors import Kind, ServiceError

_BLAMELESS = frozenset(
    {
        Kind.BAD_INPUT,
        Kind.UNAUTHENTICATED,
        Kind.FORBIDDEN,
        Kind.MISSING,
        Kind.DUPLICATE,
        Kind.WRONG_STATE,
        Kind.EXHAUSTED,
        Kind.LOST_RACE,
    }
)

_transitions = telemetry.meter().create_counter(
    "callplane.breaker.transitions", description="Changes of a circuit breaker's state."
)


class State(StrEnum):
    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class BreakerOpen(ServiceError):
    """The other side failed repeatedly and is left alone for a while."""

    kind = Kind.UNAVAILABLE
    reason = "CIRCUIT_OPEN"


def counts_as_failure(exc: Exception) -> bool:
    """A definite refusal says that the other side works."""
    return not (isinstance(exc, ServiceError) and exc.kind in _BLAMELESS)


class Breaker:
    """Closed -> open after `failures_max` failures in a row -> half open after `open_seconds`, for one
    probe."""

    def __init__(
        self,
        name: str,
        *,
        failures_max: int = 5,
        open_seconds: float = 30.0,
        is_failure: Callable[[Exception], bool] = counts_as_failure,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self._failures_max = failures_max
        self._open_seconds = open_seconds
        self._is_failure = is_failure
        self._monotonic = monotonic
        self._failures = 0
        self._opened_at = 0.0
        self._state = State.CLOSED

    @property
    def state(self) -> State:
        return self._state

    @property
    def wait_seconds(self) -> float:
        """How long nobody is let in; 0 if the next caller would be."""
        if self._state is State.CLOSED:
            return 0.0
        left = self._opened_at + self._open_seconds - self._monotonic()
        return max(left, 1.0) if self._state is State.HALF_OPEN or left > 0 else 0.0

    @asynccontextmanager
    async def guard(self) -> AsyncIterator[None]:
        """Raises BreakerOpen instead of entering while the circuit is open."""
        self._admit()
        probing = self._state is State.HALF_OPEN
        settled = False
        try:
            yield
            settled = True
            self._succeeded()
        except Exception as exc:
            settled = True
            if self._is_failure(exc):
                self._failed()
            else:
                self._succeeded()
            raise
        finally:
            if probing and not settled:
                # The probe was cancelled and proved nothing; the next caller may probe at once.
                self._state = State.OPEN

    def _admit(self) -> None:
        if self._state is State.CLOSED:
            return
        wait_seconds = self.wait_seconds
        if wait_seconds > 0:
            raise BreakerOpen(metadata={"circuit": self.name}, retry_after_seconds=wait_seconds)
        self._move(State.HALF_OPEN)

    def _succeeded(self) -> None:
        self._failures = 0
        # A straggler that entered before the circuit opened does not close it; only the probe does.
        if self._state is State.HALF_OPEN:
            self._move(State.CLOSED)

    def _failed(self) -> None:
        self._failures += 1
        if self._state is State.HALF_OPEN or (
            self._state is State.CLOSED and self._failures >= self._failures_max
        ):
            self._opened_at = self._monotonic()
            self._move(State.OPEN)

    def _move(self, state: State) -> None:
        self._state = state
        _transitions.add(1, {"circuit": self.name, "state": state.value})
