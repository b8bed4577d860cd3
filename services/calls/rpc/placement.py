"""The part of CallService that makes and ends calls; the servicer of the whole service composes it."""

from uuid import UUID, uuid4

from callplane.calls.v2 import calls_pb2
from libs.phone import to_callable
from libs.rpc import principal
from libs.rpc.convert import to_dict
from services.calls.domain.placement import MAX_DURATION_SECONDS_DEFAULT, Placement, PlacementOrder
from services.calls.operations.placement import Placements


async def place_call(placements: Placements, request: calls_pb2.PlaceCallRequest) -> tuple[UUID, Placement]:
    """The id of the call, which exists unless it was refused for want of a line, and how the placing went."""
    order = PlacementOrder(
        call_id=UUID(request.call_id) if request.call_id else uuid4(),
        customer_number=to_callable(request.customer_number, region=None, field="customer_number"),
        customer_name=request.customer_name,
        provider_assistant_id=request.provider_assistant_id,
        assistant_id=request.assistant_id,
        phone_number_id=request.phone_number_id,
        campaign_id=request.campaign_id,
        contact_id=request.contact_id,
        provider_account_id=UUID(request.provider_account_id) if request.provider_account_id else None,
        assistant_overrides=to_dict(request.assistant_overrides),
        max_duration_seconds=request.max_duration_seconds or MAX_DURATION_SECONDS_DEFAULT,
    )
    return order.call_id, await placements.place(order, org_id=principal().org_id)


def placement_message(placement: Placement) -> calls_pb2.Placement:
    return calls_pb2.Placement(
        result=calls_pb2.Placement.Result.Value(placement.result.value),
        reason=placement.reason,
        infrastructure=placement.infrastructure,
        retry_after_seconds=placement.retry_after_seconds,
    )
