"""`calls` without its servers: operations on a real database, a provider in memory."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from libs import failpoints, pg
from libs.environment import Secret
from services.calls.domain.accounts import LINES_DEFAULT, Access
from services.calls.domain.placement import PlacementOrder
from services.calls.operations.accounts import Accounts
from services.calls.operations.placement import Placements
from services.calls.operations.providers import Providers
from services.calls.operations.reconciliation import Patience, Reconciliation
from tests.support.fake_voice_provider import ASSISTANT_ID, PHONE_NUMBER_ID, FakeVoiceProvider
from tests.support.postgres import Database

ORG = UUID("0195f3a0-0000-7000-8000-000000000001")
OTHER_ORG = UUID("0195f3a0-0000-7000-8000-000000000002")
DEPLOYMENT = Access(
    base_url="http://127.0.0.1:9", api_key=Secret("key-1"), webhook_url="http://127.0.0.1:9/h"
)


def order(**changes: Any) -> PlacementOrder:
    fields: dict[str, Any] = {
        "call_id": uuid4(),
        "customer_number": "+15145551234",
        "provider_assistant_id": ASSISTANT_ID,
        "phone_number_id": PHONE_NUMBER_ID,
        "campaign_id": str(uuid4()),
    }
    return PlacementOrder(**{**fields, **changes})


@dataclass
class House:
    database: Database
    provider: FakeVoiceProvider
    providers: Providers
    pool: pg.Pool
    accounts: Accounts
    placements: Placements
    reconciliation: Reconciliation
    fed: list[bytes] = field(default_factory=list)

    async def call(self, call_id: UUID) -> Any:
        return (await self.database.fetch("SELECT * FROM calls.calls WHERE id = $1", call_id))[0]

    async def lines_in_use(self) -> int:
        rows = await self.database.fetch("SELECT count(*) FROM calls.lines WHERE call_id IS NOT NULL")
        return int(rows[0]["count"])

    async def events(self) -> list[str]:
        rows = await self.database.fetch("SELECT type FROM calls.outbox ORDER BY xid, position")
        return [row["type"].removeprefix("callplane.call.").removesuffix(".v1") for row in rows]

    async def age(self, call_id: UUID, seconds: float) -> None:
        """Makes a call older than it is, at the provider too."""
        for id_, call in self.provider.calls.items():
            if call.correlates_with(call_id) and call.created_at:
                self.provider.calls[id_] = replace(
                    call, created_at=call.created_at - timedelta(seconds=seconds)
                )
        await self.database.fetch(
            """
            UPDATE calls.calls
               SET created_at = created_at - make_interval(secs => $2), looked_up_at = NULL,
                   placement_requested_at = placement_requested_at - make_interval(secs => $2),
                   placed_at = placed_at - make_interval(secs => $2),
                   updated_at = updated_at - make_interval(secs => $2)
             WHERE id = $1
            """,
            call_id,
            seconds,
        )


@pytest.fixture
async def house(database: Database) -> AsyncIterator[House]:
    provider = FakeVoiceProvider()
    fed: list[bytes] = []

    async def feed(_org_id: UUID, body: bytes) -> bool:
        if body in fed:
            return False
        fed.append(body)
        return True

    async with database.pool("calls", size_max=10) as pool, database.pool("calls_worker") as worker_pool:
        providers = Providers(pool, connect=lambda _: provider, deployment=DEPLOYMENT, vault=None)
        accounts = Accounts(pool, lines_default=LINES_DEFAULT)
        patience = Patience(post_seconds=20, settle_seconds=120, stuck_seconds=600, grace_seconds=60)
        yield House(
            database=database,
            provider=provider,
            providers=providers,
            pool=pool,
            accounts=accounts,
            placements=Placements(pool, providers, accounts),
            reconciliation=Reconciliation(worker_pool, providers, feed=feed, patience=patience),
            fed=fed,
        )
    failpoints.configure("")
