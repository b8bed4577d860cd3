"""What is asked for each dial is found by index, however many contacts a campaign has and however many of
them wait."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from services.campaigns.domain.contactability import FrequencyCap, Rules
from services.campaigns.operations.contactability import Choice, choose
from services.campaigns.store import attempts, campaigns, contacts, slots, verdicts
from tests.integration.calls.plans import plans
from tests.integration.campaigns.harness import ORG
from tests.support.postgres import Cluster, Database

Ask = Callable[[Any], Awaitable[object]]

# One in the middle of its day, one whose contacts all wait for the morning.
BY_DAY = UUID(int=1)
BY_NIGHT = UUID(int=2)
CONTACT = UUID(int=BY_DAY.int * 100_000 + 7)
NOW = datetime.now(UTC)
READ_MAX = 1000

# Of each campaign's 10,000 contacts 6,000 were called twice, in batches of 50, and 50 are on the phone.
_FILL = """
SET session_replication_role = replica;
INSERT INTO campaigns.assistants (id, org_id, name, source, provider, provider_assistant_id, config)
VALUES ('{by_day}', '{org}', 'Caller', 'LOCAL', 'vapi', 'assistant', '{{}}');
INSERT INTO campaigns.campaigns (
       id, org_id, name, mode, cap, assistant_id, phone_number_id, max_attempts, retry_delay_seconds, status,
       provider_assistant_id, started_at)
SELECT ('00000000-0000-0000-0000-' || lpad(to_hex(number), 12, '0'))::uuid, '{org}', 'Spring', 'BATCH', 50,
       '{by_day}', 'phone-1', 3, 0, 'RUNNING', 'assistant', now()
  FROM generate_series(1, 2) AS number;
INSERT INTO campaigns.contacts (
       id, org_id, campaign_id, import_id, row, name, business_name, phone, status, attempts, attempt_id,
       next_attempt_at, wait_reason)
SELECT contact.id, '{org}', campaign.id, campaign.id, number, 'Person', '', '+1514' || 2000000 + number,
       contact.status, 2, CASE contact.status WHEN 'ACTIVE' THEN contact.id END,
       CASE WHEN contact.status = 'PENDING' AND (campaign.id = '{by_night}' OR number > 6100)
            THEN now() + interval '9 hours' + number * interval '1 second' END,
       CASE WHEN contact.status = 'PENDING' THEN 'OUTSIDE_CALLING_HOURS' ELSE '' END
  FROM campaigns.campaigns AS campaign, generate_series(1, 10000) AS number,
       LATERAL (SELECT ('00000000-0000-0000-0000-' || lpad(
                           to_hex(CASE campaign.id WHEN '{by_day}' THEN 1 ELSE 2 END * 100000 + number),
                           12, '0'))::uuid AS id,
                       CASE WHEN number <= 6000 THEN 'DONE' WHEN number <= 6050 THEN 'ACTIVE'
                            ELSE 'PENDING' END AS status) AS contact;
INSERT INTO campaigns.attempts (
       org_id, campaign_id, contact_id, number, batch_no, state, call_status, check_at, ended_at)
SELECT '{org}', campaign_id, id, number, number * 120 + row / 50, 'ENDED', 'ENDED', NULL, now()
  FROM campaigns.contacts, generate_series(1, 2) AS number
 WHERE status = 'DONE';
INSERT INTO campaigns.attempts (id, org_id, campaign_id, contact_id, number, batch_no, state, check_at)
SELECT id, '{org}', campaign_id, id, 1, 361, 'PLACED', now() + interval '10 minutes'
  FROM campaigns.contacts
 WHERE status = 'ACTIVE';
INSERT INTO campaigns.slots (campaign_id, slot_no, org_id, attempt_id)
SELECT campaign_id, row - 6000, '{org}', id FROM campaigns.contacts WHERE status = 'ACTIVE' AND row > 6001;
INSERT INTO campaigns.slots (campaign_id, slot_no, org_id) SELECT id, 1, '{org}' FROM campaigns.campaigns;
"""

ASKED: dict[str, tuple[Ask, str]] = {
    "campaigns that may dial": (lambda conn: campaigns.list_dialable(conn, limit=50), "contacts_due"),
    "who is due by day": (lambda conn: contacts.list_due(conn, BY_DAY, limit=1), "contacts_due"),
    "when somebody is due": (lambda conn: campaigns.seconds_until_due(conn, since=NOW), "contacts_due"),
    "whether anybody is left": (lambda conn: contacts.any_open(conn, BY_NIGHT), "contacts_"),
    "the batch": (lambda conn: attempts.count_batch(conn, BY_DAY, batch_no=200), "attempts_by_batch"),
    "how often a number was called": (
        lambda conn: verdicts.read_facts(
            conn, [CONTACT], cap=FrequencyCap(contacts_max=3, period=timedelta(days=7)), now=NOW
        ),
        "contacts_by_phone",
    ),
    "what to look after": (
        lambda conn: attempts.claim_checks(conn, limit=20, again_in_seconds=15.0),
        "attempts_to_check",
    ),
    "slots that may be wrong": (lambda conn: slots.list_suspect_campaigns(conn, limit=50), "attempts_"),
    "contacts nobody looks after": (lambda conn: attempts.watch_stranded(conn, limit=50), "contacts_active"),
}


@pytest.fixture(scope="module")
async def filled(cluster: Cluster, migrated_template: str) -> AsyncIterator[Database]:
    name = f"{migrated_template}_dialing_plans"
    await cluster.create(name, template=migrated_template)
    database = Database(cluster=cluster, name=name)
    try:
        await database.execute(_FILL.format(org=ORG, by_day=BY_DAY, by_night=BY_NIGHT))
        await database.execute("VACUUM ANALYZE")
        yield database
    finally:
        await cluster.drop(name)


@pytest.mark.parametrize("name", ASKED)
async def test_what_each_dial_asks_is_found_by_index(filled: Database, name: str) -> None:
    """DA-1, CA-3."""
    ask, index = ASKED[name]

    found = await plans(filled, "campaigns_worker", ask, org_id=None)

    assert any(one.startswith(index) for plan in found for one in plan.indexes), found
    assert not [plan for plan in found if plan.scanned & {"contacts", "attempts"}], found
    assert sum(plan.read for plan in found) <= READ_MAX, found


async def test_a_list_nobody_of_whom_may_be_called_is_passed_in_few_statements(filled: Database) -> None:
    """CA-5: not one by one, because other campaigns wait for their turn meanwhile."""

    async def ask(conn: Any) -> None:
        locked = await campaigns.lock(conn, BY_DAY)
        assert locked is not None
        found = await choose(conn, locked, Rules(max_attempts=3, consent_required=True))
        assert Choice(None, more=True) == found

    # The lock; of each of three batches who is due, their facts, what became of them and the events.
    statements = await plans(filled, "campaigns_worker", ask, org_id=None)

    assert len(statements) <= 16
