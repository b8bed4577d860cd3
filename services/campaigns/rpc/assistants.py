"""AssistantService."""

from typing import Any
from uuid import UUID

import grpc.aio
from google.protobuf import empty_pb2

from callplane.campaigns.v2 import assistants_pb2, assistants_pb2_grpc
from libs.rpc import pages
from libs.rpc.convert import struct, timestamp, to_dict
from services.campaigns.domain.assistants import Assistant, AssistantChange
from services.campaigns.operations.assistants import Assistants
from services.campaigns.rpc.requests import org_id, page_name, request_key

_Context = grpc.aio.ServicerContext[Any, Any]


class AssistantServicer(assistants_pb2_grpc.AssistantServiceServicer):
    def __init__(self, assistants: Assistants) -> None:
        self._assistants = assistants

    async def CreateAssistant(
        self, request: assistants_pb2.CreateAssistantRequest, context: _Context
    ) -> assistants_pb2.Assistant:
        created = await self._assistants.create(
            org_id=org_id(),
            name=request.name,
            config=to_dict(request.config),
            ephemeral=request.ephemeral,
            request=request_key(request, context),
        )
        return _to_proto(created)

    async def ImportAssistant(
        self, request: assistants_pb2.ImportAssistantRequest, context: _Context
    ) -> assistants_pb2.Assistant:
        imported = await self._assistants.import_from_provider(
            request.provider_assistant_id, org_id=org_id(), name=request.name
        )
        return _to_proto(imported)

    async def GetAssistant(
        self, request: assistants_pb2.GetAssistantRequest, context: _Context
    ) -> assistants_pb2.Assistant:
        return _to_proto(await self._assistants.get(UUID(request.id), org_id=org_id()))

    async def ListAssistants(
        self, request: assistants_pb2.ListAssistantsRequest, context: _Context
    ) -> assistants_pb2.ListAssistantsResponse:
        limit = pages.size(request.page_size)
        found = await self._assistants.list_after(
            org_id=org_id(),
            after=page_name(request.page_token),
            active=request.active if request.HasField("active") else None,
            limit=limit,
        )
        last = found[-1] if len(found) == limit else None
        return assistants_pb2.ListAssistantsResponse(
            assistants=map(_to_proto, found),
            next_page_token=pages.encode([last.name, str(last.id)]) if last else "",
        )

    async def UpdateAssistant(
        self, request: assistants_pb2.UpdateAssistantRequest, context: _Context
    ) -> assistants_pb2.Assistant:
        change = AssistantChange(
            name=request.name if request.HasField("name") else None,
            config=to_dict(request.config) if request.HasField("config") else None,
            active=request.active if request.HasField("active") else None,
        )
        updated = await self._assistants.update(UUID(request.id), change, org_id=org_id(), etag=request.etag)
        return _to_proto(updated)

    async def DeleteAssistant(
        self, request: assistants_pb2.DeleteAssistantRequest, context: _Context
    ) -> empty_pb2.Empty:
        await self._assistants.delete(UUID(request.id), org_id=org_id())
        return empty_pb2.Empty()


def _to_proto(assistant: Assistant) -> assistants_pb2.Assistant:
    return assistants_pb2.Assistant(
        id=str(assistant.id),
        name=assistant.name,
        source=assistants_pb2.Assistant.Source.Value(assistant.source.value),
        provider=assistant.provider,
        provider_assistant_id=assistant.provider_assistant_id,
        config=struct(assistant.config),
        active=assistant.active,
        ephemeral=assistant.ephemeral,
        version=assistant.version,
        etag=assistant.etag,
        created_at=timestamp(assistant.created_at),
        updated_at=timestamp(assistant.updated_at),
    )
