"""RuleService."""

from typing import Any, TypeAlias
from uuid import UUID

import grpc.aio
from google.protobuf import empty_pb2

from callplane.calls.v2 import calls_pb2, rules_pb2, rules_pb2_grpc
from libs.errors import InvalidPageToken
from libs.rpc import convert, pages, principal
from services.calls.domain.call import Priority
from services.calls.domain.rules import PriorityRule, StoredPricingRule, StoredPriorityRule
from services.calls.operations.rules import Rules
from services.calls.rpc.places import cut, number_place

_Context: TypeAlias = grpc.aio.ServicerContext[Any, Any]


class RuleServicer(rules_pb2_grpc.RuleServiceServicer):
    def __init__(self, rules: Rules) -> None:
        self._rules = rules

    async def Quote(self, request: rules_pb2.QuoteRequest, context: _Context) -> rules_pb2.QuoteResponse:
        found = await self._rules.quote(
            principal().org_id,
            service_type=request.service_type,
            location=request.location,
            urgent=request.urgency,
            complexity=request.complexity or "standard",
        )
        return rules_pb2.QuoteResponse(
            min=found.min,
            max=found.max,
            currency=found.currency,
            message=found.message,
            items=[rules_pb2.QuoteItem(kind=item.kind, amount=item.amount) for item in found.items],
        )

    async def Classify(
        self, request: rules_pb2.ClassifyRequest, context: _Context
    ) -> rules_pb2.ClassifyResponse:
        judgement = await self._rules.classify(
            principal().org_id, description=request.description, estimated_value=request.estimated_value
        )
        return rules_pb2.ClassifyResponse(
            priority=calls_pb2.Call.Priority.Value(judgement.priority.value),
            reason=judgement.reason,
            sla_seconds=judgement.sla_seconds,
        )

    async def InstallRulePack(
        self, request: rules_pb2.InstallRulePackRequest, context: _Context
    ) -> rules_pb2.InstallRulePackResponse:
        added = await self._rules.install_pack(principal().org_id, request.name)
        return rules_pb2.InstallRulePackResponse(added=added)

    async def ListPriorityRules(
        self, request: rules_pb2.ListPriorityRulesRequest, context: _Context
    ) -> rules_pb2.ListPriorityRulesResponse:
        size = pages.size(request.page_size)
        found = await self._rules.list_priority_rules(
            principal().org_id, after=number_place(request.page_token), limit=size + 1
        )
        page, token = cut(found, size=size, place=lambda one: (str(one.rule.position), str(one.id)))
        return rules_pb2.ListPriorityRulesResponse(
            priority_rules=[_priority_rule_message(rule) for rule in page], next_page_token=token
        )

    async def CreatePriorityRule(
        self, request: rules_pb2.CreatePriorityRuleRequest, context: _Context
    ) -> rules_pb2.PriorityRule:
        rule = request.rule
        created = await self._rules.create_priority_rule(
            principal().org_id,
            PriorityRule(
                name=rule.name,
                position=rule.position,
                active=rule.active,
                keywords=tuple(rule.keywords),
                value_min=rule.value_min if rule.HasField("value_min") else None,
                priority=_priority(rule.priority),
                reason=rule.reason,
                sla_seconds=rule.sla_seconds,
            ),
        )
        return _priority_rule_message(created)

    async def UpdatePriorityRule(
        self, request: rules_pb2.UpdatePriorityRuleRequest, context: _Context
    ) -> rules_pb2.PriorityRule:
        changed = await self._rules.update_priority_rule(
            principal().org_id,
            UUID(request.id),
            position=request.position if request.HasField("position") else None,
            active=request.active if request.HasField("active") else None,
            keywords=list(request.keywords),
            value_min=request.value_min if request.HasField("value_min") else None,
            priority=_priority(request.priority) if request.HasField("priority") else None,
            reason=request.reason if request.HasField("reason") else None,
            sla_seconds=request.sla_seconds if request.HasField("sla_seconds") else None,
        )
        return _priority_rule_message(changed)

    async def DeletePriorityRule(
        self, request: rules_pb2.DeletePriorityRuleRequest, context: _Context
    ) -> empty_pb2.Empty:
        await self._rules.delete_priority_rule(principal().org_id, UUID(request.id))
        return empty_pb2.Empty()

    async def ListPricingRules(
        self, request: rules_pb2.ListPricingRulesRequest, context: _Context
    ) -> rules_pb2.ListPricingRulesResponse:
        size = pages.size(request.page_size)
        after = pages.decode(request.page_token, size=1)
        if any("\x00" in value for value in after):
            raise InvalidPageToken
        found = await self._rules.list_pricing_rules(
            principal().org_id, after=after[0] if after else None, limit=size + 1
        )
        page, token = cut(found, size=size, place=lambda one: (one.rule.service_type,))
        return rules_pb2.ListPricingRulesResponse(
            pricing_rules=[_pricing_rule_message(rule) for rule in page], next_page_token=token
        )


def _priority(value: calls_pb2.Call.Priority.ValueType) -> Priority:
    return Priority(calls_pb2.Call.Priority.Name(value))


def _priority_rule_message(stored: StoredPriorityRule) -> rules_pb2.PriorityRule:
    rule = stored.rule
    return rules_pb2.PriorityRule(
        id=str(stored.id),
        name=rule.name,
        position=rule.position,
        active=rule.active,
        keywords=rule.keywords,
        value_min=rule.value_min,
        priority=calls_pb2.Call.Priority.Value(rule.priority.value),
        reason=rule.reason,
        sla_seconds=rule.sla_seconds,
        updated_at=convert.timestamp(stored.updated_at),
    )


def _pricing_rule_message(stored: StoredPricingRule) -> rules_pb2.PricingRule:
    rule = stored.rule
    return rules_pb2.PricingRule(
        id=str(stored.id),
        service_type=rule.service_type,
        price_min=rule.price_min,
        price_max=rule.price_max,
        currency=rule.currency,
        active=rule.active,
    )
