"""The first organization of the local stack: made once, through the RPCs operators use, then found again."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from uuid import UUID

import grpc
import grpc.aio

from callplane.calls.v2 import (
    provider_pb2,
    provider_pb2_grpc,
    rules_pb2,
    rules_pb2_grpc,
    services_pb2,
    services_pb2_grpc,
)
from callplane.gateway.v2 import gateway_pb2, gateway_pb2_grpc
from callplane.notify.v2 import messages_pb2, messages_pb2_grpc
from deploy.local.child import StackError
from deploy.local.plan import LINES, TWILIO_SOURCE, VAPI_SOURCE, Plan
from deploy.sandbox.config import VAPI_ASSISTANT_ID
from libs.rpc import Peer, PrincipalSigner

ORGANIZATION = "First organization"
RULE_PACK = "drain_cleaning_quebec"
ON_CALL_NUMBER = "+15143180427"
# Lines that outbound calls leave to callers.
INBOUND_RESERVE = 10
RPC_SECONDS_MAX = 10.0
Scheme = gateway_pb2.Source.Scheme


async def seed(plan: Plan) -> None:
    """Makes what is missing; the organization's id and key are kept with the secrets."""
    try:
        async with _peers(plan) as peers:
            await _organization(plan, peers["gateway"])
            metadata = peers["gateway"].metadata(UUID(plan.secrets["ORGANIZATION_ID"]))
            await _api_key(plan, peers["gateway"], metadata)
            await _sources(plan, peers["gateway"], metadata)
            await _provider_account(plan, peers["calls"], metadata)
            await _rules(peers["calls"], metadata)
            await _alert_policy(peers["notify"], metadata)
    except grpc.aio.AioRpcError as error:
        raise StackError(
            f"the first organization cannot be set up: {error.code().name} {error.details()}"
        ) from None


Metadata = tuple[tuple[str, str], ...]


@asynccontextmanager
async def _peers(plan: Plan) -> AsyncIterator[dict[str, Peer]]:
    signer = PrincipalSigner(plan.secrets["PRINCIPAL_SECRET"])
    async with AsyncExitStack() as stack:
        peers = {}
        for name in ("gateway", "calls", "notify"):
            peers[name] = Peer(plan.ports.address(name), signer=signer, service="local-stack")
            stack.push_async_callback(peers[name].close)
        yield peers


async def _organization(plan: Plan, gateway: Peer) -> None:
    if "ORGANIZATION_ID" in plan.secrets:
        return
    stub = gateway_pb2_grpc.OrganizationServiceStub(gateway.channel)
    request = gateway_pb2.CreateOrganizationRequest(name=ORGANIZATION)
    try:
        organization = await stub.CreateOrganization(
            request, metadata=gateway.metadata(), timeout=RPC_SECONDS_MAX
        )
    except grpc.aio.AioRpcError as error:
        if error.code() != grpc.StatusCode.ALREADY_EXISTS:
            raise
        # An earlier start ended between making it and noting it.
        raise StackError(
            f"the database holds {ORGANIZATION!r} already, but its id is not in secrets.json; "
            f"remove {plan.settings.data_dir} to begin anew (its data will be lost)"
        ) from None
    plan.secrets["ORGANIZATION_ID"] = organization.id


async def _api_key(plan: Plan, gateway: Peer, metadata: Metadata) -> None:
    if "API_KEY" in plan.secrets:
        return
    stub = gateway_pb2_grpc.ApiKeyServiceStub(gateway.channel)
    request = gateway_pb2.CreateApiKeyRequest(name="Local administrator", scopes=["admin"])
    key = await stub.CreateApiKey(request, metadata=metadata, timeout=RPC_SECONDS_MAX)
    plan.secrets["API_KEY"] = key.key


async def _sources(plan: Plan, gateway: Peer, metadata: Metadata) -> None:
    stub = gateway_pb2_grpc.SourceServiceStub(gateway.channel)
    listed = await stub.ListSources(
        gateway_pb2.ListSourcesRequest(), metadata=metadata, timeout=RPC_SECONDS_MAX
    )
    known = {source.name for source in listed.sources}
    vapi = gateway_pb2.CreateSourceRequest(
        name=VAPI_SOURCE,
        provider="vapi",
        schemes=[Scheme.HMAC_BODY, Scheme.HMAC_TIMESTAMP, Scheme.SHARED_SECRET],
        secret=plan.secrets["VAPI_WEBHOOK_SECRET"],
        default_assistant_id=VAPI_ASSISTANT_ID,
    )
    twilio = gateway_pb2.CreateSourceRequest(
        name=TWILIO_SOURCE,
        provider="twilio",
        schemes=[Scheme.TWILIO],
        secret=plan.secrets["TWILIO_AUTH_TOKEN"],
    )
    for request in (vapi, twilio):
        if request.name not in known:
            await stub.CreateSource(request, metadata=metadata, timeout=RPC_SECONDS_MAX)


async def _provider_account(plan: Plan, calls: Peer, metadata: Metadata) -> None:
    stub = provider_pb2_grpc.ProviderAccountServiceStub(calls.channel)
    listed = await stub.ListProviderAccounts(
        provider_pb2.ListProviderAccountsRequest(), metadata=metadata, timeout=RPC_SECONDS_MAX
    )
    if not listed.provider_accounts:
        lines = int(plan.settings.environ.get("CALLS_LINES") or LINES)
        reserve = INBOUND_RESERVE if lines > INBOUND_RESERVE else 0
        request = provider_pb2.CreateProviderAccountRequest(
            name="Sandbox", provider="vapi", lines=lines, inbound_reserve=reserve
        )
        await stub.CreateProviderAccount(request, metadata=metadata, timeout=RPC_SECONDS_MAX)


async def _rules(calls: Peer, metadata: Metadata) -> None:
    stub = rules_pb2_grpc.RuleServiceStub(calls.channel)
    listed = await stub.ListPriorityRules(
        rules_pb2.ListPriorityRulesRequest(), metadata=metadata, timeout=RPC_SECONDS_MAX
    )
    services = services_pb2_grpc.ServiceRuleServiceStub(calls.channel)
    windows = await services.ListSchedulingRules(
        services_pb2.ListSchedulingRulesRequest(), metadata=metadata, timeout=RPC_SECONDS_MAX
    )
    # Data of an earlier release has no windows yet.
    if not listed.priority_rules or not windows.scheduling_rules:
        request = rules_pb2.InstallRulePackRequest(name=RULE_PACK)
        await stub.InstallRulePack(request, metadata=metadata, timeout=RPC_SECONDS_MAX)


async def _alert_policy(notify: Peer, metadata: Metadata) -> None:
    stub = messages_pb2_grpc.AlertServiceStub(notify.channel)
    listed = await stub.ListAlertPolicies(
        messages_pb2.ListAlertPoliciesRequest(), metadata=metadata, timeout=RPC_SECONDS_MAX
    )
    if not listed.alert_policies:
        request = messages_pb2.CreateAlertPolicyRequest(
            name="On call", priorities=["P1", "P2"], recipients=[ON_CALL_NUMBER]
        )
        await stub.CreateAlertPolicy(request, metadata=metadata, timeout=RPC_SECONDS_MAX)
