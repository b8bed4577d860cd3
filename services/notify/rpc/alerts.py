"""AlertService."""

from typing import Any
from uuid import UUID

import grpc.aio
from google.protobuf import empty_pb2

from callplane.notify.v2 import messages_pb2, messages_pb2_grpc
from libs.pg import Pool
from libs.rpc import pages, principal
from services.notify.operations import alerts
from services.notify.rpc import convert


class AlertServicer(messages_pb2_grpc.AlertServiceServicer):
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def CreateAlertPolicy(
        self, request: messages_pb2.CreateAlertPolicyRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> messages_pb2.AlertPolicy:
        created = await alerts.create_policy(
            self._pool,
            org_id=principal().org_id,
            name=request.name,
            priorities=request.priorities,
            recipients=request.recipients,
            template=request.template,
        )
        return convert.alert_policy(created)

    async def ListAlertPolicies(
        self, request: messages_pb2.ListAlertPoliciesRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> messages_pb2.ListAlertPoliciesResponse:
        limit = pages.size(request.page_size)
        found = await alerts.list_policies(
            self._pool, org_id=principal().org_id, before=convert.place(request.page_token), limit=limit
        )
        return messages_pb2.ListAlertPoliciesResponse(
            alert_policies=map(convert.alert_policy, found),
            next_page_token=convert.next_page_token(found, limit=limit),
        )

    async def UpdateAlertPolicy(
        self, request: messages_pb2.UpdateAlertPolicyRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> messages_pb2.AlertPolicy:
        updated = await alerts.update_policy(
            self._pool,
            org_id=principal().org_id,
            policy_id=UUID(request.id),
            recipients=request.recipients,
            template=request.template if request.HasField("template") else None,
            active=request.active if request.HasField("active") else None,
        )
        return convert.alert_policy(updated)

    async def DeleteAlertPolicy(
        self, request: messages_pb2.DeleteAlertPolicyRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> empty_pb2.Empty:
        await alerts.delete_policy(self._pool, org_id=principal().org_id, policy_id=UUID(request.id))
        return empty_pb2.Empty()

    async def ListAlerts(
        self, request: messages_pb2.ListAlertsRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> messages_pb2.ListAlertsResponse:
        limit = pages.size(request.page_size)
        found = await alerts.list_alerts(
            self._pool,
            org_id=principal().org_id,
            status=messages_pb2.Alert.Status.Name(request.status) if request.status else "",
            before=convert.place(request.page_token),
            limit=limit,
        )
        return messages_pb2.ListAlertsResponse(
            alerts=map(convert.alert, found), next_page_token=convert.next_page_token(found, limit=limit)
        )

    async def AcknowledgeAlert(
        self, request: messages_pb2.AcknowledgeAlertRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> messages_pb2.Alert:
        caller = principal()
        acknowledged = await alerts.acknowledge_alert(
            self._pool, org_id=caller.org_id, alert_id=UUID(request.id), by=caller.subject
        )
        return convert.alert(acknowledged)
