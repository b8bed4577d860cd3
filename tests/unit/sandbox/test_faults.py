"""How often faults strike."""

import random

import pytest

from deploy.sandbox.faults import FaultBook


@pytest.fixture
def faults() -> FaultBook:
    return FaultBook(random.Random(1))


def test_a_counted_fault_is_used_up(faults: FaultBook) -> None:
    faults.order({"vapi.createCall": {"mode": "http", "count": 2}})

    struck = [faults.strike("vapi.createCall") is not None for _ in range(4)]

    assert [True, True, False, False] == struck
    assert {"faults": {}, "struck": {"vapi.createCall": 2}} == faults.view()


def test_a_fault_without_a_count_strikes_until_cleared(faults: FaultBook) -> None:
    faults.order({"vapi.createCall": {"mode": "reset"}})

    assert all(faults.strike("vapi.createCall") for _ in range(50))
    faults.clear()
    assert faults.strike("vapi.createCall") is None


def test_a_probable_fault_strikes_sometimes(faults: FaultBook) -> None:
    faults.order({"vapi.createCall": {"mode": "http", "probability": 0.5}})

    struck = sum(faults.strike("vapi.createCall") is not None for _ in range(400))

    assert 150 < struck < 250


def test_webhook_faults_cover_as_many_webhooks_as_they_count(faults: FaultBook) -> None:
    faults.order({"webhooks": {"drop": 1.0, "count": 2}})

    assert [1.0, 1.0, 0.0] == [faults.strike_webhook().drop for _ in range(3)]


def test_a_wrong_order_changes_nothing(faults: FaultBook) -> None:
    with pytest.raises(ValueError, match="unknown fault"):
        faults.order({"vapi.createCall": {"mode": "http"}, "nothing": {}})
    with pytest.raises(ValueError, match="mode"):
        faults.order({"vapi.createCall": {"mode": "wrong"}})

    assert {} == faults.view()["faults"]
