"""What tests of verdicts ask of the running service."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from callplane.campaigns.v2 import consents_pb2, consents_pb2_grpc, dialing_pb2, dialing_pb2_grpc
from tests.integration.campaigns.harness import FIRST_PHONE, ORG, Service

Decision = dialing_pb2.Verdict.Decision


def dialing(service: Service) -> dialing_pb2_grpc.DialingServiceStub:
    return dialing_pb2_grpc.DialingServiceStub(service.peer.channel)


def consents(service: Service) -> consents_pb2_grpc.ConsentServiceStub:
    return consents_pb2_grpc.ConsentServiceStub(service.peer.channel)


def closed_hours() -> list[dialing_pb2.CallingWindow]:
    """Three days from now, in every zone."""
    day = (datetime.now(UTC) + timedelta(days=3)).isoweekday()
    return [dialing_pb2.CallingWindow(day=day, opens="12:00", closes="13:00")]


async def replace_policy(service: Service, **fields: Any) -> dialing_pb2.DialingPolicy:
    request = dialing_pb2.ReplaceDialingPolicyRequest(**fields)
    return await dialing(service).ReplaceDialingPolicy(request, metadata=service.metadata())


async def replace_own(service: Service, campaign_id: str, **fields: Any) -> dialing_pb2.CampaignDialingPolicy:
    request = dialing_pb2.ReplaceCampaignDialingPolicyRequest(campaign_id=campaign_id, **fields)
    return await dialing(service).ReplaceCampaignDialingPolicy(request, metadata=service.metadata())


async def consent(service: Service, number: int, **fields: Any) -> consents_pb2.Consent:
    request = consents_pb2.RecordConsentRequest(
        **{"phone_number": f"+{FIRST_PHONE + number}", "source": "web form", **fields}
    )
    return await consents(service).RecordConsent(request, metadata=service.metadata())


async def kill(
    service: Service, *, engaged: bool, campaign_id: str = "", org_id: UUID = ORG
) -> dialing_pb2.KillSwitch:
    if campaign_id:
        own = dialing_pb2.SetCampaignKillSwitchRequest(
            campaign_id=campaign_id, engaged=engaged, reason="complaints"
        )
        return await dialing(service).SetCampaignKillSwitch(own, metadata=service.metadata(org_id))
    request = dialing_pb2.SetKillSwitchRequest(engaged=engaged, reason="complaints")
    return await dialing(service).SetKillSwitch(request, metadata=service.metadata(org_id))


async def verdicts(service: Service, campaign_id: str, **fields: Any) -> list[dialing_pb2.Verdict]:
    request = dialing_pb2.ListVerdictsRequest(campaign_id=campaign_id, page_size=500, **fields)
    return list((await dialing(service).ListVerdicts(request, metadata=service.metadata())).verdicts)


def told(found: list[dialing_pb2.Verdict]) -> Counter[tuple[str, str]]:
    return Counter((Decision.Name(one.decision), one.reason) for one in found)


async def state(service: Service, campaign_id: str) -> dialing_pb2.DialingState:
    request = dialing_pb2.GetDialingStateRequest(campaign_id=campaign_id)
    return await dialing(service).GetDialingState(request, metadata=service.metadata())
