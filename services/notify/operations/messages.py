"""Text messages as their senders see them."""

from datetime import datetime
from uuid import UUID

from libs.errors import IdempotencyKeyReused
from libs.pg import Connection, Pool, transaction
from libs.telemetry import current_traceparent
from services.notify.domain.messages import Message
from services.notify.errors import MessageNotFound, RecipientSuppressed
from services.notify.store import messages, suppressions


async def send_message(
    pool: Pool, *, org_id: UUID, recipient: str, body: str, idempotency_key: str
) -> Message:
    """Queues a message, or returns the one that was queued under the same key."""
    async with transaction(pool, org_id=org_id) as conn:
        known = await _known(conn, idempotency_key, recipient=recipient, body=body)
        if known is not None:
            return known
        if await suppressions.is_suppressed(conn, org_id=org_id, phone_number=recipient):
            raise RecipientSuppressed
        queued = await messages.insert(
            conn,
            org_id=org_id,
            recipients=[recipient],
            body=body,
            traceparent=current_traceparent(),
            idempotency_key=idempotency_key,
        )
        if not queued:
            # The same request, at the same moment, was faster.
            known = await _known(conn, idempotency_key, recipient=recipient, body=body)
        else:
            known = await messages.find(conn, message_id=queued[0])
        if known is None:
            raise MessageNotFound
        return known


async def get_message(pool: Pool, *, org_id: UUID, message_id: UUID) -> Message:
    async with transaction(pool, org_id=org_id) as conn:
        message = await messages.find(conn, message_id=message_id)
    if message is None:
        raise MessageNotFound
    return message


async def list_messages(
    pool: Pool, *, org_id: UUID, status: str, before: tuple[datetime, UUID] | None, limit: int
) -> list[Message]:
    async with transaction(pool, org_id=org_id) as conn:
        return await messages.list_page(conn, status=status, before=before, limit=limit)


async def _known(conn: Connection, idempotency_key: str, *, recipient: str, body: str) -> Message | None:
    if not idempotency_key:
        return None
    known = await messages.find_by_idempotency_key(conn, idempotency_key=idempotency_key)
    if known is not None and (known.recipient, known.body) != (recipient, body):
        raise IdempotencyKeyReused(metadata={"idempotency_key": idempotency_key})
    return known
