"""callplane.gateway.v2.SourceService."""

from typing import Any
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

    async def DeleteSource(
        self, request: gateway_pb2.DeleteSourceRequest, context: _Context
    ) -> empty_pb2.Empty:
        await sources.delete(self._pool, UUID(request.id), org_id=principal().org_id)
        return empty_pb2.Empty()

    def _to_proto(self, source: Source, *, secret: str = "") -> gateway_pb2.Source:
        settings = source.settings
        return gateway_pb2.Source(
            id=str(source.id),
            name=source.name,
            provider=source.provider,
            schemes=[_SchemeProto.Value(scheme.value) for scheme in source.schemes],
            secret=secret,
            url=self._public_url + names.path(source.provider, source.name),
            created_at=timestamp(source.created_at),
            signature=gateway_pb2.SignatureSettings(
                signature_header=settings.signature_header,
                timestamp_header=settings.timestamp_header,
                prefix=settings.prefix,
                encoding=settings.encoding,
                algorithm=settings.algorithm,
            ),
        )


def _settings(signature: gateway_pb2.SignatureSettings) -> SignatureSettings:
    return SignatureSettings(
        signature_header=signature.signature_header,
        timestamp_header=signature.timestamp_header,
        prefix=signature.prefix,
        encoding=signature.encoding,
        algorithm=signature.algorithm,
    )
