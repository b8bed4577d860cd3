"""What notify does about the events of the other services: leads and assistants alert people, opt-outs
suppress, and everything that customers can subscribe to goes to their endpoints."""

from collections.abc import Callable, Sequence
from typing import Final
from uuid import UUID

from callplane.events.v1 import events_pb2
from libs.outbox import Consumer
from libs.pg import Connection, Pool
from libs.rpc import Peer
from services.notify import events
from services.notify.domain.catalogue import public_name, source_types
from services.notify.domain.suppressions import Source
from services.notify.operations.alerts import raise_alerts, raise_requested_alerts
from services.notify.operations.publishing import fan_out
from services.notify.operations.suppressions import suppress
from services.notify.store import alerts, webhooks

_LEADS: Final = ("callplane.lead.created.v1", "callplane.lead.updated.v1")
# What an assistant asks for during a call.
_ALERT: Final = "callplane.alert.requested.v1"
_OPT_OUT: Final = "callplane.opt_out.recorded.v1"
# Never left out: the alert looks for its policy itself, and an opt-out counts for everybody.
_OWN: Final = frozenset({_ALERT, _OPT_OUT})
_NOUNS: Final = {
    "calls": ("call", "lead"),
    "campaigns": ("campaign", "contact"),
}


def consumer(
    source: str,
    *,
    peer: Peer,
    pool: Pool,
    wake_sender: Callable[[], None],
    wake_deliverer: Callable[[], None],
) -> Consumer:
    """Of the log of `source`, reached by `peer`."""
    handling = _Handling(wake_sender, wake_deliverer)
    types = set(source_types(of=_NOUNS[source]))
    if source == "calls":
        types.update((*_LEADS, _ALERT, _OPT_OUT))
    return Consumer(
        name=f"notify.{source}",
        source=source,
        peer=peer,
        pool=pool,
        schema="notify",
        handle=handling.handle,
        choose=choose,
        types=sorted(types),
        wake_after_commit=handling.wake,
    )


async def choose(conn: Connection, events_told: Sequence[events_pb2.Event]) -> list[events_pb2.Event]:
    """Those that somebody is to be told about; of most organizations that are few."""
    org_ids = {UUID(event.org_id) for event in events_told}
    wanted = await webhooks.wanted_events(conn, org_ids=org_ids)
    alerting = (
        await alerts.orgs_with_policies(conn, org_ids=org_ids)
        if any(event.type in _LEADS for event in events_told)
        else frozenset()
    )
    return [
        event
        for event in events_told
        if event.type in _OWN
        or (UUID(event.org_id), public_name(event.type)) in wanted
        or (event.type in _LEADS and UUID(event.org_id) in alerting)
    ]


class _Handling:
    """What it queued wakes the loops after the commit, and nothing else does: most events queue nothing, and
    a look at an empty queue costs more than they do."""

    def __init__(self, wake_sender: Callable[[], None], wake_deliverer: Callable[[], None]) -> None:
        self._wake_sender = wake_sender
        self._wake_deliverer = wake_deliverer
        self._messages = 0
        self._deliveries = 0

    async def handle(self, conn: Connection, event: events_pb2.Event) -> None:
        if event.type in _LEADS:
            lead, previous_priority = events.lead_of(event)
            self._messages += await raise_alerts(conn, lead, previous_priority=previous_priority)
        elif event.type == _ALERT:
            self._messages += await raise_requested_alerts(conn, events.alert_wish_of(event))
        elif event.type == _OPT_OUT:
            await _record_opt_out(conn, event)
            # A suppression may be told to customers itself.
            self._deliveries += 1
        public = events.public_event(event)
        if public is not None:
            self._deliveries += await fan_out(conn, public)

    def wake(self) -> None:
        if self._messages:
            self._wake_sender()
        if self._deliveries:
            self._wake_deliverer()
        self._messages = self._deliveries = 0


async def _record_opt_out(conn: Connection, event: events_pb2.Event) -> None:
    opt_out = events.opt_out_of(event)
    await suppress(
        conn,
        org_id=opt_out.org_id,
        phone_number=opt_out.phone_number,
        channel=opt_out.channel,
        source=Source.CALL,
    )
