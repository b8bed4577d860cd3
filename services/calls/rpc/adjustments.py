"""PricingAdjustmentService."""

from decimal import Decimal
from typing import Any, TypeAlias
from uuid import UUID

import grpc.aio
from google.protobuf import empty_pb2

from callplane.calls.v2 import adjustments_pb2, adjustments_pb2_grpc
from libs.rpc import convert, pages, principal
from services.calls.domain.rules import Adjustment, AdjustmentKind, Stored
from services.calls.domain.text import key_of
from services.calls.operations.rules import Rules
from services.calls.rpc import sent
from services.calls.rpc.places import cut, id_place

_Context: TypeAlias = grpc.aio.ServicerContext[Any, Any]


class PricingAdjustmentServicer(adjustments_pb2_grpc.PricingAdjustmentServiceServicer):
    def __init__(self, rules: Rules) -> None:
        self._adjustments = rules.adjustments

    async def ListPricingAdjustments(
        self, request: adjustments_pb2.ListPricingAdjustmentsRequest, context: _Context
    ) -> adjustments_pb2.ListPricingAdjustmentsResponse:
        size = pages.size(request.page_size)
        found = await self._adjustments.list(
            principal().org_id, after=id_place(request.page_token), limit=size + 1
        )
        page, token = cut(found, size=size, place=lambda one: (str(one.id),))
        return adjustments_pb2.ListPricingAdjustmentsResponse(
            pricing_adjustments=[_message(one) for one in page], next_page_token=token
        )

    async def GetPricingAdjustment(
        self, request: adjustments_pb2.GetPricingAdjustmentRequest, context: _Context
    ) -> adjustments_pb2.PricingAdjustment:
        return _message(await self._adjustments.get(principal().org_id, UUID(request.id)))

    async def CreatePricingAdjustment(
        self, request: adjustments_pb2.CreatePricingAdjustmentRequest, context: _Context
    ) -> adjustments_pb2.PricingAdjustment:
        caller, told = principal(), request.adjustment
        created = await self._adjustments.create(
            caller.org_id,
            Adjustment(
                kind=AdjustmentKind(adjustments_pb2.PricingAdjustment.Kind.Name(told.kind)),
                name=key_of(told.name),
                amount=told.amount,
                factor=Decimal(told.factor or 1),
                active=told.active,
            ),
            by=caller.subject,
        )
        return _message(created)

    async def UpdatePricingAdjustment(
        self, request: adjustments_pb2.UpdatePricingAdjustmentRequest, context: _Context
    ) -> adjustments_pb2.PricingAdjustment:
        caller, changes = principal(), sent.plain(request, "amount", "active")
        if request.HasField("factor"):
            changes["factor"] = Decimal(request.factor)
        changed = await self._adjustments.update(caller.org_id, UUID(request.id), changes, by=caller.subject)
        return _message(changed)

    async def DeletePricingAdjustment(
        self, request: adjustments_pb2.DeletePricingAdjustmentRequest, context: _Context
    ) -> empty_pb2.Empty:
        caller = principal()
        await self._adjustments.delete(caller.org_id, UUID(request.id), by=caller.subject)
        return empty_pb2.Empty()


def _message(stored: Stored[Adjustment]) -> adjustments_pb2.PricingAdjustment:
    rule = stored.rule
    return adjustments_pb2.PricingAdjustment(
        id=str(stored.id),
        kind=adjustments_pb2.PricingAdjustment.Kind.Value(rule.kind.value),
        name=rule.name,
        amount=rule.amount,
        factor=f"{rule.factor.normalize():f}",
        active=rule.active,
        updated_at=convert.timestamp(stored.updated_at),
    )
