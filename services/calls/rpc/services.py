"""ServiceRuleService."""

from datetime import datetime
from typing import Any, TypeAlias
from uuid import UUID

import grpc.aio
from google.protobuf import empty_pb2

from callplane.calls.v2 import calls_pb2, services_pb2, services_pb2_grpc
from libs.rpc import convert, pages, principal
from services.calls.domain.business_hours import BusinessHours, Language, Opening
from services.calls.domain.rules import SchedulingRule, ServiceRule, Stored, Verdict, WindowUnit
from services.calls.domain.text import key_of
from services.calls.operations.rules import Rules
from services.calls.rpc import sent
from services.calls.rpc.places import cut, number_place, text_place

_Context: TypeAlias = grpc.aio.ServicerContext[Any, Any]


class ServiceRuleServicer(services_pb2_grpc.ServiceRuleServiceServicer):
    def __init__(self, rules: Rules) -> None:
        self._services = rules.services
        self._scheduling = rules.scheduling
        self._hours = rules.business_hours

    async def ListServiceRules(
        self, request: services_pb2.ListServiceRulesRequest, context: _Context
    ) -> services_pb2.ListServiceRulesResponse:
        size = pages.size(request.page_size)
        found = await self._services.list(
            principal().org_id, after=text_place(request.page_token), limit=size + 1
        )
        page, token = cut(found, size=size, place=lambda one: (one.rule.service_type,))
        return services_pb2.ListServiceRulesResponse(
            service_rules=[_service_message(one) for one in page], next_page_token=token
        )

    async def GetServiceRule(
        self, request: services_pb2.GetServiceRuleRequest, context: _Context
    ) -> services_pb2.ServiceRule:
        return _service_message(await self._services.get(principal().org_id, UUID(request.id)))

    async def CreateServiceRule(
        self, request: services_pb2.CreateServiceRuleRequest, context: _Context
    ) -> services_pb2.ServiceRule:
        caller, told = principal(), request.rule
        rule = ServiceRule(
            service_type=key_of(told.service_type),
            verdict=_verdict(told.verdict),
            message_fr=told.message_fr,
            message_en=told.message_en,
            active=told.active,
        )
        return _service_message(await self._services.create(caller.org_id, rule, by=caller.subject))

    async def UpdateServiceRule(
        self, request: services_pb2.UpdateServiceRuleRequest, context: _Context
    ) -> services_pb2.ServiceRule:
        caller, changes = principal(), sent.plain(request, "message_fr", "message_en", "active")
        if request.HasField("verdict"):
            changes["verdict"] = _verdict(request.verdict)
        changed = await self._services.update(caller.org_id, UUID(request.id), changes, by=caller.subject)
        return _service_message(changed)

    async def DeleteServiceRule(
        self, request: services_pb2.DeleteServiceRuleRequest, context: _Context
    ) -> empty_pb2.Empty:
        caller = principal()
        await self._services.delete(caller.org_id, UUID(request.id), by=caller.subject)
        return empty_pb2.Empty()

    async def ListSchedulingRules(
        self, request: services_pb2.ListSchedulingRulesRequest, context: _Context
    ) -> services_pb2.ListSchedulingRulesResponse:
        size = pages.size(request.page_size)
        found = await self._scheduling.list(
            principal().org_id, after=number_place(request.page_token), limit=size + 1
        )
        page, token = cut(found, size=size, place=lambda one: (str(one.rule.position), str(one.id)))
        return services_pb2.ListSchedulingRulesResponse(
            scheduling_rules=[_scheduling_message(one) for one in page], next_page_token=token
        )

    async def GetSchedulingRule(
        self, request: services_pb2.GetSchedulingRuleRequest, context: _Context
    ) -> services_pb2.SchedulingRule:
        return _scheduling_message(await self._scheduling.get(principal().org_id, UUID(request.id)))

    async def CreateSchedulingRule(
        self, request: services_pb2.CreateSchedulingRuleRequest, context: _Context
    ) -> services_pb2.SchedulingRule:
        caller, told = principal(), request.rule
        rule = SchedulingRule(
            name=told.name,
            position=told.position,
            active=told.active,
            service_type=key_of(told.service_type),
            priority=sent.priority(told.priority) if told.priority else None,
            window_label=told.window,
            soonest=told.soonest,
            latest=told.latest,
            unit=_unit(told.unit),
            can_schedule=told.can_schedule,
            requirements=tuple(told.requirements),
            message_fr=told.message_fr,
            message_en=told.message_en,
        )
        return _scheduling_message(await self._scheduling.create(caller.org_id, rule, by=caller.subject))

    async def UpdateSchedulingRule(
        self, request: services_pb2.UpdateSchedulingRuleRequest, context: _Context
    ) -> services_pb2.SchedulingRule:
        caller = principal()
        changes = sent.plain(
            request, "position", "active", "soonest", "latest", "can_schedule", "message_fr", "message_en"
        )
        if request.HasField("window"):
            changes["window_label"] = request.window
        if request.HasField("unit"):
            changes["unit"] = _unit(request.unit)
        if request.requirements:
            changes["requirements"] = tuple(request.requirements)
        changed = await self._scheduling.update(caller.org_id, UUID(request.id), changes, by=caller.subject)
        return _scheduling_message(changed)

    async def DeleteSchedulingRule(
        self, request: services_pb2.DeleteSchedulingRuleRequest, context: _Context
    ) -> empty_pb2.Empty:
        caller = principal()
        await self._scheduling.delete(caller.org_id, UUID(request.id), by=caller.subject)
        return empty_pb2.Empty()

    async def GetBusinessHours(
        self, request: services_pb2.GetBusinessHoursRequest, context: _Context
    ) -> services_pb2.BusinessHours:
        hours, updated_at = await self._hours.get(principal().org_id)
        return _hours_message(hours, updated_at)

    async def PutBusinessHours(
        self, request: services_pb2.PutBusinessHoursRequest, context: _Context
    ) -> services_pb2.BusinessHours:
        caller, told = principal(), request.business_hours
        hours = BusinessHours(
            time_zone=told.time_zone,
            language=Language(told.language),
            weekly=tuple(
                Opening(day=one.day, opens=_minute(one.opens), closes=_minute(one.closes))
                for one in told.weekly
            ),
        )
        stored, updated_at = await self._hours.put(caller.org_id, hours, by=caller.subject)
        return _hours_message(stored, updated_at)


