"""DialingService."""

from typing import Any
from uuid import UUID

import grpc.aio

from callplane.campaigns.v2 import dialing_pb2, dialing_pb2_grpc
from libs.rpc import pages
from services.campaigns.domain.budgets import Budget
from services.campaigns.domain.dialing_policies import CampaignPolicy, Policy
from services.campaigns.operations.dialing_policies import DialingPolicies
from services.campaigns.operations.preflight import Preflights
from services.campaigns.rpc import dialing_messages
from services.campaigns.rpc.requests import org_id, page_position, page_uuid

_Context = grpc.aio.ServicerContext[Any, Any]


class DialingServicer(dialing_pb2_grpc.DialingServiceServicer):
    def __init__(self, policies: DialingPolicies, preflights: Preflights) -> None:
        self._policies = policies
        self._preflights = preflights

    async def GetDialingPolicy(
        self, request: dialing_pb2.GetDialingPolicyRequest, context: _Context
    ) -> dialing_pb2.DialingPolicy:
        return dialing_messages.policy(await self._policies.get(org_id=org_id()))

    async def ReplaceDialingPolicy(
        self, request: dialing_pb2.ReplaceDialingPolicyRequest, context: _Context
    ) -> dialing_pb2.DialingPolicy:
        policy = Policy(
            consent_required=request.consent_required,
            calling_hours=dialing_messages.calling_hours(request.calling_hours),
            frequency_cap=dialing_messages.frequency_cap(request.frequency_cap)
            if request.HasField("frequency_cap")
            else None,
            budget=dialing_messages.budget(request.budget) if request.HasField("budget") else None,
            call_cost_max_usd=dialing_messages.usd(request, "call_cost_max_usd"),
        )
        return dialing_messages.policy(
            await self._policies.replace(policy, org_id=org_id(), etag=request.etag)
        )

    async def GetCampaignDialingPolicy(
        self, request: dialing_pb2.GetCampaignDialingPolicyRequest, context: _Context
    ) -> dialing_pb2.CampaignDialingPolicy:
        campaign_id = UUID(request.campaign_id)
        policy = await self._policies.get_of_campaign(campaign_id, org_id=org_id())
        return dialing_messages.campaign_policy(policy, campaign_id=campaign_id)

    async def ReplaceCampaignDialingPolicy(
        self, request: dialing_pb2.ReplaceCampaignDialingPolicyRequest, context: _Context
    ) -> dialing_pb2.CampaignDialingPolicy:
        campaign_id = UUID(request.campaign_id)
        limit_usd = dialing_messages.usd(request, "budget_usd")
        policy = CampaignPolicy(
            consent_required=request.consent_required,
            calling_hours=dialing_messages.calling_hours(request.calling_hours),
            budget=Budget(limit_usd=limit_usd) if limit_usd else None,
            call_cost_max_usd=dialing_messages.usd(request, "call_cost_max_usd"),
        )
        saved = await self._policies.replace_of_campaign(
            campaign_id, policy, org_id=org_id(), etag=request.etag
        )
        return dialing_messages.campaign_policy(saved, campaign_id=campaign_id)

    async def GetKillSwitch(
        self, request: dialing_pb2.GetKillSwitchRequest, context: _Context
    ) -> dialing_pb2.KillSwitch:
        return dialing_messages.kill_switch(
            await self._policies.get_kill_switch(org_id=org_id(), campaign_id=None)
        )

    async def SetKillSwitch(
        self, request: dialing_pb2.SetKillSwitchRequest, context: _Context
    ) -> dialing_pb2.KillSwitch:
        return dialing_messages.kill_switch(
            await self._policies.set_kill_switch(
                org_id=org_id(), campaign_id=None, engaged=request.engaged, reason=request.reason
            )
        )

    async def GetCampaignKillSwitch(
        self, request: dialing_pb2.GetCampaignKillSwitchRequest, context: _Context
    ) -> dialing_pb2.KillSwitch:
        return dialing_messages.kill_switch(
            await self._policies.get_kill_switch(org_id=org_id(), campaign_id=UUID(request.campaign_id))
        )

    async def SetCampaignKillSwitch(
        self, request: dialing_pb2.SetCampaignKillSwitchRequest, context: _Context
    ) -> dialing_pb2.KillSwitch:
        return dialing_messages.kill_switch(
            await self._policies.set_kill_switch(
                org_id=org_id(),
                campaign_id=UUID(request.campaign_id),
                engaged=request.engaged,
                reason=request.reason,
            )
        )

    async def GetDialingState(
        self, request: dialing_pb2.GetDialingStateRequest, context: _Context
    ) -> dialing_pb2.DialingState:
        return dialing_messages.state(
            await self._preflights.state(UUID(request.campaign_id), org_id=org_id())
        )

    async def PreflightCampaign(
        self, request: dialing_pb2.PreflightCampaignRequest, context: _Context
    ) -> dialing_pb2.PreflightCampaignResponse:
        preflight = await self._preflights.run(
            UUID(request.id),
            org_id=org_id(),
            after=page_position(request.page_token),
            limit=pages.size(request.page_size),
        )
        return dialing_messages.preflight(preflight)

    async def ListVerdicts(
        self, request: dialing_pb2.ListVerdictsRequest, context: _Context
    ) -> dialing_pb2.ListVerdictsResponse:
        limit = pages.size(request.page_size)
        found = await self._policies.list_verdicts(
            UUID(request.campaign_id),
            org_id=org_id(),
            contact_id=UUID(request.contact_id) if request.contact_id else None,
            before=page_uuid(request.page_token),
            limit=limit,
        )
        return dialing_pb2.ListVerdictsResponse(
            verdicts=map(dialing_messages.verdict, found),
            next_page_token=pages.encode([str(found[-1].id)]) if len(found) == limit else "",
        )
