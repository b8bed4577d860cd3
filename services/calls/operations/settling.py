"""What becomes of an outbound call once something about its placing is certain. Each function works inside
the caller's transaction, after locking the row, and says what it did in the outbox of the same
transaction."""

from uuid import UUID

from libs import outbox
from libs.pg import Connection
from services.calls import events
from services.calls.domain import record
from services.calls.domain.placement import (
    Placed,
    Placement,
    PlacementResult,
    PlacementState,
    Refused,
    Unknown,
    placement_of,
)
from services.calls.store import calls, lines, placements


async def settle(
    conn: Connection, *, call_id: UUID, outcome: Placed | Refused | Unknown
) -> PlacementState | None:
    """Records how the POST of a call turned out and returns the placement as it stands then. A webhook may
    have told first, or the reconciler; what was certain stays."""
    if await placements.lock_state(conn, call_id=call_id) is None:
        return None
    match outcome:
        case Placed(provider_call_id=provider_call_id):
            await record_placed(conn, call_id=call_id, provider_call_id=provider_call_id)
        case Refused():
            if await placements.record(conn, call_id=call_id, placement=placement_of(outcome)):
                await close(conn, call_id=call_id, closed_as="FAILED")
        case Unknown():
            await placements.record(conn, call_id=call_id, placement=placement_of(outcome))
    return await placements.find_state(conn, call_id=call_id)


async def record_placed(conn: Connection, *, call_id: UUID, provider_call_id: str) -> bool:
    """False if it was known. A call that was given up meanwhile stays closed and only learns its id."""
    if not await placements.attach(conn, call_id=call_id, provider_call_id=provider_call_id):
        return False
    call = await calls.find(conn, call_id=call_id)
    if call is not None and call.closed_as is None:
        await outbox.append(conn, "calls", [events.call_placed(call)])
    return True


async def give_up(conn: Connection, *, call_id: UUID, found: bool = False) -> bool:
    """Closes a call that was never found at the provider, or was `found` as another row. Its placement stays
    unknown: absence proves nothing.

    If our own process died around the request, the provider is well and its list can be believed: then the
    customer may be called again. If the provider gave no clear answer, it may be as unclear about its list.
    """
    state = await placements.lock_state(conn, call_id=call_id)
    if state is None or state.settled:
        return False
    interrupted = state.placement.result is PlacementResult.PENDING and not found
    reason = "FOUND_ELSEWHERE" if found else "NOT_FOUND"
    unknown = Placement(result=PlacementResult.UNKNOWN, reason=reason, infrastructure=interrupted)
    await placements.record(conn, call_id=call_id, placement=unknown)
    return await close(conn, call_id=call_id, closed_as="FAILED")


async def close(conn: Connection, *, call_id: UUID, closed_as: placements.ClosedAs) -> bool:
    """Ends a call by our own decision and frees its line. False if it had ended."""
    if not await placements.close(conn, call_id=call_id, closed_as=closed_as):
        return False
    await lines.release(conn, call_ids=[call_id])
    call = await calls.find(conn, call_id=call_id)
    if call is not None:
        # What follows from the closing follows by the same rules as in the fold.
        call = record.told(call, call.facts)
        await calls.update_many(conn, [call])
        event = events.call_failed(call) if closed_as == "FAILED" else events.call_ended(call)
        await outbox.append(conn, "calls", [event])
    return True
