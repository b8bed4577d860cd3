"""Placing and reconciling together with the fold of webhooks: both write the same rows."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from services.calls.domain.placement import ProviderCall
from services.calls.domain.webhooks import IncomingWebhook
from services.calls.operations.fold import Fold
from services.calls.operations.ingest import Ingest
from services.calls.operations.reconciliation import Patience, Reconciliation
from services.calls.operations.record import Record
from services.calls.operations.rule_books import RuleBooks
from tests.integration.calls_provider.conftest import ORG, House, order


class Folding:
    def __init__(self, house: House, pool: Any) -> None:
        self.ingest = Ingest(pool, provider="vapi")
        self._fold = Fold(pool, Record(RuleBooks()))
        self.reconciliation = Reconciliation(
            pool,
            house.providers,
            feed=self.ingest.feed,
            patience=Patience(post_seconds=20, settle_seconds=120, stuck_seconds=600, grace_seconds=60),
        )

    async def fold(self) -> None:
        while await self._fold.step():
            pass

    async def webhook(self, call: ProviderCall, *, source_id: UUID = ORG, **message: Any) -> None:
        """As the provider sends it: with a snapshot of the call from its creation."""
        snapshot = {**call.document, "status": "queued"}
        body = {"message": {"timestamp": 1_795_000_000_000, "call": snapshot, **message}}
        webhook = IncomingWebhook(
            source_id=source_id,
            org_id=ORG,
            provider="vapi",
            body=json.dumps(body).encode(),
            received_at=datetime.now(UTC),
            traceparent="",
        )
        await self.ingest.ingest([webhook])
        await self.fold()


async def test_a_webhook_that_overtakes_the_answer_places_the_call_once(house: House) -> None:
    """V10: whichever is first, the call is one."""
    async with house.database.pool("calls_worker") as pool:
        folding = Folding(house, pool)

        async def overtake(call: ProviderCall) -> None:
            await folding.webhook(call, type="status-update", status="in-progress")

        house.provider.before_answer = overtake
        wanted = order()

        placement = await house.placements.place(wanted, org_id=ORG)

    assert placement.result == "PLACED"
    (call,) = await house.database.fetch("SELECT id, placement, status FROM calls.calls")
    assert (call["id"], call["placement"], call["status"]) == (wanted.call_id, "PLACED", "IN_PROGRESS")
    assert await house.events() == ["placed", "started"]
    assert await house.lines_in_use() == 1


async def test_a_call_that_another_row_follows_was_made_and_counts(house: House) -> None:
    """V10: the webhook that overtakes the answer does not say whose call it is; who was called is not called
    again as if nobody had."""
    async with house.database.pool("calls_worker") as pool:
        folding = Folding(house, pool)

        async def overtake(call: ProviderCall) -> None:
            nameless = replace(call, document={"id": call.id, "type": "outboundPhoneCall"})
            await folding.webhook(nameless, type="status-update", status="in-progress")

        house.provider.before_answer = overtake
        wanted = order()
        placement = await house.placements.place(wanted, org_id=ORG)
        assert placement.result == "UNKNOWN"
        (made,) = house.provider.calls
        house.provider.change(made, status="ended", endedReason="customer-ended-call")
        await house.age(wanted.call_id, 30)

        assert await folding.reconciliation.settle_placements() == 1

    call = await house.call(wanted.call_id)
    assert ("FAILED", "FOUND_ELSEWHERE", False) == (
        call["status"],
        call["placement_reason"],
        call["placement_infrastructure"],
    )
    assert await house.lines_in_use() == 0


async def test_a_whole_call_that_overtakes_the_answer_leaves_no_line_behind(house: House) -> None:
    async with house.database.pool("calls_worker") as pool:
        folding = Folding(house, pool)

        async def overtake(call: ProviderCall) -> None:
            await folding.webhook(
                call, type="status-update", status="ended", endedReason="customer-did-not-answer"
            )

        house.provider.before_answer = overtake

        placement = await house.placements.place(order(), org_id=ORG)

    assert placement.result == "PLACED"
    assert await house.lines_in_use() == 0
    assert (await house.events())[0] == "placed"
    assert (await house.events()).count("placed") == 1


async def test_a_webhook_settles_an_unknown_placement_and_the_reconciler_has_nothing_left(
    house: House,
) -> None:
    house.provider.fail_next("reset", call_made=True)
    wanted = order()
    await house.placements.place(wanted, org_id=ORG)
    async with house.database.pool("calls_worker") as pool:
        folding = Folding(house, pool)
        (made,) = house.provider.calls.values()
        await folding.webhook(made, type="status-update", status="ringing")

        assert await folding.reconciliation.settle_placements() == 0

    call = await house.call(wanted.call_id)
    assert (call["placement"], call["provider_call_id"]) == ("PLACED", made.id)
    assert await house.events() == ["placed"]


async def test_a_silent_call_that_ended_goes_through_ledger_and_fold(house: House) -> None:
    wanted = order()
    await house.placements.place(wanted, org_id=ORG)
    (made,) = house.provider.calls
    house.provider.change(
        made,
        status="ended",
        endedReason="customer-ended-call",
        cost=0.0815,
        messages=[{"role": "user", "message": "Oui bonjour", "time": 1_795_000_000_000}],
        artifact={"messages": [{"role": "user", "message": "Oui bonjour", "time": 1_795_000_000_000}]},
    )
    await house.age(wanted.call_id, 700)
    async with house.database.pool("calls_worker") as pool:
        folding = Folding(house, pool)
        assert await folding.reconciliation.follow_up() == 1
        await folding.fold()

    call = await house.call(wanted.call_id)
    assert (call["status"], call["ended_reason"], str(call["cost_usd"])) == (
        "ENDED",
        "customer-ended-call",
        "0.0815",
    )
    assert await house.lines_in_use() == 0
    assert {"ended", "reported"} <= set(await house.events())


async def test_a_canceled_call_becomes_canceled_once_the_provider_says_so(house: House) -> None:
    wanted = order()
    await house.placements.place(wanted, org_id=ORG)
    (made,) = house.provider.calls
    await house.placements.cancel(wanted.call_id, org_id=ORG)
    async with house.database.pool("calls_worker") as pool:
        folding = Folding(house, pool)
        await folding.webhook(
            house.provider.calls[made], type="status-update", status="ended", endedReason="manually-canceled"
        )

    assert (await house.call(wanted.call_id))["status"] == "CANCELED"
    assert await house.lines_in_use() == 0


async def test_what_we_closed_stays_closed_when_the_provider_speaks_late(house: House) -> None:
    house.provider.fail_next("timeout", call_made=True)
    wanted = order()
    await house.placements.place(wanted, org_id=ORG)
    house.provider.hidden = set(house.provider.calls)
    for _ in range(3):
        await house.reconciliation.settle_placements()
        await house.age(wanted.call_id, 80)
    (made,) = house.provider.calls.values()
    async with house.database.pool("calls_worker") as pool:
        await Folding(house, pool).webhook(made, type="status-update", status="in-progress")

    call = await house.call(wanted.call_id)
    assert (call["status"], call["placement"], call["provider_call_id"]) == ("FAILED", "PLACED", made.id)
    assert await house.events() == ["failed"]
