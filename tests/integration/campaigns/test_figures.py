"""Figures as the database counts them, the progress stream, and an organization's features and limits."""

import json
import random
import shutil
import time
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import grpc
import grpc.aio
import pytest

from callplane.campaigns.v2 import assistants_pb2, campaigns_pb2, settings_pb2, settings_pb2_grpc
from libs import pg
from libs.rpc.convert import struct, to_dict
from services.campaigns.store import campaigns, stats
from tests.integration.campaigns.conftest import StartService
from tests.integration.campaigns.fake_calls import Script
from tests.integration.campaigns.harness import ORG, OTHER_ORG, Service, contacts_csv, refused
from tests.support.postgres import REPOSITORY, Database

MIGRATIONS = REPOSITORY / "services/campaigns/migrations"
CONTACTS = 10_000
# What the figures must be, counted anew.
RECOUNTED = """
SELECT (SELECT jsonb_object_agg(status, n)
          FROM (SELECT status, count(*) AS n FROM campaigns.contacts WHERE campaign_id = $1 GROUP BY status)
            AS counted) AS contacts,
       count(*) AS attempts, count(*) FILTER (WHERE success_evaluation) AS successful,
       count(success_evaluation) AS evaluated, sum(cost_usd) AS cost, avg(duration_seconds) AS seconds
  FROM campaigns.attempts WHERE campaign_id = $1 AND counts
"""

_CHANGES = (
    "UPDATE campaigns.contacts SET status = 'SKIPPED' WHERE campaign_id = $1 AND row % 5 = 0",
    """
    UPDATE campaigns.attempts SET cost_usd = 1, success_evaluation = NULL
     WHERE campaign_id = $1 AND cost_usd > 0.1
    """,
    """
    UPDATE campaigns.attempts SET counts = false, state = 'REFUSED'
     WHERE campaign_id = $1 AND duration_seconds > 90
    """,
    "DELETE FROM campaigns.attempts WHERE campaign_id = $1 AND duration_seconds < 3",
)


async def update_settings(service: Service, **changes: Any) -> settings_pb2.CampaignSettings:
    stub = settings_pb2_grpc.CampaignSettingsServiceStub(service.peer.channel)
    request = settings_pb2.UpdateCampaignSettingsRequest(**changes)
    return await stub.UpdateCampaignSettings(request, metadata=service.metadata())


async def agree(database: Database, campaign_id: UUID) -> None:
    [row] = await database.fetch(RECOUNTED, campaign_id)
    async with database.pool("campaigns_worker") as pool, pool.acquire() as conn:
        told = (await stats.read(conn, [campaign_id]))[campaign_id]
    counted = json.loads(row["contacts"])
    assert (sum(counted.values()), counted.get("SKIPPED", 0)) == (told.contacts, told.skipped)
    assert (row["attempts"], row["successful"], row["evaluated"], row["cost"]) == (
        told.attempts,
        told.successful,
        told.evaluated,
        told.total_cost_usd,
    )
    assert pytest.approx(row["seconds"]) == told.average_duration_seconds


async def fill(database: Database, *, contacts: int) -> UUID:
    """A campaign with a history, written as plain rows."""
    assistant_id, campaign_id, import_id = uuid4(), uuid4(), uuid4()
    await database.fetch(
        "INSERT INTO campaigns.assistants (id, org_id, name, source, provider, provider_assistant_id, config)"
        " VALUES ($1, $2, 'a', 'LOCAL', 'vapi', $3, '{}')",
        assistant_id,
        ORG,
        str(assistant_id),
    )
    await database.fetch(
        "INSERT INTO campaigns.campaigns (id, org_id, name, mode, cap, assistant_id, phone_number_id,"
        " max_attempts, retry_delay_seconds, status, provider_assistant_id, started_at, total_contacts)"
        " VALUES ($1, $2, 'c', 'CONTINUOUS', 50, $3, 'p', 3, 0, 'RUNNING', 'x', now(), $4)",
        campaign_id,
        ORG,
        assistant_id,
        contacts,
    )
    await database.fetch(
        "INSERT INTO campaigns.imports (id, org_id, campaign_id, default_region, total_rows, accepted,"
        " duplicates, rejected) VALUES ($1, $2, $3, 'CA', $4, $4, 0, 0)",
        import_id,
        ORG,
        campaign_id,
        contacts,
    )
    await database.fetch(
        "INSERT INTO campaigns.contacts (org_id, campaign_id, import_id, row, name, business_name, phone,"
        " status) SELECT $1, $2, $3, n, 'n', 'b', '+1514' || (2000000 + n), 'DONE'"
        " FROM generate_series(1, $4) AS n",
        ORG,
        campaign_id,
        import_id,
        contacts,
    )
    await database.fetch(
        "INSERT INTO campaigns.attempts (org_id, campaign_id, contact_id, number, batch_no, state,"
        " call_status, ended_at, duration_seconds, cost_usd, success_evaluation)"
        " SELECT org_id, campaign_id, id, 1, 0, 'ENDED', 'ENDED', now(), row % 97 + 0.125, row % 13 * 0.01,"
        " row % 3 = 0 FROM campaigns.contacts WHERE campaign_id = $1",
        campaign_id,
    )
    return campaign_id


