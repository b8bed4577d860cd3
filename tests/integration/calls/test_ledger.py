"""The ledger: what was acknowledged is there, once."""

import asyncio
from typing import Any
from uuid import UUID

import pytest

from libs import failpoints
from libs.pg import transaction
from services.calls.operations.reading import Reading
from services.calls.store import ledger
from tests.integration.calls.harness import ORG, OTHER_ORG, House
from tests.support.vapi_messages import message, status_update, whole_call


async def test_a_batch_can_be_repeated(house: House) -> None:
    bodies = whole_call("c-1")

    assert [10, 0] == [await house.post(*bodies), await house.post(*bodies)]
    assert 10 == await house.count("provider_events")


async def test_a_batch_may_hold_the_same_webhook_twice(house: House) -> None:
    body = status_update("c-1", "ringing", at=0)

    assert 1 == await house.post(body, body, body)


async def test_concurrent_deliveries_are_stored_once(house: House) -> None:
    """Batches that share webhooks in different orders wait for one another; none is refused."""
    bodies = [message("hang", f"c-{number}", at=number) for number in range(100)]

    stored = await asyncio.gather(
        *(house.post(*bodies[start:], *bodies[:start]) for start in (0, 25, 50, 75))
    )

    assert 100 == sum(stored) == await house.count("provider_events")


@pytest.mark.parametrize("body", [b"", b"\x00\xff", b"{"])
async def test_any_bytes_are_kept_as_they_are(house: House, body: bytes) -> None:
    await house.post(body)

    rows = await house.database.fetch("SELECT body, type FROM calls.provider_events")
    assert [(body, "")] == [(row["body"], row["type"]) for row in rows]


async def test_without_a_commit_nothing_is_acknowledged(house: House) -> None:
    failpoints.configure("ingest.before_commit=error")

    with pytest.raises(failpoints.FailpointError):
        await house.post(status_update("c-1", "ringing", at=0))

    assert 0 == await house.count("provider_events") + await house.count("provider_event_keys")


async def test_the_ledger_refuses_changes(house: House) -> None:
    await house.post(status_update("c-1", "ringing", at=0))

    for change in ("UPDATE calls.provider_events SET type = 'x'", "DELETE FROM calls.provider_events"):
        with pytest.raises(Exception, match="append-only"):
            await house.database.execute(change)


async def test_what_we_learn_otherwise_is_fed_into_the_ledger(house: House) -> None:
    await house.ingest.feed(ORG, status_update("c-1", "in-progress", at=1))
    await house.fold_all()

    assert "IN_PROGRESS" == (await house.call("c-1"))["status"]


async def test_what_became_of_webhooks_is_listed_by_state(house: House) -> None:
    reading = Reading(house.request_pool)

    async def listed(state: str | None, *, org_id: UUID = ORG, **page: Any) -> list[tuple[str, str]]:
        filters = {"message_type": None, "provider_call_id": None, "before": None, "limit": 10}
        found = await reading.list_provider_events(org_id, state=state, **{**filters, **page})
        return [(row.provider_call_id, row.state) for row in found]

    await house.told(status_update("c-1", "ringing", at=0), b'{"message": {"type": "hang"}}')
    await house.post(status_update("c-2", "ringing", at=1))
    await house.post(status_update("c-3", "ringing", at=2))
    [newest] = await reading.list_provider_events(
        ORG, message_type=None, provider_call_id=None, state="PENDING", before=None, limit=1
    )

    assert [("c-3", "PENDING"), ("c-2", "PENDING")] == await listed("PENDING")
    assert [("c-2", "PENDING")] == await listed("PENDING", before=(newest.received_at, newest.id))
    assert [("c-2", "PENDING")] == await listed("PENDING", provider_call_id="c-2")
    assert [("", "UNPARSED")] == await listed("UNPARSED")
    assert [("c-1", "FOLDED")] == await listed("FOLDED")
    assert ["PENDING", "PENDING"] == [state for _, state in (await listed(None))[:2]]
    assert [] == await listed("PENDING", org_id=OTHER_ORG) + await listed("UNPARSED", org_id=OTHER_ORG)

    await house.fold_all()

    assert [] == await listed("PENDING")
    assert [("c-3", "FOLDED"), ("c-2", "FOLDED"), ("c-1", "FOLDED")] == await listed("FOLDED")


async def test_transactions_are_read_in_the_order_of_numbers_not_of_their_digits(house: House) -> None:
    """As text, 10 comes before 9: the place after a page would be in the middle of it."""
    await house.post(*(status_update(f"c-{number}", "ringing", at=number) for number in range(4)))
    await house.database.execute(
        """
        SET session_replication_role = replica;
        UPDATE calls.provider_events SET xid = (8 + right(provider_call_id, 1)::integer)::text::xid8
        """
    )

    async with transaction(house.worker_pool) as conn:
        entries, first = await ledger.read_after(conn, ledger.Place(xid="0", position=0), limit=3)
        rest, last = await ledger.read_after(conn, first, limit=3)

    assert (3, "10") == (len(entries), first.xid)
    assert (1, "11") == (len(rest), last.xid)
