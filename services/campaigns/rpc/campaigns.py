"""CampaignService."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any, Final
from uuid import UUID

import grpc.aio
from google.protobuf import empty_pb2

from callplane.campaigns.v2 import campaigns_pb2, campaigns_pb2_grpc
from libs.errors import FieldViolation, InvalidArgument, ServiceError
from libs.rpc import pages
from services.campaigns.domain.campaigns import Campaign, CampaignChange, Mode, NewCampaign, Status
from services.campaigns.domain.contacts import Status as ContactStatus
from services.campaigns.operations.campaigns import Campaigns
from services.campaigns.operations.contact_files import ContactFiles
from services.campaigns.operations.watching import Watching
from services.campaigns.rpc import messages, retry_policies
from services.campaigns.rpc.requests import org_id, page_position, page_uuid, request_key

_Context = grpc.aio.ServicerContext[Any, Any]

_MAX_ATTEMPTS_DEFAULT: Final = 1
_RETRY_DELAY_SECONDS_DEFAULT: Final = 3600
_READ_OFF_BYTES_MAX: Final = 32 * 1024 * 1024
_UPLOAD_ACCEPTED: Final = (("callplane-upload", "accepted"),)


class CampaignServicer(campaigns_pb2_grpc.CampaignServiceServicer):
    def __init__(
        self, campaigns: Campaigns, files: ContactFiles, watching: Watching, *, cap_default: int
    ) -> None:
        self._campaigns = campaigns
        self._watching = watching
        self._files = files
        self._cap_default = cap_default

    async def CreateCampaign(
        self, request: campaigns_pb2.CreateCampaignRequest, context: _Context
    ) -> campaigns_pb2.Campaign:
        new = NewCampaign(
            name=request.name,
            assistant_id=UUID(request.assistant_id),
            phone_number_id=request.phone_number_id,
            cap=request.cap if request.HasField("cap") else self._cap_default,
            mode=Mode(campaigns_pb2.Campaign.Mode.Name(request.mode)) if request.mode else Mode.CONTINUOUS,
            max_attempts=request.max_attempts if request.HasField("max_attempts") else _MAX_ATTEMPTS_DEFAULT,
            retry_delay_seconds=request.retry_delay_seconds
            if request.HasField("retry_delay_seconds")
            else _RETRY_DELAY_SECONDS_DEFAULT,
            retry_rules=retry_policies.from_proto(request.retry_policy),
            auto_enroll=request.auto_enroll,
            line_quiet=request.line_quiet,
        )
        created = await self._campaigns.create(
            new,
            org_id=org_id(),
            request=request_key(request, context),
            cap_is_default=not request.HasField("cap"),
        )
        return await self._answer(created)

    async def GetCampaign(
        self, request: campaigns_pb2.GetCampaignRequest, context: _Context
    ) -> campaigns_pb2.Campaign:
        return await self._answer(await self._campaigns.get(UUID(request.id), org_id=org_id()))

    async def ListCampaigns(
        self, request: campaigns_pb2.ListCampaignsRequest, context: _Context
    ) -> campaigns_pb2.ListCampaignsResponse:
        limit = pages.size(request.page_size)
        found = await self._campaigns.list_after(
            org_id=org_id(),
            after=page_uuid(request.page_token),
            status=Status(campaigns_pb2.Campaign.Status.Name(request.status)) if request.status else None,
            limit=limit,
        )
        stats = await self._campaigns.stats_of(found, org_id=org_id())
        return campaigns_pb2.ListCampaignsResponse(
            campaigns=[messages.campaign(one, stats[one.id]) for one in found],
            next_page_token=pages.encode([str(found[-1].id)]) if len(found) == limit else "",
        )

    async def UpdateCampaign(
        self, request: campaigns_pb2.UpdateCampaignRequest, context: _Context
    ) -> campaigns_pb2.Campaign:
        change = CampaignChange(
            name=request.name if request.HasField("name") else None,
            cap=request.cap if request.HasField("cap") else None,
            max_attempts=request.max_attempts if request.HasField("max_attempts") else None,
            retry_delay_seconds=request.retry_delay_seconds
            if request.HasField("retry_delay_seconds")
            else None,
            retry_rules=retry_policies.from_proto(request.retry_policy)
            if request.HasField("retry_policy")
            else None,
            auto_enroll=request.auto_enroll if request.HasField("auto_enroll") else None,
            line_quiet=request.line_quiet if request.HasField("line_quiet") else None,
            assistant_id=UUID(request.assistant_id) if request.HasField("assistant_id") else None,
            phone_number_id=request.phone_number_id if request.HasField("phone_number_id") else None,
        )
        updated = await self._campaigns.update(UUID(request.id), change, org_id=org_id(), etag=request.etag)
        return await self._answer(updated)

    async def DeleteCampaign(
        self, request: campaigns_pb2.DeleteCampaignRequest, context: _Context
    ) -> empty_pb2.Empty:
        await self._campaigns.delete(UUID(request.id), org_id=org_id())
        return empty_pb2.Empty()

    async def StartCampaign(
        self, request: campaigns_pb2.StartCampaignRequest, context: _Context
    ) -> campaigns_pb2.Campaign:
        return await self._answer(await self._campaigns.start(UUID(request.id), org_id=org_id()))

    async def PauseCampaign(
        self, request: campaigns_pb2.PauseCampaignRequest, context: _Context
    ) -> campaigns_pb2.Campaign:
        return await self._answer(await self._campaigns.pause(UUID(request.id), org_id=org_id()))

    async def ResumeCampaign(
        self, request: campaigns_pb2.ResumeCampaignRequest, context: _Context
    ) -> campaigns_pb2.Campaign:
        return await self._answer(await self._campaigns.resume(UUID(request.id), org_id=org_id()))

    async def CancelCampaign(
        self, request: campaigns_pb2.CancelCampaignRequest, context: _Context
    ) -> campaigns_pb2.Campaign:
        return await self._answer(await self._campaigns.cancel(UUID(request.id), org_id=org_id()))

    async def GetCampaignStats(
        self, request: campaigns_pb2.GetCampaignStatsRequest, context: _Context
    ) -> campaigns_pb2.CampaignStats:
        return messages.stats(await self._campaigns.stats(UUID(request.id), org_id=org_id()))

    async def WatchCampaign(
        self, request: campaigns_pb2.WatchCampaignRequest, context: _Context
    ) -> AsyncIterator[campaigns_pb2.CampaignProgress]:
        async with aclosing(self._watching.watch(UUID(request.id), org_id=org_id())) as told:
            async for progress in told:
                yield messages.progress(progress)

    async def ListContacts(
        self, request: campaigns_pb2.ListContactsRequest, context: _Context
    ) -> campaigns_pb2.ListContactsResponse:
        limit = pages.size(request.page_size)
        found = await self._campaigns.list_contacts(
            UUID(request.campaign_id),
            org_id=org_id(),
            after=page_position(request.page_token),
            status=ContactStatus(campaigns_pb2.Contact.Status.Name(request.status))
            if request.status
            else None,
            limit=limit,
        )
        return campaigns_pb2.ListContactsResponse(
            contacts=map(messages.contact, found),
            next_page_token=pages.encode([str(found[-1].position)]) if len(found) == limit else "",
        )

    async def ListAttempts(
        self, request: campaigns_pb2.ListAttemptsRequest, context: _Context
    ) -> campaigns_pb2.ListAttemptsResponse:
        limit = pages.size(request.page_size)
        found = await self._campaigns.list_attempts(
            UUID(request.campaign_id), org_id=org_id(), after=page_uuid(request.page_token), limit=limit
        )
        return campaigns_pb2.ListAttemptsResponse(
            attempts=map(messages.attempt, found),
            next_page_token=pages.encode([str(found[-1].id)]) if len(found) == limit else "",
        )

    async def ImportContacts(
        self, request_iterator: AsyncIterator[campaigns_pb2.ImportContactsRequest], context: _Context
    ) -> campaigns_pb2.ImportContactsResponse:
        await context.send_initial_metadata(_UPLOAD_ACCEPTED)
        first = await anext(request_iterator, None)
        if first is None:
            raise InvalidArgument(violations=[FieldViolation("campaign_id", "must be in the first message")])

        async def chunks() -> AsyncIterator[bytes]:
            yield first.chunk
            async for request in request_iterator:
                yield request.chunk

        try:
            made = await self._files.import_contacts(
                _campaign_id(first.campaign_id), chunks(), org_id=org_id(), region=first.default_region
            )
        except ServiceError:
            await _read_off(request_iterator)
            raise
        return messages.import_report(made)

    async def ExportCampaign(
        self, request: campaigns_pb2.ExportCampaignRequest, context: _Context
    ) -> AsyncIterator[campaigns_pb2.ExportCampaignResponse]:
        async for chunk in self._files.export(UUID(request.campaign_id), org_id=org_id()):
            yield campaigns_pb2.ExportCampaignResponse(chunk=chunk)

    async def _answer(self, campaign: Campaign) -> campaigns_pb2.Campaign:
        stats = await self._campaigns.stats_of([campaign], org_id=org_id())
        return messages.campaign(campaign, stats[campaign.id])


def _campaign_id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise InvalidArgument(violations=[FieldViolation("campaign_id", "must be a UUID")]) from None


async def _read_off(requests: AsyncIterator[campaigns_pb2.ImportContactsRequest]) -> None:
    """Lets a caller finish writing: one that is cut off in the middle does not get to read the refusal."""
    size = 0
    async for request in requests:
        size += len(request.chunk)
        if size > _READ_OFF_BYTES_MAX:
            return