async def test_figures_of_ten_thousand_contacts_are_read_within_twenty_milliseconds(
    service: Service,
) -> None:
    """CA-6: right after any change, and as fast for ten thousand contacts as for ten."""
    database = service.database
    campaign_id = await fill(database, contacts=CONTACTS)
    await agree(database, campaign_id)
    for statement in _CHANGES:
        await database.fetch(statement, campaign_id)
    await agree(database, campaign_id)

    request = campaigns_pb2.GetCampaignStatsRequest(id=str(campaign_id))
    durations = []
    for _ in range(9):
        began = time.perf_counter()
        await service.campaigns.GetCampaignStats(request, metadata=service.metadata())
        durations.append(time.perf_counter() - began)
    assert sorted(durations)[4] <= 0.020
    plan = await database.fetch("EXPLAIN (FORMAT TEXT) " + stats._FIGURES, [campaign_id])
    assert not [row[0] for row in plan if "Seq Scan on campaign_figures" in row[0]]


async def test_campaigns_from_before_are_counted_by_the_upgrade(
    blank_database: Database, tmp_path: Path
) -> None:
    """CA-6: of every organization, though the owner sees the rows of none."""
    for before in (file for file in MIGRATIONS.glob("*.sql") if file.name < "0004"):
        shutil.copy(before, tmp_path / before.name)
    owner = blank_database.dsn("campaigns_owner")
    await pg.migrate(owner, schema="campaigns", folder=tmp_path)
    campaign_id = await fill(blank_database, contacts=40)

    await pg.migrate(owner, schema="campaigns", folder=MIGRATIONS)

    await agree(blank_database, campaign_id)
    forced = await blank_database.fetch(
        "SELECT relname FROM pg_class WHERE relforcerowsecurity AND relname IN ('contacts', 'attempts')"
        " AND relnamespace = 'campaigns'::regnamespace"
    )
    assert 2 == len(forced)


async def test_figures_hold_through_a_campaign_with_retries_and_refusals(service: Service) -> None:
    """CA-6: counted in the transaction of each change."""
    chance = random.Random(7)
    service.calls.script = lambda _: chance.choice(
        [
            Script(),
            Script(outcome="NO_ANSWER", success=None),
            Script(result="REFUSED", reason="INVALID_NUMBER"),
            Script(success=False, cost_usd="0.0300"),
        ]
    )
    campaign = await service.campaign(contacts=25, cap=5, max_attempts=2, retry_delay_seconds=0)
    await service.start(campaign.id)
    await service.until_status(campaign.id, "COMPLETED")

    async def reported() -> bool:
        [row] = await service.database.fetch(
            "SELECT count(*) FROM campaigns.attempts WHERE state = 'ENDED' AND cost_usd IS NULL"
        )
        return bool(row["count"] == 0)

    await service.eventually(reported)
    done = await service.get(campaign.id)
    assert 25 == done.stats.contacts
    await agree(service.database, UUID(campaign.id))
    usage = await service.assistants.GetAssistantUsage(
        assistants_pb2.GetAssistantUsageRequest(id=campaign.assistant_id), metadata=service.metadata()
    )
    assert (1, 0, done.stats.attempts, done.stats.successful, done.stats.total_cost_usd) == (
        usage.figures.campaigns,
        usage.figures.campaigns_under_way,
        usage.figures.attempts,
        usage.figures.successful,
        usage.figures.total_cost_usd,
    )
    assert [1] == [one.version for one in usage.versions]


