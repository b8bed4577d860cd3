"""callplane.gateway.v2.OrganizationService."""

from typing import Any
from uuid import UUID

import grpc.aio

from callplane.gateway.v2 import gateway_pb2, gateway_pb2_grpc
from libs.pg import Pool
from libs.rpc import NO_ORG, principal
from libs.rpc.convert import timestamp
from libs.rpc.pages import size
from services.gateway.domain.organizations import Organization
from services.gateway.operations import organizations
from services.gateway.rpc.pages import place, token

_Context = grpc.aio.ServicerContext[Any, Any]


class OrganizationServicer(gateway_pb2_grpc.OrganizationServiceServicer):
    def __init__(self, pool: Pool, worker_pool: Pool) -> None:
        self._pool = pool
        self._worker_pool = worker_pool

    async def CreateOrganization(
        self, request: gateway_pb2.CreateOrganizationRequest, context: _Context
    ) -> gateway_pb2.Organization:
        return _to_proto(await organizations.create(self._worker_pool, name=request.name))

    async def GetOrganization(
        self, request: gateway_pb2.GetOrganizationRequest, context: _Context
    ) -> gateway_pb2.Organization:
        pool, org_id = self._view()
        return _to_proto(await organizations.get(pool, UUID(request.id), org_id=org_id))

    async def ListOrganizations(
        self, request: gateway_pb2.ListOrganizationsRequest, context: _Context
    ) -> gateway_pb2.ListOrganizationsResponse:
        pool, org_id = self._view()
        page = await organizations.list_(
            pool, org_id=org_id, after=place(request.page_token), size=size(request.page_size)
        )
        return gateway_pb2.ListOrganizationsResponse(
            organizations=[_to_proto(one) for one in page.items], next_page_token=token(page.next)
        )

    def _view(self) -> tuple[Pool, UUID | None]:
        """A service that acts for no organization sees all of them."""
        caller = principal()
        if caller.is_service and caller.org_id == NO_ORG:
            return self._worker_pool, None
        return self._pool, caller.org_id


def _to_proto(organization: Organization) -> gateway_pb2.Organization:
    return gateway_pb2.Organization(
        id=str(organization.id), name=organization.name, created_at=timestamp(organization.created_at)
    )
