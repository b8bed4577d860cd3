"""How a call talks as the version its campaign has pinned, though the assistant has moved on: what differs is
laid over the assistant, field by field."""

from collections.abc import Mapping
from typing import Any, Final

from services.campaigns.domain.assistant_config import UNSET_VALUES

_CALL_SECONDS_MAX: Final = 1500
# The provider then neither summarizes nor judges the conversation.
_NO_ANALYSIS: Final[Mapping[str, Any]] = {
    "summaryPlan": {"enabled": False},
    "structuredDataPlan": {"enabled": False},
    "successEvaluationPlan": {"enabled": False},
}


def overrides(
    *, pinned: Mapping[str, Any], current: Mapping[str, Any], analyzed: bool = True
) -> dict[str, Any]:
    """In the provider's words. A field that the pinned version lacks gets the value the provider has without
    it; where there is none, the assistant's own stays."""
    changed = {key: value for key, value in pinned.items() if value is not None and current.get(key) != value}
    unset = {
        key: UNSET_VALUES[key]
        for key, value in current.items()
        if value is not None and pinned.get(key) is None and key in UNSET_VALUES
    }
    return {**changed, **unset, **({} if analyzed else {"analysisPlan": dict(_NO_ANALYSIS)})}


def max_duration_seconds(pinned: Mapping[str, Any]) -> int:
    """0 if the version leaves it to us. Bounded, so that a call which nobody hears of any more is over before
    its slot is given to another (`Patience.lost_seconds`)."""
    seconds = pinned.get("maxDurationSeconds")
    return min(int(seconds), _CALL_SECONDS_MAX) if isinstance(seconds, int | float) else 0
