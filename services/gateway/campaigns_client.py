"""The campaigns service, for files: what is not JSON does not go through transcoding.

The caller's own token is passed on; the campaigns service checks its scope.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import TYPE_CHECKING, Final

import grpc.aio
from grpc_status import rpc_status

from callplane.campaigns.v2 import campaigns_pb2, campaigns_pb2_grpc
from libs.errors import ServiceError
from libs.rpc import Peer, to_service_error
from libs.rpc.principals import METADATA_KEY
from services.gateway.domain.contacts import ImportReport, RejectedRow
from services.gateway.errors import UploadBrokenOff

_IMPORT_SECONDS: Final = 120.0
_EXPORT_SECONDS: Final = 300.0
_UPLOAD_HEADER: Final = "callplane-upload"


class CampaignsClient:
    def __init__(self, peer: Peer) -> None:
        self._stub = campaigns_pb2_grpc.CampaignServiceStub(peer.channel)

    async def import_contacts(
        self, campaign_id: str, chunks: Iterable[bytes], *, default_region: str, token: str
    ) -> ImportReport:
        """Call it with the whole file at hand: to the other side, a stream that is broken off can look like
        one that has ended.

        Nothing is written before the other side has said that it takes the upload: grpc.aio answers INTERNAL,
        and not what the refusal says, to whom a refusal meets while it writes.
        """
        call = self._stub.ImportContacts(metadata=((METADATA_KEY, token),), timeout=_IMPORT_SECONDS)
        try:
            first = campaigns_pb2.ImportContactsRequest(
                campaign_id=campaign_id, default_region=default_region
            )
            headers = await call.initial_metadata()
            if headers.get(_UPLOAD_HEADER) == "accepted":
                await _write(call, first, chunks)
            return _report(await call)
        except grpc.aio.AioRpcError as error:
            raise _refusal(error) from None
        except BaseException:
            call.cancel()
            raise

    async def export_campaign(self, campaign_id: str, *, token: str) -> AsyncIterator[bytes]:
        request = campaigns_pb2.ExportCampaignRequest(campaign_id=campaign_id)
        call = self._stub.ExportCampaign(request, metadata=((METADATA_KEY, token),), timeout=_EXPORT_SECONDS)
        try:
            async for response in call:
                yield response.chunk
        except grpc.aio.AioRpcError as error:
            raise to_service_error(error) from None
        finally:
            call.cancel()


if TYPE_CHECKING:
    _ImportCall = grpc.aio.StreamUnaryCall[
        campaigns_pb2.ImportContactsRequest, campaigns_pb2.ImportContactsResponse
    ]


async def _write(
    call: "_ImportCall",
    first: campaigns_pb2.ImportContactsRequest,
    chunks: Iterable[bytes],
) -> None:
    try:
        await call.write(first)
        for chunk in chunks:
            await call.write(campaigns_pb2.ImportContactsRequest(chunk=chunk))
        await call.done_writing()
    except asyncio.InvalidStateError:
        # The other side has made up its mind before the end of the file; its status says how.
        pass


def _refusal(error: grpc.aio.AioRpcError) -> ServiceError:
    """A service of ours describes each error. INTERNAL without a description is grpc.aio's own word for a
    stream that ended under a write: what the other side said is lost."""
    if error.code() is grpc.StatusCode.INTERNAL and rpc_status.from_call(error) is None:
        return UploadBrokenOff()
    return to_service_error(error)


def _report(response: campaigns_pb2.ImportContactsResponse) -> ImportReport:
    return ImportReport(
        import_id=response.import_id,
        total_rows=response.total_rows,
        accepted=response.accepted,
        rejected=tuple(
            RejectedRow(row=one.row, field=one.field, reason=one.reason, value=one.value)
            for one in response.rejected
        ),
        duplicates=response.duplicates,
    )
