"""What the sandbox's record of dialed calls says: how soon slots were filled again, how full they were kept,
and how many calls were open at every instant."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from deploy.bench.figures import Figure


@dataclass(frozen=True, slots=True, kw_only=True)
class DialedCall:
    """Unix seconds. `ended_at` None: it was still going on; `told_at` None: its end was not acked."""

    campaign_id: str
    attempt_id: str
    customer: str
    created_at: float
    ended_at: float | None
    told_at: float | None = None


def dialed(calls: Iterable[Mapping[str, Any]], deliveries: Iterable[Mapping[str, Any]]) -> list[DialedCall]:
    """The calls of campaigns, oldest first. `calls` and `deliveries` as the sandbox shows them."""
    told = {
        one["callId"]: _seconds(one["at"])
        for one in deliveries
        if (one["type"], one["status"], one["outcome"]) == ("status-update", "ended", "delivered")
    }
    found = [
        DialedCall(
            campaign_id=call["metadata"]["campaignId"],
            attempt_id=call["name"],
            customer=call["customer"],
            created_at=_seconds(call["createdAt"]),
            ended_at=_seconds(call["endedAt"]) if call["endedAt"] else None,
            told_at=told.get(call["id"]),
        )
        for call in calls
        if (call["metadata"] or {}).get("campaignId")
    ]
    return sorted(found, key=lambda call: call.created_at)


def refill_seconds(calls: Sequence[DialedCall], *, cap: int) -> list[float]:
    """From each end that was acked to the call that took its place, of one campaign at its cap: the call
    after the first `cap` ones waits for the first end, the next one for the second."""
    told = sorted(call.told_at for call in calls if call.told_at is not None)
    later = sorted(call.created_at for call in calls)[cap:]
    # A slot may be filled again before the provider has read our answer.
    return [max(0.0, created - ended) for created, ended in zip(later, told, strict=False)]


def utilization(calls: Sequence[DialedCall], *, cap: int) -> Figure:
    """Which share of the slots' time was taken by calls while anybody waited to be called: from the first
    call to the last one."""
    began, over = calls[0].created_at, calls[-1].created_at
    if over <= began:
        return None
    taken = sum(min(call.ended_at or over, over) - call.created_at for call in calls)
    return round(taken / (cap * (over - began)), 4)


def most_at_once(calls: Iterable[DialedCall]) -> dict[str, int]:
    """The most calls of each campaign that were open at one instant. One that ends in the millisecond in
    which another begins is over."""
    changes: defaultdict[str, list[tuple[float, int]]] = defaultdict(list)
    for call in calls:
        changes[call.campaign_id].append((call.created_at, 1))
        if call.ended_at is not None:
            changes[call.campaign_id].append((call.ended_at, -1))
    return {campaign_id: _peak(found) for campaign_id, found in changes.items()}


def repeats(calls: Iterable[DialedCall]) -> int:
    """Calls that were made although one of the same attempt had been."""
    attempts = [call.attempt_id for call in calls]
    return len(attempts) - len(set(attempts))


def slowest_share(calls: Iterable[DialedCall], campaign_ids: Sequence[str], *, until: float) -> Figure:
    """Calls of the campaign that got the fewest, of the mean of all."""
    counts = dict.fromkeys(campaign_ids, 0)
    for call in calls:
        if call.campaign_id in counts and call.created_at <= until:
            counts[call.campaign_id] += 1
    total = sum(counts.values())
    return round(min(counts.values()) * len(counts) / total, 4) if total else None


def _peak(changes: list[tuple[float, int]]) -> int:
    most = now = 0
    for _, change in sorted(changes):
        now += change
        most = max(most, now)
    return most


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
