"""The parts of the benchmark that measure nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest

from deploy.bench.connection import request_bytes, status_of
from deploy.bench.database import tps_in
from deploy.bench.figures import arrivals, medians, percentile, ratio, spread_ms
from deploy.bench.report import summary
from deploy.bench.rounds import LOADS, Measured
from deploy.bench.webhooks import CALLS_AT_ONCE, sizes, webhooks
from deploy.local.child import StackError


def load_figures(*, acked: int = 100, stored: int = 100, per_second: float = 500.0) -> dict[str, Any]:
    return {"offered": 100, "acked": acked, "stored": stored, "acked_per_second": per_second}


def measured(*rounds: dict[str, object], unfolded: int = 0) -> Measured:
    return Measured(rounds=list(rounds), sizes={}, memory_before={}, memory_after={}, unfolded=unfolded)


def one_round(**figures: Any) -> dict[str, object]:
    return {"pgbench_tps": 1000.0, **{load.name: load_figures(**figures) for load in LOADS}}


@pytest.mark.parametrize(("quantile", "expected"), [(0.5, 50), (0.95, 95), (0.99, 99), (1.0, 100), (0.0, 1)])
def test_percentiles_are_values_that_were_measured(quantile: float, expected: int) -> None:
    assert expected == percentile(list(range(100, 0, -1)), quantile)


def test_a_spread_is_in_milliseconds_and_empty_without_values() -> None:
    assert {"p50": 2.0, "p95": 3.0, "p99": 3.0, "max": 3.0} == spread_ms([0.003, 0.001, 0.002])
    assert {"p50": None, "p95": None, "p99": None, "max": None} == spread_ms([])


def test_webhooks_of_the_open_loop_are_due_evenly_apart() -> None:
    due = arrivals(rate=4, seconds=1.5)

    assert [0.0, 0.25, 0.5, 0.75, 1.0, 1.25] == due


def test_medians_have_the_shape_of_a_round() -> None:
    rounds = [
        {"tps": 3.0, "ack_ms": {"p95": 7.0}},
        {"tps": 1.0, "ack_ms": {"p95": None}},
        {"tps": 2.0, "ack_ms": {"p95": 9.0}},
    ]

    assert {"tps": 2.0, "ack_ms": {"p95": None}} == medians(rounds)


def test_a_ratio_to_nothing_is_none() -> None:
    assert 0.25 == ratio(1, 4)
    assert ratio(1, 0) is None
    assert ratio(None, 4) is None


def test_the_tps_of_pgbench_are_found() -> None:
    assert 16012.5 == tps_in("latency average = 2.0 ms\ntps = 16012.5 (without initial connection time)\n")
    with pytest.raises(StackError):
        tps_in("pgbench: error")


def test_every_webhook_is_of_its_own_and_in_the_order_of_its_call() -> None:
    sent = [json.loads(webhook.body)["message"] for webhook in webhooks(first_call=0, count=4000)]
    by_call: dict[str, list[int]] = {}
    for message in sent:
        by_call.setdefault(message["call"]["id"], []).append(message["timestamp"])

    assert len(by_call) > CALLS_AT_ONCE
    assert all(times == sorted(set(times)) for times in by_call.values())
    assert len(by_call) == len({message["customer"]["number"] for message in sent})
    # An ended call's report is its last webhook, and a finished call has exactly one.
    assert {"status-update", "speech-update", "transcript", "conversation-update", "end-of-call-report"} == {
        message["type"] for message in sent
    }


def test_sizes_are_told_per_type() -> None:
    told = sizes(webhooks(first_call=0, count=3000))

    assert 3000 == sum(one["count"] for one in told.values())
    assert told["end-of-call-report"]["mean_bytes"] > told["status-update"]["mean_bytes"]


def test_a_request_is_whole_and_an_answer_is_read_when_it_is() -> None:
    request = request_bytes("/hooks", host="localhost", headers={"X-Vapi-Signature": "00"}, body=b"{}")
    answer = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 2\r\nserver: x\r\n\r\n{}"

    assert request.startswith(b"POST /hooks HTTP/1.1\r\n")
    assert request.endswith(b"content-length: 2\r\nX-Vapi-Signature: 00\r\n\r\n{}")
    assert 503 == status_of(answer)
    assert status_of(answer[:-1]) is None
    assert status_of(answer[:20]) is None
    with pytest.raises(ConnectionError):
        status_of(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")


def test_the_report_holds_medians_and_ratios() -> None:
    result = summary(
        measured(one_round(per_second=400.0), one_round(per_second=600.0), one_round()),
        load_average=(1, 2, 3),
    )

    assert result["ok"]
    assert {"gateway_maximum": 0.5, "envoy_maximum": 0.5} == result["ratios_to_pgbench"]
    assert 500.0 == result["medians"]["gateway_fixed_rate"]["acked_per_second"]


def test_a_lost_webhook_makes_the_figures_worthless() -> None:
    result = summary(measured(one_round(stored=99), unfolded=2), load_average=())

    assert not result["ok"]
    assert "round 1, gateway_maximum: 100 were acked but 99 stored" in result["problems"]
    assert "2 webhooks became part of no call" in result["problems"]
