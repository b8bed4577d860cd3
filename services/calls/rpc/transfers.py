"""TransferDestinationService."""

from typing import Any, TypeAlias
from uuid import UUID

import grpc.aio
from google.protobuf import empty_pb2

from callplane.calls.v2 import transfers_pb2, transfers_pb2_grpc
from libs.rpc import convert, pages, principal
from services.calls.domain.rules import Stored
from services.calls.domain.transfers import DestinationKind, TransferDestination
from services.calls.operations.rules import Rules
from services.calls.rpc import sent
from services.calls.rpc.places import cut, number_place

_Context: TypeAlias = grpc.aio.ServicerContext[Any, Any]


class TransferDestinationServicer(transfers_pb2_grpc.TransferDestinationServiceServicer):
    def __init__(self, rules: Rules) -> None:
        self._destinations = rules.destinations

    async def ListTransferDestinations(
        self, request: transfers_pb2.ListTransferDestinationsRequest, context: _Context
    ) -> transfers_pb2.ListTransferDestinationsResponse:
        size = pages.size(request.page_size)
        found = await self._destinations.list(
            principal().org_id, after=number_place(request.page_token), limit=size + 1
        )
        page, token = cut(found, size=size, place=lambda one: (str(one.rule.position), str(one.id)))
        return transfers_pb2.ListTransferDestinationsResponse(
            transfer_destinations=[_message(one) for one in page], next_page_token=token
        )

    async def GetTransferDestination(
        self, request: transfers_pb2.GetTransferDestinationRequest, context: _Context
    ) -> transfers_pb2.TransferDestination:
        return _message(await self._destinations.get(principal().org_id, UUID(request.id)))

    async def CreateTransferDestination(
        self, request: transfers_pb2.CreateTransferDestinationRequest, context: _Context
    ) -> transfers_pb2.TransferDestination:
        caller, told = principal(), request.destination
        destination = TransferDestination(
            name=told.name,
            position=told.position,
            active=told.active,
            kind=DestinationKind(transfers_pb2.TransferDestination.Kind.Name(told.kind)),
            address=told.address,
            message_fr=told.message_fr,
            message_en=told.message_en,
        )
        return _message(await self._destinations.create(caller.org_id, destination, by=caller.subject))

    async def UpdateTransferDestination(
        self, request: transfers_pb2.UpdateTransferDestinationRequest, context: _Context
    ) -> transfers_pb2.TransferDestination:
        caller = principal()
        changes = sent.plain(request, "position", "active", "address", "message_fr", "message_en")
        changed = await self._destinations.update(caller.org_id, UUID(request.id), changes, by=caller.subject)
        return _message(changed)

    async def DeleteTransferDestination(
        self, request: transfers_pb2.DeleteTransferDestinationRequest, context: _Context
    ) -> empty_pb2.Empty:
        caller = principal()
        await self._destinations.delete(caller.org_id, UUID(request.id), by=caller.subject)
        return empty_pb2.Empty()


def _message(stored: Stored[TransferDestination]) -> transfers_pb2.TransferDestination:
    rule = stored.rule
    return transfers_pb2.TransferDestination(
        id=str(stored.id),
        name=rule.name,
        position=rule.position,
        active=rule.active,
        kind=transfers_pb2.TransferDestination.Kind.Value(rule.kind.value),
        address=rule.address,
        message_fr=rule.message_fr,
        message_en=rule.message_en,
        updated_at=convert.timestamp(stored.updated_at),
    )
