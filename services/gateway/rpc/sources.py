"""callplane.gateway.v2.SourceService."""

from dataclasses import asdict, fields
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import grpc.aio
from google.protobuf import empty_pb2

from callplane.gateway.v2 import gateway_pb2, gateway_pb2_grpc
from libs.pg import Pool
from libs.rpc import principal
from libs.rpc.convert import timestamp
from libs.rpc.pages import size
from libs.vault import Vault
from services.gateway.domain import sources as names
from services.gateway.domain.signatures import Scheme, SignatureSettings
from services.gateway.domain.sources import NewSource, Source
from services.gateway.operations import sources
from services.gateway.rpc.pages import place, token

_Context = grpc.aio.ServicerContext[Any, Any]
_SchemeProto = gateway_pb2.Source.Scheme
_OVERLAP_HOURS: Final = 24


class SourceServicer(gateway_pb2_grpc.SourceServiceServicer):
    def __init__(self, pool: Pool, vault: Vault, *, public_url: str) -> None:
        self._pool = pool
        self._vault = vault
        self._public_url = public_url

    async def CreateSource(
        self, request: gateway_pb2.CreateSourceRequest, context: _Context
    ) -> gateway_pb2.Source:
        new = NewSource(
            name=request.name,
            provider=request.provider,
            schemes=tuple(Scheme(_SchemeProto.Name(scheme)) for scheme in request.schemes),
            settings=_settings(request.signature),
            default_assistant_id=request.default_assistant_id,
        )
        source, secret = await sources.create(
            self._pool, self._vault, new, org_id=principal().org_id, secret=request.secret
        )
        return self._to_proto(source, secret=secret)

    async def GetSource(self, request: gateway_pb2.GetSourceRequest, context: _Context) -> gateway_pb2.Source:
        return self._to_proto(await sources.get(self._pool, UUID(request.id), org_id=principal().org_id))

    async def ListSources(
        self, request: gateway_pb2.ListSourcesRequest, context: _Context
    ) -> gateway_pb2.ListSourcesResponse:
        page = await sources.list_(
            self._pool,
            org_id=principal().org_id,
            after=place(request.page_token),
            size=size(request.page_size),
        )
        return gateway_pb2.ListSourcesResponse(
            sources=[self._to_proto(one) for one in page.items], next_page_token=token(page.next)
        )

    async def RotateSourceSecret(
        self, request: gateway_pb2.RotateSourceSecretRequest, context: _Context
    ) -> gateway_pb2.Source:
        hours = request.overlap_hours if request.HasField("overlap_hours") else _OVERLAP_HOURS
        source, secret = await sources.rotate(
            self._pool,
            self._vault,
            UUID(request.id),
            org_id=principal().org_id,
            secret=request.secret,
            overlap=timedelta(hours=hours),
        )
        return self._to_proto(source, secret=secret)

    async def UpdateSource(
        self, request: gateway_pb2.UpdateSourceRequest, context: _Context
    ) -> gateway_pb2.Source:
        given = request.HasField("default_assistant_id")
        source = await sources.update(
            self._pool,
            UUID(request.id),
            org_id=principal().org_id,
            default_assistant_id=request.default_assistant_id if given else None,
        )
        return self._to_proto(source)

    async def DeleteSource(
        self, request: gateway_pb2.DeleteSourceRequest, context: _Context
    ) -> empty_pb2.Empty:
        await sources.delete(self._pool, UUID(request.id), org_id=principal().org_id)
        return empty_pb2.Empty()

    def _to_proto(self, source: Source, *, secret: str = "") -> gateway_pb2.Source:
        return gateway_pb2.Source(
            id=str(source.id),
            name=source.name,
            provider=source.provider,
            schemes=[_SchemeProto.Value(scheme.value) for scheme in source.schemes],
            secret=secret,
            url=self._public_url + names.path(source.provider, source.name),
            created_at=timestamp(source.created_at),
            signature=gateway_pb2.SignatureSettings(**asdict(source.settings)),
            previous_secret_expires_at=timestamp(source.previous_secret_expires_at),
            default_assistant_id=source.default_assistant_id,
        )


def _settings(signature: gateway_pb2.SignatureSettings) -> SignatureSettings:
    """The two have the same fields."""
    return SignatureSettings(
        **{field.name: getattr(signature, field.name) for field in fields(SignatureSettings)}
    )
