"""The parts of the benchmark that measure nothing."""

from __future__ import annotations

import json
from itertools import islice
from typing import Any

import pytest

from deploy.bench import growth, report, rounds
from deploy.bench.connection import request_bytes, status_of
from deploy.bench.database import PGBENCH_WAYS, tps_in
from deploy.bench.figures import medians, percentile, ratio, slope, spread_ms
from deploy.bench.lane import Item, Tally
from deploy.bench.stock import Stock, is_quote, mark_of
from deploy.bench.wanted import INTAKE, Wanted, compared
from deploy.bench.webhooks import CALLS_AT_ONCE, sizes, tool_calls_body, webhooks
from deploy.local.child import StackError


def load_figures(**changes: Any) -> dict[str, Any]:
    spread = {"p50": 10.0, "p95": 20.0, "p99": 30.0, "max": 40.0}
    return {
        "acked": 100,
        "lost": 0,
        "acked_per_second": 500.0,
        "ack_ms": spread,
        "fold_lag_ms": spread,
        "refusal_ms": spread,
        "tools": {"answered": 100, "without_quote": 0, "answer_ms": spread},
        "unsent": 0,
        "refused_503": 0,
        "refused_429": 0,
        "refused_otherwise": 0,
        "unanswered": 0,
        "normal_after_seconds": 2.0,
        **changes,
    }


def one_round(**changes: Any) -> dict[str, Any]:
    loads = {load.name: load_figures(**changes) for load in rounds.LOADS}
    overloads = {name: load_figures(**changes) | {"goodput_of_maximum": 0.9} for name in rounds.OVERLOADS}
    for name in rounds.MAXIMA:
        loads[name]["pgbench_tps_beside"] = 600.0
    return {**dict.fromkeys(PGBENCH_WAYS, 1000.0), **loads, **overloads}


def section(*measured: dict[str, Any], unreadable: int = 0) -> dict[str, Any]:
    return rounds.summary(list(measured), unreadable=unreadable, memory={})


@pytest.mark.parametrize(("quantile", "expected"), [(0.5, 50), (0.95, 95), (0.99, 99), (1.0, 100), (0.0, 1)])
def test_percentiles_are_values_that_were_measured(quantile: float, expected: int) -> None:
    assert expected == percentile(list(range(100, 0, -1)), quantile)


def test_a_spread_is_in_milliseconds_and_empty_without_values() -> None:
    assert {"p50": 2.0, "p95": 3.0, "p99": 3.0, "max": 3.0} == spread_ms([0.003, 0.001, 0.002])
    assert {"p50": None, "p95": None, "p99": None, "max": None} == spread_ms([])


def test_a_slope_is_of_the_line_through_all_points() -> None:
    assert 1.8 == slope([(0, 1), (1, 4), (2, 4), (3, 7)])
    assert slope([(1, 5), (1, 6)]) is None


def test_medians_have_the_shape_of_a_round() -> None:
    measured = [
        {"tps": 3.0, "ack_ms": {"p95": 7.0}},
        {"tps": 1.0, "ack_ms": {"p95": None}},
        {"tps": 2.0, "ack_ms": {"p95": 9.0}},
    ]

    assert {"tps": 2.0, "ack_ms": {"p95": None}} == medians(measured)


def test_a_ratio_to_nothing_is_none() -> None:
    assert 0.25 == ratio(1, 4)
    assert ratio(1, 0) is None
    assert ratio(None, 4) is None


def test_the_tps_of_pgbench_are_found() -> None:
    assert 16012.5 == tps_in("latency average = 2.0 ms\ntps = 16012.5 (without initial connection time)\n")
    with pytest.raises(StackError):
        tps_in("pgbench: error")


def test_every_webhook_is_of_its_own_and_in_the_order_of_its_call() -> None:
    sent = [json.loads(webhook.body)["message"] for webhook in islice(webhooks(first_call=0), 4000)]
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
    told = sizes(list(islice(webhooks(first_call=0), 3000)))

    assert 3000 == sum(one["count"] for one in told.values())
    assert told["end-of-call-report"]["mean_bytes"] > told["status-update"]["mean_bytes"]


