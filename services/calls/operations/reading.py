"""Reading the record. Row level security shows each request its own organization only."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from libs.errors import InvalidArgument
from libs.pg import Connection, Pool, transaction
from services.calls.domain.call import Call
from services.calls.domain.call_events import CallEvent
from services.calls.domain.redaction import NOTHING, Redaction, redacted, redacted_document
from services.calls.domain.tools import ToolCall
from services.calls.domain.transcript import Line
from services.calls.domain.webhooks import LedgerRow
from services.calls.errors import CallNotFound, ProviderEventNotFound
from services.calls.store import call_events, call_settings, calls, foldings, ledger, tool_calls, transcripts

_REPLAYS_MAX = 10_000
_TOOL_CALLS_MAX = 500


class Reading:
    """`pool` is the request role's."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def get_call(self, org_id: UUID, call_id: UUID) -> Call:
        async with transaction(self._pool, org_id=org_id) as conn:
            call = await calls.find(conn, call_id=call_id)
        if call is None:
            raise CallNotFound
        return call

    async def list_calls(
        self,
        org_id: UUID,
        *,
        status: str | None,
        direction: str | None,
        priority: str | None,
        campaign_id: str | None,
        customer_number: str | None,
        before: tuple[datetime, UUID] | None,
        limit: int,
    ) -> Sequence[Call]:
        async with transaction(self._pool, org_id=org_id) as conn:
            return await calls.list_page(
                conn,
                status=status,
                direction=direction,
                priority=priority,
                campaign_id=campaign_id,
                customer_number=customer_number,
                before=before,
                limit=limit,
            )

    async def list_call_events(
        self, org_id: UUID, call_id: UUID, *, after: tuple[datetime, UUID] | None, limit: int
    ) -> Sequence[CallEvent]:
        async with transaction(self._pool, org_id=org_id) as conn:
            if await calls.find(conn, call_id=call_id) is None:
                raise CallNotFound
            kinds = await _redaction(conn, org_id)
            found = await call_events.list_page(conn, call_id=call_id, after=after, limit=limit)
        return [replace(event, payload=redacted_document(event.payload, kinds)) for event in found]

    async def get_transcript(self, org_id: UUID, call_id: UUID) -> tuple[Call, Sequence[Line]]:
        async with transaction(self._pool, org_id=org_id) as conn:
            call = await calls.find(conn, call_id=call_id)
            if call is None:
                raise CallNotFound
            return call, await transcripts.list_lines(conn, call)

    async def list_tool_calls(self, org_id: UUID, call_id: UUID) -> Sequence[ToolCall]:
        async with transaction(self._pool, org_id=org_id) as conn:
            call = await calls.find(conn, call_id=call_id)
            if call is None:
                raise CallNotFound
            kinds = await _redaction(conn, org_id)
            found = await tool_calls.list_of_call(conn, call, limit=_TOOL_CALLS_MAX)
        return [
            replace(
                use,
                arguments=redacted_document(use.arguments, kinds),
                result=redacted(use.result, kinds),
            )
            for use in found
        ]

    async def list_provider_events(
        self,
        org_id: UUID,
        *,
        message_type: str | None,
        provider_call_id: str | None,
        state: str | None,
        before: tuple[datetime, UUID] | None,
        limit: int,
    ) -> Sequence[LedgerRow]:
        async with transaction(self._pool, org_id=org_id) as conn:
            return await ledger.list_page(
                conn,
                message_type=message_type,
                provider_call_id=provider_call_id,
                state=state,
                before=before,
                limit=limit,
            )

    async def replay(
        self,
        org_id: UUID,
        *,
        ids: Sequence[UUID],
        since: datetime | None,
        until: datetime | None,
        message_type: str | None,
        unparsed_only: bool = False,
        after: tuple[datetime, UUID] | None = None,
    ) -> tuple[int, tuple[datetime, UUID] | None]:
        """Queues webhooks for the folder and returns how many, and where to go on in a long period; those in
        the queue already do not count."""
        if not ids and since is None and until is None and message_type is None and not unparsed_only:
            raise InvalidArgument("Name webhooks by ids, time or type, or all that could not be read.")
        async with transaction(self._pool, org_id=org_id) as conn:
            if not ids:
                queue = foldings.queue_unparsed_replays if unparsed_only else foldings.queue_replays
                return await queue(
                    conn, since=since, until=until, message_type=message_type, after=after, limit=_REPLAYS_MAX
                )
            queued = await foldings.queue_replays_by_id(conn, ids)
            if queued == 0 and not await ledger.exist(conn, ids):
                raise ProviderEventNotFound
            return queued, None

    async def replay_progress(self, org_id: UUID) -> tuple[int, datetime | None]:
        """Replays that wait, and since when the oldest does."""
        async with transaction(self._pool, org_id=org_id) as conn:
            return await foldings.count_waiting(conn)


async def _redaction(conn: Connection, org_id: UUID) -> Redaction:
    """What the provider sent is kept; it is shown as the record would be written now."""
    return (await call_settings.redactions(conn, [org_id])).get(org_id, NOTHING)