def _verdict(value: services_pb2.ServiceRule.Verdict.ValueType) -> Verdict:
    return Verdict(services_pb2.ServiceRule.Verdict.Name(value))


def _unit(value: services_pb2.SchedulingRule.Unit.ValueType) -> WindowUnit:
    return WindowUnit(services_pb2.SchedulingRule.Unit.Name(value))


def _minute(clock: str) -> int:
    """`08:30` is 510."""
    hours, _, minutes = clock.partition(":")
    return int(hours) * 60 + int(minutes)


def _clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


def _service_message(stored: Stored[ServiceRule]) -> services_pb2.ServiceRule:
    rule = stored.rule
    return services_pb2.ServiceRule(
        id=str(stored.id),
        service_type=rule.service_type,
        verdict=services_pb2.ServiceRule.Verdict.Value(rule.verdict.value),
        message_fr=rule.message_fr,
        message_en=rule.message_en,
        active=rule.active,
        updated_at=convert.timestamp(stored.updated_at),
    )


def _scheduling_message(stored: Stored[SchedulingRule]) -> services_pb2.SchedulingRule:
    rule = stored.rule
    return services_pb2.SchedulingRule(
        id=str(stored.id),
        name=rule.name,
        position=rule.position,
        active=rule.active,
        service_type=rule.service_type,
        priority=calls_pb2.Call.Priority.Value(rule.priority or "PRIORITY_UNSPECIFIED"),
        window=rule.window_label,
        soonest=rule.soonest,
        latest=rule.latest,
        unit=services_pb2.SchedulingRule.Unit.Value(rule.unit.value),
        can_schedule=rule.can_schedule,
        requirements=rule.requirements,
        message_fr=rule.message_fr,
        message_en=rule.message_en,
        updated_at=convert.timestamp(stored.updated_at),
    )


def _hours_message(hours: BusinessHours, updated_at: datetime | None) -> services_pb2.BusinessHours:
    return services_pb2.BusinessHours(
        time_zone=hours.time_zone,
        language=hours.language.value,
        weekly=[_opening_message(one) for one in hours.weekly],
        updated_at=convert.timestamp(updated_at),
    )


def _opening_message(one: Opening) -> services_pb2.BusinessHours.Opening:
    return services_pb2.BusinessHours.Opening(day=one.day, opens=_clock(one.opens), closes=_clock(one.closes))
