"""What this service does when others tell something: calls move its attempts, notify tells whom not to
call and who was written to."""

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from callplane.events.v1 import events_pb2
from libs.outbox import Consumer
from libs.pg import Connection, Pool
from libs.rpc import Peer
from libs.rpc.convert import moment
from services.campaigns.domain.attempts import CallNews
from services.campaigns.operations import callbacks, following, suppressing, text_messages
from services.campaigns.operations.following import SCHEMA, Patience

_CALL_EVENTS: Final[dict[str, Any]] = {
    "callplane.call.placed.v1": events_pb2.CallPlaced,
    "callplane.call.started.v1": events_pb2.CallStarted,
    "callplane.call.ended.v1": events_pb2.CallEnded,
    "callplane.call.failed.v1": events_pb2.CallFailed,
    "callplane.call.reported.v1": events_pb2.CallReported,
}
# Slots are freed by what is read here; after a crash the next reader should not be long in coming.
_LEASE_SECONDS: Final = 5.0
_CALLBACK_REQUESTED: Final = "callplane.callback.requested.v1"
_SUPPRESSION_CREATED: Final = "callplane.suppression.created.v1"
_SUPPRESSION_DELETED: Final = "callplane.suppression.deleted.v1"
_MESSAGE_SENT: Final = "callplane.message.sent.v1"


def calls_consumer(
    peer: Peer, pool: Pool, *, patience: Patience, wake_dispatcher: Callable[[], None]
) -> Consumer:
    async def handle(conn: Connection, event: events_pb2.Event) -> None:
        if event.type == _CALLBACK_REQUESTED:
            await _note_callback(conn, event)
            return
        await _follow_call(
            conn, _call(event), org_id=UUID(event.org_id), reported=_is_report(event), patience=patience
        )

    return Consumer(
        name="campaigns.calls",
        source="calls",
        peer=peer,
        pool=pool,
        schema=SCHEMA,
        handle=handle,
        choose=_of_campaigns,
        types=(*_CALL_EVENTS, _CALLBACK_REQUESTED),
        lease_seconds=_LEASE_SECONDS,
        wake_after_commit=wake_dispatcher,
    )


def notify_consumer(peer: Peer, pool: Pool) -> Consumer:
    async def handle(conn: Connection, event: events_pb2.Event) -> None:
        org_id = UUID(event.org_id)
        if event.type == _MESSAGE_SENT:
            sent = events_pb2.MessageSent()
            event.data.Unpack(sent)
            await text_messages.note_sent(
                conn, UUID(sent.message.id), org_id=org_id, phone=sent.message.to, sent_at=moment(event.time)
            )
        elif event.type == _SUPPRESSION_CREATED:
            created = events_pb2.SuppressionCreated()
            event.data.Unpack(created)
            await suppressing.suppress(
                conn, org_id=org_id, phone=created.phone_number, channel=created.channel
            )
        else:
            deleted = events_pb2.SuppressionDeleted()
            event.data.Unpack(deleted)
            await suppressing.release(
                conn, org_id=org_id, phone=deleted.phone_number, channel=deleted.channel
            )

    return Consumer(
        name="campaigns.notify",
        source="notify",
        peer=peer,
        pool=pool,
        schema=SCHEMA,
        handle=handle,
        types=(_SUPPRESSION_CREATED, _SUPPRESSION_DELETED, _MESSAGE_SENT),
    )


async def _of_campaigns(_: Connection, events: Sequence[events_pb2.Event]) -> list[events_pb2.Event]:
    """Calls of no campaign are not ours; who called us is called back by people, as the lead says."""
    return [event for event in events if _campaign_id(event)]


def _campaign_id(event: events_pb2.Event) -> str:
    return _wish(event).campaign_id if event.type == _CALLBACK_REQUESTED else _call(event).campaign_id


def _wish(event: events_pb2.Event) -> events_pb2.CallbackRequested:
    wish = events_pb2.CallbackRequested()
    event.data.Unpack(wish)
    return wish


def _call(event: events_pb2.Event) -> events_pb2.CallSnapshot:
    data = _CALL_EVENTS[event.type]()
    event.data.Unpack(data)
    call: events_pb2.CallSnapshot = data.call
    return call


async def _follow_call(
    conn: Connection, call: events_pb2.CallSnapshot, *, org_id: UUID, reported: bool, patience: Patience
) -> None:
    # Calls of no campaign are not ours, and those of one carry our attempt's id.
    if call.campaign_id:
        await following.apply_news(
            conn, UUID(call.id), _news(call), org_id=org_id, patience=patience, wait_for_report=not reported
        )


async def _note_callback(conn: Connection, event: events_pb2.Event) -> None:
    wish = _wish(event)
    if wish.lead.call_id:
        call_id = UUID(wish.lead.call_id)
        await callbacks.note_wish(
            conn, call_id, org_id=UUID(event.org_id), call_back_at=moment(wish.call_back_at)
        )


def _is_report(event: events_pb2.Event) -> bool:
    return event.type == "callplane.call.reported.v1"


def _news(call: events_pb2.CallSnapshot) -> CallNews:
    return CallNews(
        status=call.status,
        placed=bool(call.provider_call_id),
        infrastructure=call.placement_infrastructure,
        outcome=call.outcome,
        ended_reason=call.ended_reason,
        ended_at=moment(call.ended_at) if call.HasField("ended_at") else None,
        duration_seconds=call.duration_seconds if call.HasField("duration_seconds") else None,
        cost_usd=Decimal(call.cost_usd) if call.HasField("cost_usd") else None,
        success_evaluation=call.success_evaluation if call.HasField("success_evaluation") else None,
        recording_url=call.recording_url,
        summary=call.summary,
    )