def test_every_tool_call_has_an_id_of_its_own() -> None:
    asked = [json.loads(tool_calls_body(call_id=f"call-{number}"))["message"] for number in range(3)]

    assert ["call-0", "call-1", "call-2"] == [message["call"]["id"] for message in asked]
    assert 3 == len({message["toolCallList"][0]["id"] for message in asked})


def test_the_stock_goes_on_when_what_was_prepared_is_used_up() -> None:
    stock = Stock(path="/hooks", host="localhost", secret="secret").webhooks(first_call=0, prepared=5)
    items = list(islice(stock, 20))

    assert 20 == len({item.mark for item in items})
    assert all(item.mark == mark_of(item.request.partition(b"\r\n\r\n")[2]) for item in items)


def test_only_an_answer_with_a_price_is_a_quote() -> None:
    def answer(result: dict[str, Any]) -> bytes:
        return b"HTTP/1.1 200 OK\r\n\r\n" + json.dumps({"results": [result]}).encode()

    assert is_quote(
        answer(
            {"toolCallId": "1", "result": json.dumps({"min": 350, "max": 525})},
        )
    )
    assert not is_quote(answer({"toolCallId": "1", "error": "The service is not reachable."}))


def test_an_answer_that_is_not_what_was_asked_for_promises_nothing() -> None:
    """The gateway's fixed answer to a tool call is a 200 of its own: nothing has to be in the ledger."""
    tally = Tally(offered=2)
    tally.settle(Item(b"", b"stored"), 200, 0.1, understood=True)
    tally.settle(Item(b"", b"fallback"), 200, 0.1, understood=False)

    assert ([b"stored"], 1, 0) == (tally.acked, tally.wrong, tally.pending)


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


def test_ratios_are_medians_of_the_rounds_own() -> None:
    slow, fast = one_round(), one_round()
    slow["gateway_maximum"] |= {"acked_per_second": 300.0, "pgbench_tps_beside": 500.0}
    fast["gateway_maximum"] |= {"acked_per_second": 600.0, "pgbench_tps_beside": 2000.0}

    ratios = section(slow, one_round(), fast)["ratios"]

    assert 0.6 == ratios["gateway_maximum_to_pgbench"]
    assert 0.5 == ratios["gateway_maximum_to_pgbench_prepared"]
    assert 1.0 == ratios["gateway_maximum_to_plain"]


def test_a_lost_webhook_makes_the_figures_worthless() -> None:
    found = section(one_round(lost=1), unreadable=2)

    assert "round 1, gateway_maximum: 1 were acked and are not in the ledger" in found["problems"]
    assert "2 webhooks became part of no call" in found["problems"]
    assert [] == section(one_round())["problems"]


def test_no_ack_at_all_is_a_figure_of_an_overload_only() -> None:
    silent = one_round() | {"gateway_overload": load_figures(acked=0) | {"goodput_of_maximum": 0.0}}
    broken = one_round()
    broken["envoy_maximum"] |= {"acked": 0}

    assert [] == section(silent)["problems"]
    assert ["round 1, envoy_maximum: nothing was acked"] == section(broken)["problems"]


def test_each_wanted_figure_is_found_and_held_against_its_limit() -> None:
    told = {one.what: one for one in report.comparisons({"intake": section(one_round())})}

    assert len(INTAKE) == len(told)
    assert None not in {one.measured for one in told.values()}
    assert not told["gateway maximum, times the plain handler"].reached
    assert told["gateway maximum, of `pgbench -c 32`"].reached
    assert told["1,000/s through Envoy: ack p95"].reached


def test_what_was_not_measured_is_not_reached_either() -> None:
    one = compared(Wanted(what="calm", find=lambda section: section.get("calm"), limit=3, unit=" s"), {})

    assert ("<= 3 s", None, None) == (one.wanted, one.measured, one.reached)


def test_growth_goes_to_the_number_that_was_asked_for() -> None:
    assert [0, 1_000_000, 10_000_000] == growth.steps(10_000_000)
    assert [0, 50_000] == growth.steps(50_000)
