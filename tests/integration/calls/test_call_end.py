"""The end of a call is one transaction: whatever fails in it, nothing is half done, and it is done again."""

from typing import Any

import pytest

from libs import failpoints
from libs.errors import ServiceError
from libs.pg import transaction
from services.calls.store import foldings
from tests.integration.calls.harness import ORG, House
from tests.support.vapi_messages import STRUCTURED, whole_call

PACK = "drain_cleaning_quebec"
# Every table that the end of a call is written to.
WRITTEN = ("calls", "call_events", "transcripts", "lines", "leads", "outbox", "foldings")
# What the database says when it cannot at the moment: full disk, deadlock, canceled statement.
PASSING = ("53100", "40P01", "57014")


@pytest.fixture
async def begun(house: House) -> House:
    """A call that is under way, with a line, and the webhooks of its end in the ledger."""
    await house.rules.install_pack(ORG, PACK)
    await house.database.execute(
        f"""
        INSERT INTO calls.provider_accounts (id, org_id, name, provider, lines)
        VALUES ('{ORG}', '{ORG}', 'main', 'vapi', 1);
        INSERT INTO calls.lines (org_id, account_id, line_no) VALUES ('{ORG}', '{ORG}', 1);
        """  # noqa: S608
    )
    *before, ended, report = whole_call("c-1", structured_data=STRUCTURED)
    await house.told(*before)
    await house.post(ended, report)
    return house


async def break_writes(house: House, table: str, *, code: str) -> None:
    """Every change of a table fails from now on."""
    await house.database.execute(
        f"""
        CREATE FUNCTION public.fail() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '{code}'; END $$;
        CREATE TRIGGER a_failure BEFORE INSERT OR UPDATE ON calls.{table}
            FOR EACH ROW EXECUTE FUNCTION public.fail();
        """
    )


async def mend(house: House) -> None:
    await house.database.execute("DROP FUNCTION public.fail() CASCADE")


async def state(house: House) -> dict[str, list[Any]]:
    """Everything that the end of a call touches."""
    return {
        table: await house.database.fetch(
            f"SELECT row_to_json(t)::text FROM calls.{table} AS t ORDER BY 1"  # noqa: S608
        )
        for table in WRITTEN
    }


async def assert_ended_once(house: House) -> None:
    call = await house.call("c-1")
    [lead] = await house.database.fetch("SELECT * FROM calls.leads")
    said = await house.events()
    in_use = await house.database.fetch("SELECT count(*) FROM calls.lines WHERE call_id IS NOT NULL")
    assert ("ENDED", "P1", call["ended_at"], "Jean Tremblay") == (
        call["status"],
        call["priority"],
        call["sla_due_at"],
        call["customer_name"],
    )
    assert (call["id"], "P1", call["sla_due_at"]) == (lead["call_id"], lead["priority"], lead["sla_due_at"])
    assert [1, 1, 1] == [said.count(name) for name in ("call.ended", "call.reported", "lead.created")]
    assert (10, 0) == (await house.count("call_events"), in_use[0]["count"])


@pytest.mark.parametrize("table", WRITTEN)
async def test_a_statement_that_fails_leaves_nothing_half_done(begun: House, table: str) -> None:
    """IN-8: call, priority, SLA, customer fields, lead, line and outbox are written together or not at
    all, at whichever statement the database gives up, and the next step writes them."""
    before = await state(begun)
    for code in PASSING:
        await break_writes(begun, table, code=code)
        with pytest.raises(ServiceError):
            await begun.fold.step()
        await mend(begun)
        assert before == await state(begun)

    await begun.fold_all()

    await assert_ended_once(begun)


async def test_a_failure_before_the_commit_leaves_nothing_half_done(begun: House) -> None:
    """IN-8: also when everything but the commit was done."""
    before = await state(begun)
    failpoints.configure("calls.before_commit=error")
    with pytest.raises(failpoints.FailpointError):
        await begun.fold.step()
    failpoints.configure("")
    assert before == await state(begun)

    await begun.fold_all()

    await assert_ended_once(begun)


async def test_a_failure_after_the_commit_repeats_nothing(begun: House) -> None:
    """IN-8: what is committed is not done again."""
    failpoints.configure("calls.after_commit=error#1")
    await begun.fold.step()
    failpoints.configure("")

    await begun.fold_all()

    await assert_ended_once(begun)


async def test_a_lead_that_cannot_be_written_holds_back_its_report_only(begun: House) -> None:
    """IN-8: a failure that would come again leaves the report whole in the ledger, and with its replay
    everything that follows from it is there."""
    await break_writes(begun, "leads", code="23514")
    await begun.told(*whole_call("c-2")[:2])

    call = await begun.call("c-1")
    assert ("ENDED", None, None) == (call["status"], call["reported_at"], call["priority"])
    assert ("IN_PROGRESS", 1) == ((await begun.call("c-2"))["status"], await begun.count("unparsed_events"))
    await mend(begun)
    async with transaction(begun.request_pool, org_id=ORG) as conn:
        await foldings.queue_replays(
            conn, since=None, until=None, message_type="end-of-call-report", limit=500
        )
    await begun.fold_all()
    assert 0 == await begun.count("unparsed_events")
    assert ["lead.created"] == [name for name in await begun.events() if name.startswith("lead")]
    assert "P1" == (await begun.call("c-1"))["priority"]
