"""ConsentService."""

from typing import Any
from uuid import UUID

import grpc.aio

from callplane.campaigns.v2 import consents_pb2, consents_pb2_grpc
from libs.rpc import pages
from libs.rpc.convert import moment, timestamp
from services.campaigns.domain.consents import Channel, Consent, NewConsent
from services.campaigns.operations.consents import Consents
from services.campaigns.rpc.requests import org_id, page_uuid

_Context = grpc.aio.ServicerContext[Any, Any]


class ConsentServicer(consents_pb2_grpc.ConsentServiceServicer):
    def __init__(self, consents: Consents) -> None:
        self._consents = consents

    async def RecordConsent(
        self, request: consents_pb2.RecordConsentRequest, context: _Context
    ) -> consents_pb2.Consent:
        new = NewConsent(
            phone=request.phone_number,
            channel=Channel(consents_pb2.Consent.Channel.Name(request.channel))
            if request.channel
            else Channel.VOICE,
            source=request.source,
            obtained_at=moment(request.obtained_at) if request.HasField("obtained_at") else None,
        )
        return _message(await self._consents.record(new, org_id=org_id()))

    async def RevokeConsent(
        self, request: consents_pb2.RevokeConsentRequest, context: _Context
    ) -> consents_pb2.Consent:
        return _message(await self._consents.revoke(UUID(request.id), org_id=org_id(), source=request.source))

    async def GetConsent(
        self, request: consents_pb2.GetConsentRequest, context: _Context
    ) -> consents_pb2.Consent:
        return _message(await self._consents.get(UUID(request.id), org_id=org_id()))

    async def ListConsents(
        self, request: consents_pb2.ListConsentsRequest, context: _Context
    ) -> consents_pb2.ListConsentsResponse:
        limit = pages.size(request.page_size)
        found = await self._consents.list_before(
            org_id=org_id(),
            phone=request.phone_number or None,
            before=page_uuid(request.page_token),
            limit=limit,
        )
        return consents_pb2.ListConsentsResponse(
            consents=map(_message, found),
            next_page_token=pages.encode([str(found[-1].id)]) if len(found) == limit else "",
        )


def _message(consent: Consent) -> consents_pb2.Consent:
    return consents_pb2.Consent(
        id=str(consent.id),
        phone_number=consent.phone,
        channel=consents_pb2.Consent.Channel.Value(consent.channel.value),
        source=consent.source,
        obtained_at=timestamp(consent.obtained_at),
        recorded_at=timestamp(consent.recorded_at),
        revoked_at=timestamp(consent.revoked_at),
        revocation_source=consent.revocation_source,
    )
