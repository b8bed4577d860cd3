"""callplane.gateway.v2.ApiKeyService."""

from typing import Any, Final
from uuid import UUID

import grpc.aio
from google.protobuf import empty_pb2

from callplane.gateway.v2 import gateway_pb2, gateway_pb2_grpc
from libs.pg import Pool
from libs.rpc import principal
from libs.rpc.convert import moment, timestamp
from libs.rpc.pages import size
from services.gateway.domain.api_keys import ApiKey, ApiKeyChange, NewApiKey
from services.gateway.operations import api_keys
from services.gateway.rpc.pages import place, token

_Context = grpc.aio.ServicerContext[Any, Any]
_INT32_MAX: Final = 2**31 - 1


class ApiKeyServicer(gateway_pb2_grpc.ApiKeyServiceServicer):
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def CreateApiKey(
        self, request: gateway_pb2.CreateApiKeyRequest, context: _Context
    ) -> gateway_pb2.ApiKey:
        caller = principal()
        new = NewApiKey(
            name=request.name,
            scopes=frozenset(request.scopes),
            expires_at=moment(request.expires_at) if request.HasField("expires_at") else None,
            hourly_rate=request.hourly_rate,
            quota=request.quota,
        )
        stored, key = await api_keys.create(self._pool, new, org_id=caller.org_id, may=caller.may)
        return _to_proto(stored, key=key)

    async def GetApiKey(self, request: gateway_pb2.GetApiKeyRequest, context: _Context) -> gateway_pb2.ApiKey:
        return _to_proto(await api_keys.get(self._pool, UUID(request.id), org_id=principal().org_id))

    async def ListApiKeys(
        self, request: gateway_pb2.ListApiKeysRequest, context: _Context
    ) -> gateway_pb2.ListApiKeysResponse:
        page = await api_keys.list_(
            self._pool,
            org_id=principal().org_id,
            after=place(request.page_token),
            size=size(request.page_size),
        )
        return gateway_pb2.ListApiKeysResponse(
            api_keys=[_to_proto(one) for one in page.items], next_page_token=token(page.next)
        )

    async def UpdateApiKey(
        self, request: gateway_pb2.UpdateApiKeyRequest, context: _Context
    ) -> gateway_pb2.ApiKey:
        change = ApiKeyChange(
            name=request.name if request.HasField("name") else None,
            enabled=request.enabled if request.HasField("enabled") else None,
            expires_at=moment(request.expires_at) if request.HasField("expires_at") else None,
            hourly_rate=request.hourly_rate if request.HasField("hourly_rate") else None,
            quota=request.quota if request.HasField("quota") else None,
        )
        caller = principal()
        changed = await api_keys.update(
            self._pool, UUID(request.id), change, org_id=caller.org_id, may=caller.may
        )
        return _to_proto(changed)

    async def DeleteApiKey(
        self, request: gateway_pb2.DeleteApiKeyRequest, context: _Context
    ) -> empty_pb2.Empty:
        caller = principal()
        await api_keys.delete(self._pool, UUID(request.id), org_id=caller.org_id, may=caller.may)
        return empty_pb2.Empty()


def _to_proto(key_row: ApiKey, *, key: str = "") -> gateway_pb2.ApiKey:
    return gateway_pb2.ApiKey(
        id=str(key_row.id),
        name=key_row.name,
        prefix=key_row.prefix,
        key=key,
        scopes=sorted(key_row.scopes),
        enabled=key_row.enabled,
        expires_at=timestamp(key_row.expires_at),
        hourly_rate=key_row.hourly_rate,
        quota=key_row.quota,
        usage_count=min(key_row.usage_count, _INT32_MAX),
        last_used_at=timestamp(key_row.last_used_at),
        created_at=timestamp(key_row.created_at),
    )
