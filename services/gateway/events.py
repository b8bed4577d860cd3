"""What the gateway tells the other services."""

from google.protobuf import any_pb2

from callplane.events.v1 import events_pb2
from libs.outbox import NewEvent
from services.gateway.domain.organizations import Organization


def organization_created(organization: Organization) -> NewEvent:
    data = any_pb2.Any()
    data.Pack(events_pb2.OrganizationCreated(id=str(organization.id), name=organization.name))
    return NewEvent(
        type="callplane.organization.created.v1",
        subject=str(organization.id),
        org_id=organization.id,
        data=data.SerializeToString(),
    )
