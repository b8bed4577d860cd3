"""AssistantService."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import grpc.aio
from google.api import httpbody_pb2
from google.protobuf import empty_pb2, json_format, struct_pb2

from callplane.campaigns.v2 import assistants_pb2, assistants_pb2_grpc
from libs.rpc import pages
from libs.rpc.convert import struct, timestamp, to_dict
from services.campaigns.domain.assistants import (
    Assistant,
    AssistantChange,
    AssistantVersion,
    Content,
    Source,
)
from services.campaigns.domain.drift import ABSENT, Difference
from services.campaigns.operations.assistant_discovery import AssistantDiscovery, Discovered
from services.campaigns.operations.assistant_usage import AssistantUsage
from services.campaigns.operations.assistant_writing import AssistantWriting
from services.campaigns.operations.assistants import Assistants
from services.campaigns.rpc import usage_messages
from services.campaigns.rpc.requests import org_id, page_name, page_position, request_key

_Context = grpc.aio.ServicerContext[Any, Any]


class AssistantServicer(assistants_pb2_grpc.AssistantServiceServicer):
    def __init__(
        self,
        assistants: Assistants,
        writing: AssistantWriting,
        discovery: AssistantDiscovery,
        usage: AssistantUsage,
    ) -> None:
        self._assistants = assistants
        self._writing = writing
        self._discovery = discovery
        self._usage = usage

    async def CreateAssistant(
        self, request: assistants_pb2.CreateAssistantRequest, context: _Context
    ) -> assistants_pb2.Assistant:
        created = await self._assistants.create(
            Content(request.name, _without_nulls(request.config)),
            org_id=org_id(),
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
            source=Source(assistants_pb2.Assistant.Source.Name(request.source)) if request.source else None,
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
        updated = await self._writing.update(
            UUID(request.id), change, org_id=org_id(), etag=request.etag, force=request.force
        )
        return _to_proto(updated)

    async def DeleteAssistant(
        self, request: assistants_pb2.DeleteAssistantRequest, context: _Context
    ) -> empty_pb2.Empty:
        await self._assistants.delete(UUID(request.id), org_id=org_id())
        return empty_pb2.Empty()

    async def CloneAssistant(
        self, request: assistants_pb2.CloneAssistantRequest, context: _Context
    ) -> assistants_pb2.Assistant:
        change = AssistantChange(name=request.name or None, config=to_dict(request.config))
        cloned = await self._assistants.clone(
            UUID(request.id),
            change,
            org_id=org_id(),
            ephemeral=request.ephemeral,
            request=request_key(request, context),
        )
        return _to_proto(cloned)

    async def ListAssistantVersions(
        self, request: assistants_pb2.ListAssistantVersionsRequest, context: _Context
    ) -> assistants_pb2.ListAssistantVersionsResponse:
        limit = pages.size(request.page_size)
        found = await self._assistants.list_versions(
            UUID(request.id), org_id=org_id(), before=page_position(request.page_token) or None, limit=limit
        )
        return assistants_pb2.ListAssistantVersionsResponse(
            versions=map(_version, found),
            next_page_token=pages.encode([str(found[-1].version)]) if len(found) == limit else "",
        )

    async def RollbackAssistant(
        self, request: assistants_pb2.RollbackAssistantRequest, context: _Context
    ) -> assistants_pb2.Assistant:
        restored = await self._writing.rollback(
            UUID(request.id),
            version=request.version,
            org_id=org_id(),
            etag=request.etag,
            force=request.force,
        )
        return _to_proto(restored)

    async def CheckAssistantDrift(
        self, request: assistants_pb2.CheckAssistantDriftRequest, context: _Context
    ) -> assistants_pb2.AssistantDrift:
        found = await self._discovery.check_drift(UUID(request.id), org_id=org_id())
        return assistants_pb2.AssistantDrift(
            assistant_id=str(found.assistant_id),
            drifted=found.gone or bool(found.differences),
            differences=map(_difference, found.differences),
            gone=found.gone,
            provider_updated_at=timestamp(found.provider_updated_at),
        )

    async def DiscoverAssistants(
        self, request: assistants_pb2.DiscoverAssistantsRequest, context: _Context
    ) -> assistants_pb2.DiscoverAssistantsResponse:
        page = await self._discovery.discover(
            org_id=org_id(),
            page_size=request.page_size,
            page_token=request.page_token,
            import_new=request.import_new,
            only=frozenset(request.provider_assistant_ids),
        )
        return assistants_pb2.DiscoverAssistantsResponse(
            assistants=map(_discovered, page.assistants), next_page_token=page.next_page_token
        )

    async def GetAssistantUsage(
        self, request: assistants_pb2.GetAssistantUsageRequest, context: _Context
    ) -> assistants_pb2.AssistantUsage:
        return usage_messages.usage(await self._usage.get(UUID(request.id), org_id=org_id()))

    async def ListAssistantUsage(
        self, request: assistants_pb2.ListAssistantUsageRequest, context: _Context
    ) -> assistants_pb2.ListAssistantUsageResponse:
        limit = pages.size(request.page_size)
        found = await self._usage.list_after(
            org_id=org_id(), after=page_name(request.page_token), limit=limit
        )
        last = found[-1].assistant if len(found) == limit else None
        return assistants_pb2.ListAssistantUsageResponse(
            usage=map(usage_messages.usage, found),
            next_page_token=pages.encode([last.name, str(last.id)]) if last else "",
        )

    async def ExportAssistants(
        self, request: assistants_pb2.ExportAssistantsRequest, context: _Context
    ) -> AsyncIterator[httpbody_pb2.HttpBody]:
        now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        separator = f'{{"exportedAt": "{now}", "assistants": ['
        async for page in self._assistants.export(org_id=org_id()):
            text = separator + ",\n".join(
                json_format.MessageToJson(_to_proto(one), indent=None) for one in page
            )
            separator = ",\n"
            yield httpbody_pb2.HttpBody(content_type="application/json", data=text.encode())
        yield httpbody_pb2.HttpBody(content_type="application/json", data=b"]}\n")


def _without_nulls(config: struct_pb2.Struct) -> dict[str, Any]:
    return {key: value for key, value in to_dict(config).items() if value is not None}


def _version(version: AssistantVersion) -> assistants_pb2.AssistantVersion:
    return assistants_pb2.AssistantVersion(
        version=version.version,
        name=version.name,
        config=struct(version.config),
        created_at=timestamp(version.created_at),
        restored_version=version.restored_version or 0,
    )


def _difference(difference: Difference) -> assistants_pb2.AssistantDifference:
    return assistants_pb2.AssistantDifference(
        field=difference.field,
        changed_by=assistants_pb2.AssistantDifference.ChangedBy.Value(difference.changed_by.value),
        last_written=_value(difference.last_written),
        directory=_value(difference.directory),
        provider=_value(difference.provider),
    )


def _value(value: Any) -> struct_pb2.Value | None:
    return None if value is ABSENT else json_format.ParseDict(value, struct_pb2.Value())


def _discovered(one: Discovered) -> assistants_pb2.DiscoveredAssistant:
    return assistants_pb2.DiscoveredAssistant(
        provider_assistant_id=one.found.id,
        name=one.found.name,
        assistant_id=str(one.entry.id) if one.entry else "",
        imported=one.imported,
        drifted=one.drifted,
        updated_at=timestamp(one.found.updated_at),
    )


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
        inactive_reason=assistant.inactive_reason,
        checked_at=timestamp(assistant.checked_at),
    )
