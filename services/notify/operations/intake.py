"""What the message provider tells us: what became of our messages, and what people wrote."""

from uuid import UUID

from libs.pg import Connection, Pool, transaction
from services.notify.domain.keywords import (
    ACKNOWLEDGED_REPLY,
    HELP_REPLY,
    NOTHING_OPEN_REPLY,
    Keyword,
    keyword_of,
)
from services.notify.domain.messages import may_advance, status_of
from services.notify.domain.phone_text import is_e164
from services.notify.domain.suppressions import Channel, Source
from services.notify.errors import MessageNotFound
from services.notify.operations.sending import advance
from services.notify.operations.suppressions import lift_own, suppress
from services.notify.store import alerts, messages, received


async def receive_status(
    pool: Pool,
    *,
    org_id: UUID,
    provider_message_id: str,
    message_id: UUID | None,
    provider_status: str,
    error_code: str,
) -> None:
    """Late and repeated news change nothing. MessageNotFound lets the provider come again: our own record of
    the provider's id may be a moment behind."""
    status = status_of(provider_status)
    async with transaction(pool, org_id=org_id) as conn:
        message = await messages.lock(conn, message_id=message_id, provider_message_id=provider_message_id)
        if message is None:
            raise MessageNotFound
        if may_advance(message, status):
            await advance(
                conn, message, status=status, provider_message_id=provider_message_id, error_code=error_code
            )


async def receive_message(
    pool: Pool, *, org_id: UUID, provider_message_id: str, sender: str, body: str
) -> str:
    """What to reply, empty for nothing. Taken once; a repeat gets the same reply.

    STOP and START get none: carriers and the provider confirm those themselves, and one confirmation is the
    rule.
    """
    async with transaction(pool, org_id=org_id) as conn:
        reply = await received.find_reply(conn, provider_message_id=provider_message_id)
        if reply is not None:
            return reply
        # Short codes and names cannot be written to, so they have nothing to opt out of.
        keyword = keyword_of(body) if is_e164(sender) else Keyword.NONE
        reply = await _answer(conn, keyword, org_id=org_id, sender=sender)
        await received.insert(
            conn,
            org_id=org_id,
            provider_message_id=provider_message_id,
            sender=sender,
            keyword=keyword,
            reply=reply,
        )
    return reply


async def _answer(conn: Connection, keyword: Keyword, *, org_id: UUID, sender: str) -> str:
    match keyword:
        case Keyword.STOP:
            # Who does not want our texts wants our calls still less.
            await suppress(conn, org_id=org_id, phone_number=sender, channel=Channel.ALL, source=Source.SMS)
        case Keyword.START:
            await lift_own(conn, org_id=org_id, phone_number=sender)
        case Keyword.HELP:
            return HELP_REPLY
        case Keyword.ACK:
            taken = await alerts.acknowledge_latest(conn, org_id=org_id, recipient=sender)
            return ACKNOWLEDGED_REPLY if taken else NOTHING_OPEN_REPLY
    return ""
