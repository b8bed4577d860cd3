"""How long the folder pauses after a step."""

import pytest

from services.calls.folder import Growth, pause_seconds
from services.calls.operations.fold import BATCH_MAX


@pytest.mark.parametrize(
    ("handled", "elapsed", "behind_seconds", "grown_per_second", "expected"),
    [
        pytest.param(0, 0.01, 0.0, 0, 0.0, id="nothing came"),
        pytest.param(24, 0.01, 0.0, 0, 0.0, id="a few go through at once"),
        pytest.param(25, 0.05, 0.1, 0, 0.1, id="after many the next ones gather"),
        pytest.param(BATCH_MAX - 1, 0.4, 0.5, 0, 0.0, id="they have gathered meanwhile"),
        # A step of 0.5 s folds 2,000 a second.
        pytest.param(BATCH_MAX, 0.5, 5.0, 0, 0.0, id="nothing comes while it catches up"),
        pytest.param(BATCH_MAX, 0.5, 5.0, 400, 0.125, id="what comes is left a fifth of the time"),
        pytest.param(
            BATCH_MAX, 0.5, 5.0, 1100, 0.125, id="what comes needs more than half, and some to spare"
        ),
        pytest.param(BATCH_MAX, 0.5, 5.0, 1900, 0.0, id="what comes needs nearly all"),
        pytest.param(BATCH_MAX, 0.3, 5.0, 20_000 / 6, 1.7, id="more comes than could be folded"),
        pytest.param(BATCH_MAX, 0.4, 60.1, 9000, 0.0, id="far behind it takes all"),
    ],
)
def test_pauses(
    handled: int, elapsed: float, behind_seconds: float, grown_per_second: float, expected: float
) -> None:
    found = pause_seconds(
        handled, elapsed=elapsed, behind_seconds=behind_seconds, grown_per_second=grown_per_second
    )

    assert found == pytest.approx(expected)


def test_growth_is_seen_from_step_to_step() -> None:
    growth = Growth()

    assert 0 == growth.per_second(10_000, now=100.0)
    assert 4_000 == growth.per_second(12_000, now=100.5)
    assert 1_000 == growth.per_second(12_500, now=101.0)


def test_growth_is_not_known_after_a_pause() -> None:
    """What came over hours, with the folder keeping up, is no crowd."""
    growth = Growth()
    growth.per_second(10_000, now=100.0)

    assert 0 == growth.per_second(None, now=100.5)
    assert 0 == growth.per_second(90_000, now=101.0)
