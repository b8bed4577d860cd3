"""ContactService."""

from typing import Any
from uuid import UUID

import grpc.aio

from callplane.campaigns.v2 import contacts_pb2, contacts_pb2_grpc
from libs.rpc import pages
from libs.rpc.convert import timestamp
from services.campaigns.domain.imports import Import, Undo
from services.campaigns.operations.contact_imports import ContactImports
from services.campaigns.rpc import messages
from services.campaigns.rpc.requests import org_id, page_time

_Context = grpc.aio.ServicerContext[Any, Any]


class ContactServicer(contacts_pb2_grpc.ContactServiceServicer):
    def __init__(self, imports: ContactImports) -> None:
        self._imports = imports

    async def AddContacts(
        self, request: contacts_pb2.AddContactsRequest, context: _Context
    ) -> contacts_pb2.AddContactsResponse:
        added = await self._imports.add(
            UUID(request.campaign_id),
            [
                {
                    "name": one.name,
                    "business_name": one.business_name,
                    "phone": one.phone,
                    "timezone": one.time_zone,
                }
                for one in request.contacts
            ],
            org_id=org_id(),
            region=request.default_region,
        )
        return contacts_pb2.AddContactsResponse(
            import_id=str(added.id),
            accepted=added.accepted,
            rejected=messages.rejected_rows(added.rejections),
            duplicates=added.duplicates,
        )

    async def ListImports(
        self, request: contacts_pb2.ListImportsRequest, context: _Context
    ) -> contacts_pb2.ListImportsResponse:
        limit = pages.size(request.page_size)
        found = await self._imports.list_after(
            UUID(request.campaign_id), org_id=org_id(), after=page_time(request.page_token), limit=limit
        )
        last = found[-1] if len(found) == limit else None
        return contacts_pb2.ListImportsResponse(
            imports=map(_import, found),
            next_page_token=pages.encode([last.created_at.isoformat(), str(last.id)]) if last else "",
        )

    async def GetImport(
        self, request: contacts_pb2.GetImportRequest, context: _Context
    ) -> contacts_pb2.Import:
        found = await self._imports.get(UUID(request.campaign_id), UUID(request.id), org_id=org_id())
        return _import(found)

    async def UndoImport(
        self, request: contacts_pb2.UndoImportRequest, context: _Context
    ) -> contacts_pb2.Import:
        undone = await self._imports.undo(UUID(request.campaign_id), UUID(request.id), org_id=org_id())
        return _import(undone)


def _import(found: Import) -> contacts_pb2.Import:
    return contacts_pb2.Import(
        id=str(found.id),
        campaign_id=str(found.campaign_id),
        source=contacts_pb2.Import.Source.Value(found.source.value),
        default_region=found.default_region,
        total_rows=found.total_rows,
        accepted=found.accepted,
        duplicates=found.duplicates,
        rejected_rows=found.rejected,
        rejected=messages.rejected_rows(found.rejections),
        created_at=timestamp(found.created_at),
        undo=_undo(found.undo) if found.undo else None,
    )


def _undo(undo: Undo) -> contacts_pb2.ImportUndo:
    return contacts_pb2.ImportUndo(
        removed=undo.removed,
        withdrawn=undo.withdrawn,
        kept=undo.kept,
        undone_at=timestamp(undo.undone_at),
    )
