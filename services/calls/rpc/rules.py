"""RuleService."""

from datetime import UTC, datetime
from typing import Any, TypeAlias
from uuid import UUID

import grpc.aio
from google.protobuf import empty_pb2

from callplane.calls.v2 import calls_pb2, rules_pb2, rules_pb2_grpc
from libs.rpc import convert, pages, principal
from services.calls.domain.pricing import Job
from services.calls.domain.priority import Request
from services.calls.domain.rule_changes import RuleChange
from services.calls.domain.rules import PricingRule, PriorityRule, Stored, TextField
from services.calls.domain.text import key_of
from services.calls.operations.rules import Rules
from services.calls.rpc import sent
from services.calls.rpc.documents import struct
from services.calls.rpc.places import cut, moment_place, number_place, text_place

_Context: TypeAlias = grpc.aio.ServicerContext[Any, Any]


class RuleServicer(rules_pb2_grpc.RuleServiceServicer):
    def __init__(self, rules: Rules) -> None:
        self._rules = rules

    async def Quote(self, request: rules_pb2.QuoteRequest, context: _Context) -> rules_pb2.QuoteResponse:
        job = Job(
            service_type=request.service_type,
            location=request.location,
            urgent=request.urgency,
            complexity=request.complexity or "standard",
            after_hours=request.after_hours if request.HasField("after_hours") else None,
            at=datetime.now(UTC),
        )
        found, message = await self._rules.quote(
            principal().org_id, job, language=sent.language(request.language)
        )
        return rules_pb2.QuoteResponse(
            min=found.min,
            max=found.max,
            currency=found.currency,
            message=message,
            items=[rules_pb2.QuoteItem(kind=item.kind, amount=item.amount) for item in found.items],
            unit=found.unit,
        )

    async def Classify(
        self, request: rules_pb2.ClassifyRequest, context: _Context
    ) -> rules_pb2.ClassifyResponse:
        judgement = await self._rules.classify(
            principal().org_id,
            Request(
                description=request.description,
                summary=request.summary,
                transcript=request.transcript,
                customer_type=request.customer_type,
                value=request.estimated_value,
                at=datetime.now(UTC),
            ),
        )
        return rules_pb2.ClassifyResponse(
            priority=calls_pb2.Call.Priority.Value(judgement.priority.value),
            reason=judgement.reason,
            sla_seconds=judgement.sla_seconds,
            escalation=judgement.escalation,
            business_hours_only=judgement.business_hours_only,
        )

    async def InstallRulePack(
        self, request: rules_pb2.InstallRulePackRequest, context: _Context
    ) -> rules_pb2.InstallRulePackResponse:
        caller = principal()
        added = await self._rules.install_pack(caller.org_id, request.name, by=caller.subject)
        return rules_pb2.InstallRulePackResponse(added=added)

    async def ListPriorityRules(
        self, request: rules_pb2.ListPriorityRulesRequest, context: _Context
    ) -> rules_pb2.ListPriorityRulesResponse:
        size = pages.size(request.page_size)
        found = await self._rules.priority.list(
            principal().org_id, after=number_place(request.page_token), limit=size + 1
        )
        page, token = cut(found, size=size, place=lambda one: (str(one.rule.position), str(one.id)))
        return rules_pb2.ListPriorityRulesResponse(
            priority_rules=[_priority_rule_message(rule) for rule in page], next_page_token=token
        )

    async def GetPriorityRule(
        self, request: rules_pb2.GetPriorityRuleRequest, context: _Context
    ) -> rules_pb2.PriorityRule:
        return _priority_rule_message(await self._rules.priority.get(principal().org_id, UUID(request.id)))

    async def CreatePriorityRule(
        self, request: rules_pb2.CreatePriorityRuleRequest, context: _Context
    ) -> rules_pb2.PriorityRule:
        caller = principal()
        created = await self._rules.priority.create(
            caller.org_id, _priority_rule(request.rule), by=caller.subject
        )
        return _priority_rule_message(created)

    async def UpdatePriorityRule(
        self, request: rules_pb2.UpdatePriorityRuleRequest, context: _Context
    ) -> rules_pb2.PriorityRule:
        caller = principal()
        changes = sent.plain(
            request, "position", "active", "value_min", "reason", "sla_seconds", "pattern", "customer_type",
            "business_hours_only",
        )  # fmt: skip
        changes |= sent.moments(request, "effective_from", "effective_until")
        if request.HasField("priority"):
            changes["priority"] = sent.priority(request.priority)
        if request.keywords:
            changes["keywords"] = tuple(request.keywords)
        if request.fields:
            changes["fields"] = _text_fields(request.fields)
        if request.escalation:
            changes["escalation"] = tuple(request.escalation)
        changed = await self._rules.priority.update(
            caller.org_id, UUID(request.id), changes | sent.cleared(request.clear), by=caller.subject
        )
        return _priority_rule_message(changed)

    async def DeletePriorityRule(
        self, request: rules_pb2.DeletePriorityRuleRequest, context: _Context
    ) -> empty_pb2.Empty:
        caller = principal()
        await self._rules.priority.delete(caller.org_id, UUID(request.id), by=caller.subject)
        return empty_pb2.Empty()

    async def ListPricingRules(
        self, request: rules_pb2.ListPricingRulesRequest, context: _Context
    ) -> rules_pb2.ListPricingRulesResponse:
        size = pages.size(request.page_size)
        found = await self._rules.pricing.list(
            principal().org_id, after=text_place(request.page_token), limit=size + 1
        )
        page, token = cut(found, size=size, place=lambda one: (one.rule.service_type,))
        return rules_pb2.ListPricingRulesResponse(
            pricing_rules=[_pricing_rule_message(rule) for rule in page], next_page_token=token
        )

    async def GetPricingRule(
        self, request: rules_pb2.GetPricingRuleRequest, context: _Context
    ) -> rules_pb2.PricingRule:
        return _pricing_rule_message(await self._rules.pricing.get(principal().org_id, UUID(request.id)))

    async def CreatePricingRule(
        self, request: rules_pb2.CreatePricingRuleRequest, context: _Context
    ) -> rules_pb2.PricingRule:
        caller, rule = principal(), request.rule
        created = await self._rules.pricing.create(
            caller.org_id,
            PricingRule(
                service_type=key_of(rule.service_type),
                price_min=rule.price_min,
                price_max=rule.price_max,
                currency=rule.currency,
                active=rule.active,
                price_base=rule.price_base if rule.HasField("price_base") else None,
                unit=rule.unit or "job",
                **sent.moments(rule, "effective_from", "effective_until"),
            ),
            by=caller.subject,
        )
        return _pricing_rule_message(created)

    async def UpdatePricingRule(
        self, request: rules_pb2.UpdatePricingRuleRequest, context: _Context
    ) -> rules_pb2.PricingRule:
        caller = principal()
        changes = sent.plain(request, "price_min", "price_max", "currency", "active", "price_base", "unit")
        changes |= sent.moments(request, "effective_from", "effective_until") | sent.cleared(request.clear)
        changed = await self._rules.pricing.update(
            caller.org_id, UUID(request.id), changes, by=caller.subject
        )
        return _pricing_rule_message(changed)

    async def DeletePricingRule(
        self, request: rules_pb2.DeletePricingRuleRequest, context: _Context
    ) -> empty_pb2.Empty:
        caller = principal()
        await self._rules.pricing.delete(caller.org_id, UUID(request.id), by=caller.subject)
        return empty_pb2.Empty()

    async def ListRuleChanges(
        self, request: rules_pb2.ListRuleChangesRequest, context: _Context
    ) -> rules_pb2.ListRuleChangesResponse:
        size = pages.size(request.page_size)
        found = await self._rules.history.list(
            principal().org_id,
            kind=rules_pb2.RuleChange.Kind.Name(request.kind) if request.kind else None,
            rule_id=UUID(request.rule_id) if request.rule_id else None,
            before=moment_place(request.page_token),
            limit=size + 1,
        )
        page, token = cut(found, size=size, place=lambda one: (one.changed_at.isoformat(), str(one.id)))
        return rules_pb2.ListRuleChangesResponse(
            rule_changes=[_change_message(change) for change in page], next_page_token=token
        )


