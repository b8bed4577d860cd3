"""Webhooks of the ledger through the fold again."""

from datetime import UTC, datetime, timedelta

import grpc
import pytest

from callplane.calls.v2 import intake_pb2
from libs.rpc import convert
from services.calls.operations import reading
from tests.integration.calls.harness import OTHER_ORG, House, Service
from tests.support.vapi_messages import NASTY, message, report, status_update, whole_call


async def replayed(service: Service, **fields: object) -> intake_pb2.ReplayProviderEventsResponse:
    request = intake_pb2.ReplayProviderEventsRequest(**fields)  # type: ignore[arg-type]
    return await service.ledger.ReplayProviderEvents(request, metadata=service.as_org())


async def waiting(house: House) -> list[str]:
    """The types of what waits for its replay, in order."""
    rows = await house.database.fetch(
        """
        SELECT entry.type FROM calls.replays AS replay
          JOIN calls.provider_events AS entry ON entry.id = replay.provider_event_id
         ORDER BY replay.position
        """
    )
    return [row["type"] for row in rows]


@pytest.fixture
async def still(house: House) -> House:
    """A folder that takes nothing: its place is held."""
    await house.database.execute("UPDATE calls.leases SET holder = uuidv7(), expires_at = now() + '1 hour'")
    await house.database.execute(
        "INSERT INTO calls.leases VALUES ('folder', uuidv7(), now() + interval '1 hour')"
    )
    return house


async def test_each_form_queues_what_it_names(still: House, service: Service) -> None:
    """IN-2: by id, by range, by type, only what could not be read."""
    before, now = datetime.now(UTC) - timedelta(days=2), datetime.now(UTC)
    await still.post(status_update("c-1", "ringing", at=0), at=before)
    await still.post(report("c-1"), message("hang", "c-1"), NASTY["not json"], at=now)
    await still.fold_all()
    rows = await still.database.fetch("SELECT id, type FROM calls.provider_events")
    ids = {row["type"]: str(row["id"]) for row in rows}
    forms: list[tuple[dict[str, object], list[str]]] = [
        ({"ids": [ids["hang"]]}, ["hang"]),
        ({"until": convert.timestamp(now - timedelta(days=1))}, ["status-update"]),
        ({"type": "end-of-call-report"}, ["end-of-call-report"]),
        ({"since": convert.timestamp(now - timedelta(days=1)), "type": "hang"}, ["hang"]),
        ({"unparsed_only": True}, [""]),
        ({"unparsed_only": True, "type": "hang"}, []),
    ]
    for fields, expected in forms:
        answer = await replayed(service, **fields)

        assert (len(expected), expected, "") == (answer.queued, await waiting(still), answer.next_page_token)
        await still.database.execute("DELETE FROM calls.replays")


async def test_a_long_period_is_queued_piece_by_piece_and_its_progress_shows(
    still: House, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """IN-2: large ranges in bounded slices, each webhook once."""
    monkeypatch.setattr(reading, "_REPLAYS_MAX", 4)
    await still.told(*whole_call("c-1"))
    queued, pieces, token = 0, 0, ""
    while pieces == 0 or token:
        since = convert.timestamp(datetime.now(UTC) - timedelta(days=1))
        answer = await replayed(service, since=since, page_token=token)
        queued, pieces, token = queued + answer.queued, pieces + 1, answer.next_page_token

    asked = intake_pb2.GetReplayProgressRequest()
    progress = await service.ledger.GetReplayProgress(asked, metadata=service.as_org())
    others = await service.ledger.GetReplayProgress(asked, metadata=service.as_org(OTHER_ORG))

    assert (10, 3, 10, 0) == (queued, pieces, progress.waiting, others.waiting)
    assert progress.HasField("oldest_requested_at")
    said = await still.events()
    await still.fold_all()
    progress = await service.ledger.GetReplayProgress(asked, metadata=service.as_org())
    assert (0, said, 10) == (progress.waiting, await still.events(), await still.count("call_events"))


async def test_nobody_replays_by_accident(service: Service) -> None:
    """IN-2: a request that names nothing is refused."""
    with pytest.raises(grpc.RpcError, match="Name webhooks"):
        await replayed(service)
