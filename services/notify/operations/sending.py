"""The way of a message to the provider: at most once, whatever dies in between.

Claim and count, commit, post, record. What the post did is sent, surely not sent, or unknown; an unknown one
is looked up at the provider and never posted again.
"""

from dataclasses import replace
from datetime import timedelta
from random import uniform
from typing import Final, Protocol

from libs.pg import Connection, Pool, transaction
from services.notify import events
from services.notify.domain.messages import (
    LOOKUP_SECONDS,
    NOT_CONFIRMED,
    Message,
    MessageStatus,
    NotSent,
    SendOutcome,
    Sent,
    Unknown,
    Verdict,
    status_of,
    wait_seconds,
)
from services.notify.domain.suppressions import Channel, Source
from services.notify.operations.publishing import publish
from services.notify.operations.suppressions import suppress
from services.notify.store import messages

# Longer than all tries of one claim together; whoever wakes up later than that posts nothing any more.
LEASE_SECONDS: Final = 60.0
_LOOKUP_LEASE_SECONDS: Final = 30.0
# The provider's clock may be behind ours, and tells whole seconds.
_CLOCK_SKEW: Final = timedelta(seconds=5)


class MessageProvider(Protocol):
    """Who sends our text messages."""

    async def send(self, message: Message) -> SendOutcome:
        """Makes one request. Never raises for what the provider does."""

    async def find(self, message: Message, *, known: frozenset[str]) -> Sent | None:
        """A message of the same text to the same number since the claim whose id is not `known`. None if the
        provider lists none; MessageProviderUnavailable if it does not say."""


async def claim(pool: Pool, *, limit: int) -> list[Message]:
    """Messages that are ours to post now. The recipient's opt-out is checked in the same transaction."""
    async with transaction(pool) as conn:
        claimed = await messages.claim_due(conn, limit=limit, lease_seconds=LEASE_SECONDS)
        suppressed = [message for message in claimed if message.status is MessageStatus.SUPPRESSED]
        await publish(conn, [events.message_failed(message) for message in suppressed])
    return [message for message in claimed if message.status is MessageStatus.SENDING]


async def count_attempt(pool: Pool, message: Message) -> bool:
    """Before a further try within the same claim: whether it may be made."""
    async with transaction(pool) as conn:
        return await messages.count_attempt(conn, message_id=message.id, claimed_at=message.claimed_at)


async def record_try(
    pool: Pool, message: Message, outcome: SendOutcome, *, number: int, duration_ms: float
) -> None:
    """Keeps what came of one try. A sent message is recorded at once; anything else waits for `settle`."""
    async with transaction(pool) as conn:
        await messages.insert_attempt(
            conn,
            message=message,
            number=number,
            outcome=_word(outcome),
            code=_code(outcome),
            duration_ms=duration_ms,
        )
        if isinstance(outcome, Sent):
            await _record_sent(conn, message, outcome)


async def settle(pool: Pool, message: Message, outcome: NotSent | Unknown) -> None:
    """After the last try of a claim: wait and try again, give up, or look it up."""
    async with transaction(pool) as conn:
        current = await messages.lock_sending(conn, message_id=message.id)
        if current is None:
            return
        if isinstance(outcome, Unknown):
            await messages.look_up_in(
                conn, message_id=message.id, wait_seconds=_jittered(LOOKUP_SECONDS[0]), lookups=0
            )
        else:
            await _settle_not_sent(conn, current, outcome)


async def claim_lookups(pool: Pool, *, limit: int) -> list[tuple[Message, frozenset[str]]]:
    """Messages to look for, each with the provider's ids that are other messages of ours."""
    async with transaction(pool) as conn:
        claimed = await messages.claim_lookups(conn, limit=limit, lease_seconds=_LOOKUP_LEASE_SECONDS)
        return [(_since_claim(message), await _known(conn, message)) for message in claimed]


async def record_lookup(pool: Pool, message: Message, found: Sent | None, *, duration_ms: float) -> None:
    """Absent is no proof: only after several looks the message is given up, and still it is not sent
    again."""
    async with transaction(pool) as conn:
        current = await messages.lock_sending(conn, message_id=message.id)
        if current is None:
            return
        await messages.insert_attempt(
            conn,
            message=message,
            number=current.attempts,
            outcome="FOUND" if found else "ABSENT",
            code="",
            duration_ms=duration_ms,
        )
        if found is not None:
            await _record_sent(conn, current, found)
        elif current.lookups + 1 < len(LOOKUP_SECONDS):
            await messages.look_up_in(
                conn,
                message_id=message.id,
                wait_seconds=_jittered(LOOKUP_SECONDS[current.lookups + 1]),
                lookups=current.lookups + 1,
            )
        else:
            await advance(
                conn,
                current,
                status=MessageStatus.FAILED,
                provider_message_id="",
                error_code=NOT_CONFIRMED,
            )


async def advance(
    conn: Connection, message: Message, *, status: MessageStatus, provider_message_id: str, error_code: str
) -> None:
    """Writes a status that `may_advance` allowed, and tells the others what is new about it. The row is
    locked."""
    after = await messages.advance(
        conn,
        message_id=message.id,
        status=status,
        provider_message_id=provider_message_id,
        error_code=error_code,
    )
    if after.status is MessageStatus.FAILED:
        await publish(conn, [events.message_failed(after)])
    elif message.status not in (MessageStatus.SENT, MessageStatus.DELIVERED):
        await publish(conn, [events.message_sent(after)])


async def _record_sent(conn: Connection, message: Message, sent: Sent) -> None:
    current = await messages.lock_sending(conn, message_id=message.id)
    if current is not None:
        await advance(
            conn,
            current,
            status=status_of(sent.provider_status),
            provider_message_id=sent.provider_message_id,
            error_code=sent.error_code,
        )


async def _settle_not_sent(conn: Connection, message: Message, outcome: NotSent) -> None:
    if outcome.verdict is Verdict.OPT_OUT:
        # The provider knows of an opt-out that we do not.
        await suppress(
            conn,
            org_id=message.org_id,
            phone_number=message.recipient,
            channel=Channel.SMS,
            source=Source.SMS,
        )
    wait = wait_seconds(outcome, rounds=message.rounds)
    if wait is None:
        await advance(
            conn, message, status=MessageStatus.FAILED, provider_message_id="", error_code=outcome.code
        )
    else:
        await messages.requeue(
            conn,
            message_id=message.id,
            error_code=outcome.code,
            wait_seconds=_jittered(wait),
            tried=outcome.tried,
        )


async def _known(conn: Connection, message: Message) -> frozenset[str]:
    since = message.created_at - _CLOCK_SKEW
    return await messages.known_provider_ids(conn, recipient=message.recipient, since=since)


def _since_claim(message: Message) -> Message:
    """The provider's clock is not ours: a look begins a little before the claim."""
    return replace(message, claimed_at=(message.claimed_at or message.created_at) - _CLOCK_SKEW)


def _jittered(seconds: float) -> float:
    return seconds * uniform(1.0, 1.1)


def _word(outcome: SendOutcome) -> str:
    return {Sent: "SENT", NotSent: "NOT_SENT", Unknown: "UNKNOWN"}[type(outcome)]


def _code(outcome: SendOutcome) -> str:
    match outcome:
        case NotSent(code=code):
            return code
        case Unknown(error=error):
            return error
        case _:
            return ""