async def test_usage_tells_versions_apart_and_organizations_too(service: Service) -> None:
    """AS-5: usage and success per assistant and version."""
    created = await service.assistant(name="Agnes")
    for version in (1, 2):
        campaign = await service.campaign(contacts=version, assistant_id=created.id)
        await service.start(campaign.id)
        await service.until_status(campaign.id, "COMPLETED")
        await service.assistants.UpdateAssistant(
            assistants_pb2.UpdateAssistantRequest(
                id=created.id, config=struct({"firstMessage": f"{version}"})
            ),
            metadata=service.metadata(),
        )
    await service.campaign(assistant_id=created.id)
    await service.campaign(org_id=OTHER_ORG)

    async def reported() -> bool:
        [row] = await service.database.fetch("SELECT count(success_evaluation) FROM campaigns.attempts")
        return bool(row["count"] == 3)

    await service.eventually(reported)
    listed = await service.assistants.ListAssistantUsage(
        assistants_pb2.ListAssistantUsageRequest(), metadata=service.metadata()
    )

    [usage] = [one for one in listed.usage if one.figures.campaigns]
    assert ("Agnes", 3, 3, 3, 1.0) == (
        usage.name,
        usage.figures.campaigns,
        usage.figures.attempts,
        usage.figures.successful,
        usage.figures.success_rate,
    )
    assert [(2, 2), (1, 1)] == [(one.version, one.figures.attempts) for one in usage.versions]


async def watched(service: Service, campaign_id: str) -> AsyncGenerator[campaigns_pb2.CampaignProgress]:
    request = campaigns_pb2.WatchCampaignRequest(id=campaign_id)
    call = service.campaigns.WatchCampaign(request, metadata=service.metadata(), timeout=20)
    try:
        async for progress in call:
            yield progress
    finally:
        call.cancel()


async def test_progress_is_told_until_the_campaign_is_over(start_service: StartService) -> None:
    """CA-6: a stream with a first and a last word, and a limit."""
    async with start_service(progress_seconds=0.02) as service:
        service.calls.script = lambda _: Script(seconds=None)
        campaign = await service.campaign(contacts=2, cap=1)
        told = watched(service, campaign.id)
        first = await anext(told)
        await service.start(campaign.id)
        for made in (1, 2):
            await service.until(lambda: len(service.calls.calls) == made)  # noqa: B023
            await service.calls.end(list(service.calls.calls)[-1])
        rest = [progress async for progress in told]

        assert (campaigns_pb2.Campaign.CREATED, 2) == (first.status, first.stats.pending)
        assert (campaigns_pb2.Campaign.COMPLETED, 0) == (rest[-1].status, rest[-1].stats.pending)
        assert any(one.stats.HasField("estimated_seconds_left") for one in rest)
        waiting = await service.campaign()
        open_streams = [watched(service, waiting.id) for _ in range(20)]
        for stream in open_streams:
            await anext(stream)
        refusal = await refused(anext(watched(service, waiting.id)))
        assert (grpc.StatusCode.RESOURCE_EXHAUSTED, "TOO_MANY_WATCHERS") == (refusal.code, refusal.reason)
        for stream in open_streams:
            await stream.aclose()

        async def admitted() -> bool:
            stream = watched(service, waiting.id)
            try:
                return (await anext(stream)).campaign_id == waiting.id
            except grpc.aio.AioRpcError:
                return False
            finally:
                await stream.aclose()

        await service.eventually(admitted)