def _priority_rule(rule: rules_pb2.PriorityRule) -> PriorityRule:
    return PriorityRule(
        name=rule.name,
        position=rule.position,
        active=rule.active,
        keywords=tuple(rule.keywords),
        pattern=rule.pattern,
        fields=_text_fields(rule.fields),
        customer_type=rule.customer_type,
        value_min=rule.value_min if rule.HasField("value_min") else None,
        priority=sent.priority(rule.priority),
        reason=rule.reason,
        sla_seconds=rule.sla_seconds,
        escalation=tuple(rule.escalation),
        business_hours_only=rule.business_hours_only,
        **sent.moments(rule, "effective_from", "effective_until"),
    )


def _text_fields(values: Any) -> tuple[TextField, ...]:
    return tuple(TextField(rules_pb2.PriorityRule.TextField.Name(value)) for value in values)


def _priority_rule_message(stored: Stored[PriorityRule]) -> rules_pb2.PriorityRule:
    rule = stored.rule
    return rules_pb2.PriorityRule(
        id=str(stored.id),
        name=rule.name,
        position=rule.position,
        active=rule.active,
        keywords=rule.keywords,
        pattern=rule.pattern,
        fields=[rules_pb2.PriorityRule.TextField.Value(name.value) for name in rule.fields],
        customer_type=rule.customer_type,
        value_min=rule.value_min,
        priority=calls_pb2.Call.Priority.Value(rule.priority.value),
        reason=rule.reason,
        sla_seconds=rule.sla_seconds,
        escalation=rule.escalation,
        business_hours_only=rule.business_hours_only,
        effective_from=convert.timestamp(rule.effective_from),
        effective_until=convert.timestamp(rule.effective_until),
        updated_at=convert.timestamp(stored.updated_at),
    )


def _pricing_rule_message(stored: Stored[PricingRule]) -> rules_pb2.PricingRule:
    rule = stored.rule
    return rules_pb2.PricingRule(
        id=str(stored.id),
        service_type=rule.service_type,
        price_min=rule.price_min,
        price_max=rule.price_max,
        currency=rule.currency,
        active=rule.active,
        price_base=rule.price_base,
        unit=rule.unit,
        effective_from=convert.timestamp(rule.effective_from),
        effective_until=convert.timestamp(rule.effective_until),
        updated_at=convert.timestamp(stored.updated_at),
    )


def _change_message(change: RuleChange) -> rules_pb2.RuleChange:
    return rules_pb2.RuleChange(
        id=str(change.id),
        kind=rules_pb2.RuleChange.Kind.Value(change.kind.value),
        action=rules_pb2.RuleChange.Action.Value(change.action.value),
        rule_id=str(change.rule_id),
        rule_name=change.rule_name,
        changed_by=change.changed_by,
        changed_at=convert.timestamp(change.changed_at),
        before=struct(change.before) if change.before is not None else None,
        after=struct(change.after) if change.after is not None else None,
    )
