"""What the benchmark reads in the sandbox's record of dialed calls."""

from __future__ import annotations

from typing import Any

from deploy.bench import dials, report
from deploy.bench.dial_record import (
    DialedCall,
    dialed,
    most_at_once,
    refill_seconds,
    repeats,
    slowest_share,
    utilization,
)
from deploy.bench.wanted import DIALS


def call(created_at: float, ended_at: float | None = None, **changes: Any) -> DialedCall:
    told_at = None if ended_at is None else ended_at + 0.5
    fields: dict[str, Any] = {
        "campaign_id": "a",
        "attempt_id": f"{created_at}",
        "customer": "+1",
        "told_at": told_at,
    }
    return DialedCall(**{"created_at": created_at, "ended_at": ended_at, **fields, **changes})


def section(**changes: Any) -> dict[str, Any]:
    spread = {"p50": 50.0, "p95": 90.0, "p99": 100.0, "max": 120.0}
    one: dict[str, Any] = {
        "completed": True,
        "seconds": 400.0,
        "dialed": 2000,
        "repeats": 0,
        "most_at_once": 50,
    }
    one |= {"refill_ms": spread, "utilization": 0.98}
    crowd: dict[str, Any] = {
        "campaigns": 20,
        "dialed": 900,
        "seconds": 90.0,
        "repeats": 0,
        "most_at_once": 50,
    }
    crowd |= {"slowest_share": 0.9}
    imports = {"seconds_max": 1.5, "mib_grown": 0.5}
    stats_ms = {"p50": 8.0, "p95": 15.0, "p99": 16.0, "max": 20.0}
    found = {
        "contacts": 2000,
        "one": one,
        "crowd": crowd,
        "imports": imports,
        "stats_ms": stats_ms,
        **changes,
    }
    return {"problems": dials.problems_of(found), **found}


def test_a_dialed_call_knows_when_its_end_was_acked() -> None:
    shown: dict[str, Any] = {"id": "1", "metadata": {"campaignId": "a"}, "name": "x", "customer": "+1"}
    shown |= {"createdAt": "2026-11-21T10:00:00.000Z", "endedAt": "2026-11-21T10:00:05.250Z"}
    end = {"callId": "1", "type": "status-update", "status": "ended", "outcome": "delivered"}
    other = {**end, "status": "ringing", "at": "2026-11-21T10:00:01.000Z"}

    [found] = dialed([shown, {**shown, "metadata": None}], [other, {**end, "at": "2026-11-21T10:00:05.400Z"}])

    assert (5.25, 5.4) == (
        round((found.ended_at or 0) - found.created_at, 3),
        round((found.told_at or 0) - found.created_at, 3),
    )


def test_each_call_above_the_cap_waits_for_one_end() -> None:
    # Ends are acked at 5.5 and 10.5; the second slot was filled before that ack was read.
    calls = [call(0, 10), call(1, 5), call(5.6), call(10.4)]

    assert [0.1, 0.0] == [round(seconds, 3) for seconds in refill_seconds(calls, cap=2)]


def test_slots_are_used_as_long_as_calls_take_them() -> None:
    # Two slots, from the first call to the last one: 20 s, of which 15 are taken.
    assert 0.75 == utilization([call(0, 10), call(0, 5), call(10, 30)], cap=2)
    assert utilization([call(0, 1)], cap=2) is None


def test_the_most_at_once_is_by_campaign_and_an_end_makes_room() -> None:
    calls = [call(0, 10), call(1, 10), call(10, 20), call(11), call(0, 5, campaign_id="b")]

    assert {"a": 2, "b": 1} == most_at_once(calls)


def test_an_attempt_that_was_dialed_again_is_seen() -> None:
    assert 1 == repeats([call(0), call(1, attempt_id="x"), call(2, attempt_id="x")])


def test_who_was_called_least_is_compared_with_the_mean() -> None:
    calls = [call(0), call(1), call(2), call(3, campaign_id="b"), call(9, campaign_id="b")]

    assert 0.5 == slowest_share(calls, ["a", "b"], until=5)
    assert 0.0 == slowest_share(calls, ["a", "c"], until=5)
    assert slowest_share([], ["a"], until=5) is None


def test_figures_of_dialing_are_found_and_problems_are_told() -> None:
    told = {one.what: one for one in report.comparisons({"dials": section()})}
    broken = section(crowd={**section()["crowd"], "most_at_once": 51, "repeats": 2})

    assert len(DIALS) == len(told)
    assert {True} == {one.reached for one in told.values()}
    assert [] == section()["problems"]
    assert [
        "dials: campaigns at once: 2 attempts were dialed twice",
        "dials: campaigns at once: 51 calls at once above the cap of 50",
    ] == broken["problems"]
