"""How long the folder pauses after a step."""

import pytest

from services.calls.folder import pause_seconds
from services.calls.operations.fold import BATCH_MAX


@pytest.mark.parametrize(
    ("handled", "elapsed", "behind_seconds", "expected"),
    [
        pytest.param(0, 0.01, 0.0, 0.0, id="nothing came"),
        pytest.param(24, 0.01, 0.0, 0.0, id="a few go through at once"),
        pytest.param(25, 0.05, 0.1, 0.1, id="after many the next ones gather"),
        pytest.param(BATCH_MAX - 1, 0.4, 0.5, 0.0, id="they have gathered meanwhile"),
        pytest.param(BATCH_MAX, 0.4, 5.0, 0.4, id="catching up takes half of the time"),
        pytest.param(BATCH_MAX, 0.4, 60.1, 0.0, id="far behind it takes all"),
    ],
)
def test_pauses(handled: int, elapsed: float, behind_seconds: float, expected: float) -> None:
    found = pause_seconds(handled, elapsed=elapsed, behind_seconds=behind_seconds)

    assert found == pytest.approx(expected)
