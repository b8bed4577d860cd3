"""Files in and out of a campaign: they are no JSON, so they do not go through transcoding.

POST /v2/campaigns/{id}/contacts:import    multipart field `file`, or the CSV itself as text/csv
GET  /v2/campaigns/{id}/export.csv
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Final
from uuid import UUID

import msgspec
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from libs.errors import FieldViolation, InvalidArgument
from libs.rpc.principals import METADATA_KEY
from services.gateway.campaigns_client import CampaignsClient
from services.gateway.errors import BodyTooLarge, ContentTypeUnsupported, PrincipalMissing
from services.gateway.http import bodies
from services.gateway.http.multipart import FormFile

IMPORT_ROUTE: Final = "/v2/campaigns/{id}/contacts:import"
EXPORT_ROUTE: Final = "/v2/campaigns/{id}/export.csv"
FILE_BYTES_MAX: Final = 10 * 1024 * 1024

# Boundaries, part headers and small fields around the file.
_FORM_BYTES_MAX: Final = FILE_BYTES_MAX + 64 * 1024
_CHUNK_BYTES_MAX: Final = 256 * 1024
# Files in memory at one moment.
_UPLOADS_MAX: Final = 8
_CSV_TYPES: Final = ("text/csv", "application/csv")
_encoder = msgspec.json.Encoder()


class CampaignFiles:
    def __init__(self, campaigns: CampaignsClient) -> None:
        self._campaigns = campaigns
        self._uploads = asyncio.Semaphore(_UPLOADS_MAX)

    async def import_contacts(self, request: Request) -> Response:
        token, campaign_id, region = _token(request), _campaign_id(request), _region(request)
        bodies.refuse_compressed(request)
        # Known to be whole and small enough before the campaigns service hears of it: nothing is ever half
        # imported.
        async with self._uploads:
            file = await _read(_file(request))
            report = await self._campaigns.import_contacts(
                campaign_id, _chunks(file), default_region=region, token=token
            )
        return Response(_encoder.encode(_camel(report)), media_type="application/json")

    async def export(self, request: Request) -> Response:
        token, campaign_id = _token(request), _campaign_id(request)
        chunks = self._campaigns.export_campaign(campaign_id, token=token)
        # A refusal comes before the first bytes; once they are sent, the status stands.
        first = await anext(chunks, b"")
        headers = {"content-disposition": f'attachment; filename="campaign-{campaign_id}.csv"'}
        return StreamingResponse(_after(first, chunks), media_type="text/csv; charset=utf-8", headers=headers)


def _token(request: Request) -> str:
    """Envoy sets it after the authorization check, and strips it from what comes from outside."""
    token = request.headers.get(METADATA_KEY, "")
    if not token:
        raise PrincipalMissing
    return token


def _campaign_id(request: Request) -> str:
    try:
        return str(UUID(request.path_params["id"]))
    except ValueError:
        raise InvalidArgument(violations=[FieldViolation("id", "must be a valid UUID")]) from None


def _region(request: Request) -> str:
    """Empty, or of the length of a region; whether there is one the campaigns service knows."""
    region: str = request.query_params.get("defaultRegion", "")
    if len(region) not in (0, 2):
        violation = FieldViolation("defaultRegion", "must be an ISO 3166 region of two letters, like CA")
        raise InvalidArgument(violations=[violation])
    return region


def _file(request: Request) -> AsyncIterator[bytes]:
    content_type = request.headers.get("content-type", "")
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type in _CSV_TYPES:
        return bodies.stream(request, limit_bytes=FILE_BYTES_MAX)
    if media_type == "multipart/form-data":
        form = FormFile(content_type, file="file")
        return form.chunks(bodies.stream(request, limit_bytes=_FORM_BYTES_MAX))
    raise ContentTypeUnsupported(metadata={"accepted": "multipart/form-data, text/csv"})


async def _read(chunks: AsyncIterator[bytes]) -> bytearray:
    file = bytearray()
    async for chunk in chunks:
        file += chunk
        if len(file) > FILE_BYTES_MAX:
            raise BodyTooLarge(metadata={"limit_bytes": str(FILE_BYTES_MAX)})
    return file


def _chunks(file: bytearray) -> Iterator[bytes]:
    for start in range(0, len(file), _CHUNK_BYTES_MAX):
        yield bytes(file[start : start + _CHUNK_BYTES_MAX])


async def _after(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    if first:
        yield first
    async for chunk in rest:
        yield chunk


def _camel(report: object) -> object:
    fields: dict[str, object] = msgspec.to_builtins(report)
    return {_camel_case(name): value for name, value in fields.items()}


def _camel_case(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)
