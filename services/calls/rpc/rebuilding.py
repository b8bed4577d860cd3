"""Rebuilding the record, a slice per request."""

from uuid import UUID

from callplane.calls.v2 import calls_pb2
from libs.errors import InvalidPageToken
from libs.rpc import pages, principal
from services.calls.domain.differences import Difference, Source
from services.calls.operations.rebuilding import (
    BEGINNING,
    SLICE_MAX,
    AfterCall,
    AfterEntry,
    Rebuilding,
    RebuildPlace,
)


async def rebuild_calls(
    rebuilding: Rebuilding, request: calls_pb2.RebuildCallsRequest
) -> calls_pb2.RebuildCallsResponse:
    """Of the caller's organization."""
    wanted = calls_pb2.RebuildCallsRequest.Source
    done = await rebuilding.step(
        org_id=principal().org_id,
        source=Source.CALL_EVENTS if request.source == wanted.CALL_EVENTS else Source.LEDGER,
        apply=request.apply,
        after=_place(request.page_token),
        limit=request.page_size or SLICE_MAX,
    )
    return calls_pb2.RebuildCallsResponse(
        checked=done.checked,
        differences=[_difference_message(one) for one in done.differences],
        applied=done.applied,
        next_page_token=_token(done.next),
    )


def _difference_message(one: Difference) -> calls_pb2.RecordDifference:
    return calls_pb2.RecordDifference(
        call_id=str(one.call_id) if one.call_id else "",
        table=one.table,
        kind=calls_pb2.RecordDifference.Kind.Value(one.kind.value),
        row=one.row,
        columns=one.columns,
        repairable=one.repairable,
    )


def _token(place: RebuildPlace | None) -> str:
    match place:
        case AfterCall(call_id=call_id) if call_id is not None:
            return pages.encode(["call", str(call_id), ""])
        case AfterEntry(xid=xid, position=position):
            return pages.encode(["entry", xid, str(position)])
        case _:
            return ""


def _place(token: str) -> RebuildPlace:
    if not token:
        return BEGINNING
    phase, value, position = pages.decode(token, size=3)
    try:
        if phase == "call":
            return AfterCall(UUID(value))
        if phase == "entry" and 0 <= int(value) < 2**64 and 0 <= int(position) < 2**63:
            return AfterEntry(xid=str(int(value)), position=int(position))
    except ValueError:
        pass
    raise InvalidPageToken