async def test_settings_are_kept_per_organization_and_guarded(service: Service) -> None:
    """CA-8: read and changed; 0 brings back a default; each field has its reason."""
    stub = settings_pb2_grpc.CampaignSettingsServiceStub(service.peer.channel)
    changed = await update_settings(service, max_concurrent_calls=5, cost_tracking=False)
    refusal = await refused(update_settings(service, etag="0", cost_tracking=True))
    assert (grpc.StatusCode.ABORTED, "ETAG_MISMATCH") == (refusal.code, refusal.reason)
    refusal = await refused(update_settings(service, max_file_upload_size=1000, cron_cadence_seconds=2))
    assert grpc.StatusCode.INVALID_ARGUMENT == refusal.code
    back = await update_settings(service, etag=changed.etag, max_concurrent_calls=0)
    other = await stub.GetCampaignSettings(
        settings_pb2.GetCampaignSettingsRequest(), metadata=service.metadata(OTHER_ORG)
    )

    assert (5, False, True) == (
        changed.max_concurrent_calls,
        changed.cost_tracking,
        changed.strict_batching,
    )
    assert (50, False) == (back.max_concurrent_calls, back.cost_tracking)
    assert (50, True, "0") == (other.max_concurrent_calls, other.cost_tracking, other.etag)


async def test_features_and_limits_take_effect(service: Service) -> None:
    """CA-8: what is switched off or beyond the limit is refused with its name, or left out."""
    batch = await service.campaign(contacts=1, mode=campaigns_pb2.Campaign.BATCH, cap=3)
    await update_settings(
        service,
        max_concurrent_calls=2,
        max_campaign_size=3,
        max_file_upload_size=1024,
        strict_batching=False,
        export_functionality=False,
        cost_tracking=False,
        transcript_analysis=False,
    )
    export = service.assistants.ExportAssistants(
        assistants_pb2.ExportAssistantsRequest(), metadata=service.metadata()
    )
    campaign = await service.campaign()
    refusals = [
        await refused(service.campaign(mode=campaigns_pb2.Campaign.BATCH)),
        await refused(service.start(batch.id)),
        await refused(service.export(campaign.id)),
        await refused(anext(aiter(export))),
        await refused(service.campaign(cap=3)),
        await refused(service.update(campaign.id, cap=3)),
        await refused(service.load(campaign.id, contacts_csv(4))),
        await refused(service.load(campaign.id, contacts_csv(3) + b" " * 1024)),
    ]

    assert 2 == campaign.cap
    assert ["strictBatching"] * 2 + ["exportFunctionality"] * 2 == [
        one.metadata.get("feature") for one in refusals[:4]
    ]
    assert ["maxConcurrentCalls"] * 2 + ["maxCampaignSize"] == [
        one.metadata.get("limit_name") for one in refusals[4:7]
    ]
    assert "CONTACTS_FILE_TOO_LARGE" == refusals[7].reason
    await service.load(campaign.id, contacts_csv(3))
    await service.start(campaign.id)
    done = await service.until_status(campaign.id, "COMPLETED")
    assert (False, False) == (
        done.stats.HasField("total_cost_usd"),
        done.stats.HasField("average_cost_usd"),
    )
    [call] = list(service.calls.calls.values())[:1]
    plan = to_dict(call.request.assistant_overrides)["analysisPlan"]
    assert {"enabled": False} == plan["summaryPlan"] == plan["successEvaluationPlan"]


async def test_without_line_health_nobody_waits_for_a_quiet_line(service: Service) -> None:
    """CA-8: a campaign that would wait dials as soon as the feature is off."""
    service.calls.others_on_line = 1
    campaign = await service.campaign(contacts=1, line_quiet=True)
    await service.start(campaign.id)
    await update_settings(service, phone_line_health_check=False)

    done = await service.until_status(campaign.id, "COMPLETED")

    assert 1 == done.stats.attempts


async def test_a_shorter_cadence_is_the_dispatchers(service: Service) -> None:
    """CA-8: campaigns under way are looked at again in time, though the server's own tick is far away."""
    await update_settings(service, cron_cadence_seconds=30)
    service.calls.script = lambda _: Script(seconds=None)
    campaign = await service.campaign(contacts=1)
    await service.start(campaign.id)
    await service.until(lambda: len(service.calls.calls) == 1)
    async with service.database.pool("campaigns_worker") as pool, pool.acquire() as conn:
        now = await campaigns.read_clock(conn)
        seconds = await campaigns.seconds_until_due(conn, since=now)

    assert seconds is not None
    assert 25 < seconds <= 30
