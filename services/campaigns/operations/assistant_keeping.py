"""What the loops do for the directory: they ask whether the provider still has each assistant, and let
ephemeral ones go."""

import asyncio
from typing import Protocol
from uuid import UUID

from libs import outbox, telemetry
from libs.errors import Kind, ServiceError
from libs.pg import Connection, Pool, transaction
from services.campaigns import events
from services.campaigns.domain.assistants import GONE_AT_PROVIDER, ExistenceCheck, ProviderAssistant
from services.campaigns.domain.campaigns import STARTED, Status
from services.campaigns.operations.following import SCHEMA
from services.campaigns.store import assistant_checks, assistants, campaigns

_log = telemetry.logger(__name__)
_checks = telemetry.meter().create_counter(
    "callplane.assistants.checks", description="Assistants looked for at the provider, by what was found."
)

_CHECKS_MAX = 10
_FAILED_MAX = 100
_DELETED_MAX = 50


class AssistantFinder(Protocol):
    async def get_assistant(self, provider_assistant_id: str, *, org_id: UUID) -> ProviderAssistant: ...


class AssistantKeeping:
    """`pool` is the worker role's. Each assistant is looked for every `check_seconds`; one that is missing is
    looked for once more, a tenth of that later, before it counts as gone."""

    def __init__(
        self, pool: Pool, provider: AssistantFinder, *, check_seconds: float, ephemeral_seconds: float
    ) -> None:
        self._pool = pool
        self._provider = provider
        self._check_seconds = check_seconds
        self._ephemeral_seconds = ephemeral_seconds

    async def check_due(self) -> int:
        async with transaction(self._pool) as conn:
            due = await assistant_checks.claim_due(
                conn, limit=_CHECKS_MAX, again_in_seconds=self._check_seconds
            )
        await asyncio.gather(*map(self._check, due))
        return len(due)

    async def delete_ephemeral(self) -> int:
        """Those that no campaign needs. Who is in the middle of giving one to a campaign keeps it: the look
        that decides follows the assistant's lock."""
        async with transaction(self._pool) as conn:
            idle = await assistant_checks.list_ephemeral(
                conn, idle_seconds=self._ephemeral_seconds, limit=_DELETED_MAX
            )
        deleted = 0
        for assistant_id in idle:
            async with transaction(self._pool) as conn:
                found = await assistants.lock(conn, assistant_id)
                if found is None or await campaigns.names_using_assistant(conn, assistant_id, limit=1):
                    continue
                await assistants.mark_deleted(conn, assistant_id)
                deleted += 1
        return deleted

    async def _check(self, check: ExistenceCheck) -> None:
        try:
            found = await self._exists(check)
        except ServiceError as exc:
            # Nothing is known; it comes up again.
            _checks.add(1, {"result": "UNKNOWN"})
            _log.warning("assistant not checked", assistant_id=str(check.assistant_id), reason=exc.reason)
            return
        _checks.add(1, {"result": "FOUND" if found else "MISSING"})
        if found:
            await self._note_present(check)
        elif check.missed_before:
            await self._note_gone(check)
        else:
            async with transaction(self._pool) as conn:
                await assistant_checks.note_missing(
                    conn, check.assistant_id, again_in_seconds=self._check_seconds / 10
                )

    async def _exists(self, check: ExistenceCheck) -> bool:
        try:
            await self._provider.get_assistant(check.provider_assistant_id, org_id=check.org_id)
        except ServiceError as exc:
            if exc.kind is Kind.MISSING:
                return False
            raise
        return True

    async def _note_present(self, check: ExistenceCheck) -> None:
        async with transaction(self._pool) as conn:
            returned = await assistant_checks.note_present(conn, check.assistant_id)
        if returned:
            _log.warning("assistant is back at the provider", assistant_id=str(check.assistant_id))

    async def _note_gone(self, check: ExistenceCheck) -> None:
        """Switched off, and its campaigns fail before their calls are refused one by one. They can go on with
        another assistant, or with this one if it comes back."""
        async with transaction(self._pool) as conn:
            failed = [
                campaign_id
                for campaign_id in await assistant_checks.list_campaigns_started(
                    conn, check.assistant_id, limit=_FAILED_MAX
                )
                if await self._fail(conn, campaign_id)
            ]
            if not await assistant_checks.note_gone(conn, check.assistant_id):
                return
            await outbox.append(conn, SCHEMA, [events.assistant_gone(check, failed=failed)])
        _log.warning("assistant gone", assistant_id=str(check.assistant_id), campaigns=len(failed))

    async def _fail(self, conn: Connection, campaign_id: UUID) -> bool:
        locked = await campaigns.lock(conn, campaign_id)
        if locked is None or locked.campaign.status not in STARTED:
            return False
        await campaigns.set_status(conn, campaign_id, Status.FAILED, failure_reason=GONE_AT_PROVIDER)
        return True
