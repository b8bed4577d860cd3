"""The call a webhook belongs to, for whoever acts while it is on and cannot wait for the fold."""

from datetime import datetime

import asyncpg

from libs.pg import Connection
from services.calls.domain import facts, record
from services.calls.domain.call import Call, Direction
from services.calls.domain.messages import Message
from services.calls.domain.redaction import NOTHING, redacted_facts
from services.calls.domain.telling import facts_told
from services.calls.domain.webhooks import IncomingWebhook
from services.calls.store import call_settings, calls, lines


async def lock_call(conn: Connection, webhook: IncomingWebhook, message: Message, *, now: datetime) -> Call:
    """With what the webhook tells of it, which the fold will write; locked until the transaction ends. A call
    that nobody has heard of is begun."""
    found = await _find(conn, webhook, message)
    redactions = await call_settings.redactions(conn, [webhook.org_id])
    kinds = redactions.get(webhook.org_id, NOTHING)
    told = redacted_facts(facts_told(message, None, received_at=webhook.received_at), kinds)
    if found is None:
        inbound = facts.value_of(told, "direction") != Direction.OUTBOUND
        found = await _begin(conn, webhook, message, inbound=inbound, now=now)
    return record.told(found, facts.join(found.facts, told))


async def _find(conn: Connection, webhook: IncomingWebhook, message: Message) -> Call | None:
    key = (webhook.org_id, webhook.provider, message.provider_call_id)
    own_ids = [message.own_call_id] if message.own_call_id is not None else []
    known = await calls.lock_many(conn, provider_ids=[key], own_ids=own_ids)
    mine = [call for call in known if call.org_id == webhook.org_id and call.provider == webhook.provider]
    by_provider = [call for call in mine if call.provider_call_id == message.provider_call_id]
    waiting = [call for call in mine if call.provider_call_id is None]
    return next(iter([*by_provider, *waiting]), None)


async def _begin(
    conn: Connection, webhook: IncomingWebhook, message: Message, *, inbound: bool, now: datetime
) -> Call:
    [call_id] = await calls.new_ids(conn, count=1)
    call = record.new_call(
        call_id,
        org_id=webhook.org_id,
        provider=webhook.provider,
        provider_call_id=message.provider_call_id,
        now=now,
    )
    try:
        async with conn.transaction():
            await calls.insert_many(conn, [call])
    except asyncpg.UniqueViolationError as exc:
        if exc.constraint_name != "calls_provider_call_id_unique":
            raise
        found = await _find(conn, webhook, message)
        if found is None:
            raise
        return found
    if inbound:
        await lines.take_inbound(conn, org_id=call.org_id, call_ids=[call.id])
    return call
