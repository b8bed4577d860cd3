"""Rules over the API: kept, applied at once everywhere, and every change on record."""

from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any
from uuid import uuid4

import grpc
import pytest

from callplane.calls.v2 import (
    adjustments_pb2,
    calls_pb2,
    rules_pb2,
    services_pb2,
    transfers_pb2,
)
from libs.rpc import convert, to_service_error
from tests.integration.calls.harness import ORG, OTHER_ORG, Service, serving
from tests.support.postgres import Database
from tests.support.waiting import eventually

PACK = rules_pb2.InstallRulePackRequest(name="drain_cleaning_quebec")
Adjustment = adjustments_pb2.PricingAdjustment
Change = rules_pb2.RuleChange
Destination = transfers_pb2.TransferDestination
Opening = services_pb2.BusinessHours.Opening
FLOOD = rules_pb2.ClassifyRequest(description="De l'eau partout")


async def reason_of(call: Any) -> str:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return to_service_error(caught.value).reason


async def violations_of(call: Any) -> list[str]:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return [violation.field for violation in to_service_error(caught.value).violations]


async def changes(service: Service, **filters: Any) -> list[rules_pb2.RuleChange]:
    request = rules_pb2.ListRuleChangesRequest(**filters)
    return list((await service.rules.ListRuleChanges(request, metadata=service.as_org())).rule_changes)


def priority_rule(**fields: Any) -> rules_pb2.PriorityRule:
    defaults = {"name": "water", "active": True, "keywords": ["eau"], "reason": "water", "sla_seconds": 9}
    return rules_pb2.PriorityRule(**{"priority": calls_pb2.Call.P1, **defaults, **fields})


async def test_a_changed_rule_counts_within_5_seconds_in_every_process(
    database: Database, service: Service
) -> None:
    """RU-1: a rule that one process changes counts in the other one, without a restart."""
    metadata = service.as_org()
    rule = await service.rules.CreatePriorityRule(
        rules_pb2.CreatePriorityRuleRequest(rule=priority_rule()), metadata=metadata
    )
    async with serving(database) as other:

        async def judged(by: Service) -> str:
            return (await by.rules.Classify(FLOOD, metadata=metadata)).reason

        assert ["water", "water"] == [await judged(service), await judged(other)]
        change = rules_pb2.UpdatePriorityRuleRequest(id=rule.id, reason="wetter", sla_seconds=0)
        await service.rules.UpdatePriorityRule(change, metadata=metadata)
        assert "wetter" == await judged(service)

        async def applied() -> bool:
            return await judged(other) == "wetter"

        await eventually(applied, within_seconds=5)


async def test_every_part_of_a_priority_rule_is_kept_and_can_be_emptied(service: Service) -> None:
    """RU-1: pattern, texts, customer type, escalation, business hours, effective dates."""
    metadata, since = service.as_org(), datetime.now(UTC) - timedelta(days=1)
    sent = priority_rule(
        pattern=r"\bP-\d+",
        fields=[rules_pb2.PriorityRule.SUMMARY],
        customer_type="commercial",
        value_min=5,
        escalation=["on call", "owner"],
        business_hours_only=True,
        effective_from=convert.timestamp(since),
        effective_until=convert.timestamp(since + timedelta(days=9)),
    )
    made = await service.rules.CreatePriorityRule(
        rules_pb2.CreatePriorityRuleRequest(rule=sent), metadata=metadata
    )
    sent.id = made.id
    sent.updated_at.CopyFrom(made.updated_at)
    assert sent == made

    judged = await service.rules.Classify(
        rules_pb2.ClassifyRequest(summary="Dossier p-7", customer_type="Commercial"), metadata=metadata
    )
    elsewhere = await service.rules.Classify(
        rules_pb2.ClassifyRequest(description="Dossier p-7", customer_type="Commercial"), metadata=metadata
    )
    assert ("water", ["on call", "owner"], True) == (
        judged.reason,
        list(judged.escalation),
        judged.business_hours_only,
    )
    assert "no_rule" == elsewhere.reason

    names = ["keywords", "valueMin", "fields", "escalation", "effectiveFrom", "effectiveUntil"]
    emptied = await service.rules.UpdatePriorityRule(
        rules_pb2.UpdatePriorityRuleRequest(id=made.id, clear=names, pattern=""), metadata=metadata
    )
    assert emptied == await service.rules.GetPriorityRule(
        rules_pb2.GetPriorityRuleRequest(id=made.id), metadata=metadata
    )
    assert not [field.name for field, _ in emptied.ListFields() if field.json_name in names]


async def test_every_change_is_on_record(service: Service, database: Database) -> None:
    """RU-1: who, what, before and after; for ever."""
    metadata = service.as_org()
    made = await service.rules.CreatePriorityRule(
        rules_pb2.CreatePriorityRuleRequest(rule=priority_rule()), metadata=metadata
    )
    for sla_seconds in (7, 7):
        change = rules_pb2.UpdatePriorityRuleRequest(id=made.id, sla_seconds=sla_seconds)
        await service.rules.UpdatePriorityRule(change, metadata=metadata)
    await service.rules.DeletePriorityRule(rules_pb2.DeletePriorityRuleRequest(id=made.id), metadata=metadata)

    gone, changed, created = await changes(service)

    assert [Change.DELETED, Change.UPDATED, Change.CREATED] == [gone.action, changed.action, created.action]
    assert {("service:test", "water", made.id, Change.PRIORITY_RULE)} == {
        (one.changed_by, one.rule_name, one.rule_id, one.kind) for one in (gone, changed, created)
    }
    assert (9, 7) == (changed.before["sla_seconds"], changed.after["sla_seconds"])
    assert (False, False) == (created.HasField("before"), gone.HasField("after"))
    assert [] == await changes(service, kind=Change.PRICING_RULE)
    assert [] == await changes(service, rule_id=str(uuid4()))
    first = await service.rules.ListRuleChanges(
        rules_pb2.ListRuleChangesRequest(page_size=2, rule_id=made.id), metadata=metadata
    )
    rest = await service.rules.ListRuleChanges(
        rules_pb2.ListRuleChangesRequest(page_token=first.next_page_token), metadata=metadata
    )
    assert [gone, changed, created] == [*first.rule_changes, *rest.rule_changes]
    theirs = await service.rules.ListRuleChanges(
        rules_pb2.ListRuleChangesRequest(), metadata=service.as_org(OTHER_ORG)
    )
    assert not theirs.rule_changes
    with pytest.raises(Exception, match="append-only"):
        await database.execute("UPDATE calls.rule_changes SET changed_by = 'nobody'")


async def test_quotes_of_the_pack_are_right_to_the_dollar_for_every_combination(service: Service) -> None:
    """RU-4: 8 services, 2 places, urgent or not, 3 complexities; the figures are the price list's own."""
    metadata = service.as_org()
    await service.rules.InstallRulePack(PACK, metadata=metadata)
    prices = {
        "debouchage": (350, 650), "camera_inspection": (350, 350), "racines_alesage": (450, 750),
        "gainage": (350, 750), "drain_francais": (500, 800), "installation_cheminee": (2500, 2500),
        "sous_dalle": (350, 1000), "anything": (350, 500),
    }  # fmt: skip
    factors = {"standard": 10, "complex": 13, "very_complex": 16}
    wrong = []
    for service_type, place, urgent, complexity in product(
        prices, ("rive_sud", "montreal"), (False, True), factors
    ):
        base_min, base_max = prices[service_type]
        tenths = (base_min + 100 * (place == "rive_sud") + 75 * urgent) * factors[complexity]
        estimate = (tenths + 5) // 10
        request = rules_pb2.QuoteRequest(
            service_type=service_type, location=place, urgency=urgent, complexity=complexity
        )
        found = await service.rules.Quote(request, metadata=metadata)
        if (max(estimate, 350), max((estimate * 15 + 5) // 10, base_max)) != (found.min, found.max):
            wrong.append((service_type, place, urgent, complexity, found.min, found.max))

    assert [] == wrong


async def test_prices_are_kept(service: Service) -> None:
    """RU-2: create, read, change, remove; a change counts at once for who makes it."""
    metadata = service.as_org(scopes=["rules:read", "rules:write"])
    sent = rules_pb2.PricingRule(
        service_type="Débouchage", price_min=100, price_max=300, currency="CAD", active=True, unit="hour"
    )
    made = await service.rules.CreatePricingRule(
        rules_pb2.CreatePricingRuleRequest(rule=sent), metadata=metadata
    )
    quoted = await service.rules.Quote(rules_pb2.QuoteRequest(service_type="debouchage"), metadata=metadata)
    assert ("debouchage", 100, 300, "hour") == (made.service_type, quoted.min, quoted.max, quoted.unit)
    again = service.rules.CreatePricingRule(rules_pb2.CreatePricingRuleRequest(rule=sent), metadata=metadata)
    assert "NAME_TAKEN" == await reason_of(again)

    await service.rules.UpdatePricingRule(
        rules_pb2.UpdatePricingRuleRequest(id=made.id, price_base=250), metadata=metadata
    )
    quoted = await service.rules.Quote(rules_pb2.QuoteRequest(service_type="debouchage"), metadata=metadata)
    assert 250 == quoted.min
    out_of_range = rules_pb2.UpdatePricingRuleRequest(id=made.id, price_base=301)
    assert ["priceBase"] == await violations_of(
        service.rules.UpdatePricingRule(out_of_range, metadata=metadata)
    )
    found = await service.rules.GetPricingRule(rules_pb2.GetPricingRuleRequest(id=made.id), metadata=metadata)
    assert (250, 100) == (found.price_base, found.price_min)
    await service.rules.DeletePricingRule(rules_pb2.DeletePricingRuleRequest(id=made.id), metadata=metadata)
    unpriced = service.rules.Quote(rules_pb2.QuoteRequest(service_type="debouchage"), metadata=metadata)
    assert "RULE_NOT_FOUND" == await reason_of(unpriced)


async def test_adjustments_are_kept(service: Service) -> None:
    """RU-2: location and urgency fees, after hours, complexity, minimum, spread."""
    metadata = service.as_org(scopes=["rules:read", "rules:write"])
    await service.rules.CreatePricingRule(
        rules_pb2.CreatePricingRuleRequest(
            rule=rules_pb2.PricingRule(price_min=100, price_max=100, currency="CAD", active=True)
        ),
        metadata=metadata,
    )
    sent = [
        Adjustment(kind=Adjustment.LOCATION, name="Île Perrot", amount=40, active=True),
        Adjustment(kind=Adjustment.URGENCY, amount=75, active=True),
        Adjustment(kind=Adjustment.AFTER_HOURS, amount=125, active=True),
        Adjustment(kind=Adjustment.COMPLEXITY, name="complex", factor="1.5", active=True),
        Adjustment(kind=Adjustment.MINIMUM, amount=150, active=True),
        Adjustment(kind=Adjustment.SPREAD, factor="2", active=True),
    ]
    made = [
        await service.adjustments.CreatePricingAdjustment(
            adjustments_pb2.CreatePricingAdjustmentRequest(adjustment=one), metadata=metadata
        )
        for one in sent
    ]
    job = rules_pb2.QuoteRequest(
        service_type="x", location="à l'île Perrot", urgency=True, complexity="complex", after_hours=True
    )
    quoted = await service.rules.Quote(job, metadata=metadata)
    assert (510, 1020) == (quoted.min, quoted.max)
    assert ["base", "location", "urgency", "after_hours", "complexity"] == [one.kind for one in quoted.items]

    off = adjustments_pb2.UpdatePricingAdjustmentRequest(id=made[2].id, active=False)
    await service.adjustments.UpdatePricingAdjustment(off, metadata=metadata)
    more = adjustments_pb2.UpdatePricingAdjustmentRequest(id=made[3].id, factor="1.005")
    await service.adjustments.UpdatePricingAdjustment(more, metadata=metadata)
    await service.adjustments.DeletePricingAdjustment(
        adjustments_pb2.DeletePricingAdjustmentRequest(id=made[5].id), metadata=metadata
    )
    quoted = await service.rules.Quote(job, metadata=metadata)
    assert (216, 216) == (quoted.min, quoted.max)
    listed = await service.adjustments.ListPricingAdjustments(
        adjustments_pb2.ListPricingAdjustmentsRequest(page_size=3), metadata=metadata
    )
    rest = await service.adjustments.ListPricingAdjustments(
        adjustments_pb2.ListPricingAdjustmentsRequest(page_token=listed.next_page_token), metadata=metadata
    )
    assert [one.id for one in made[:5]] == [
        one.id for one in (*listed.pricing_adjustments, *rest.pricing_adjustments)
    ]
    assert "1.005" == rest.pricing_adjustments[0].factor


async def test_services_and_their_windows_are_kept(service: Service, database: Database) -> None:
    """RU-3: what is refused opens no lead and is refused by the release before this one as well."""
    metadata = service.as_org(scopes=["rules:read", "rules:write"])
    sent = services_pb2.ServiceRule(
        service_type="Piscines", verdict=services_pb2.ServiceRule.REFUSED, message_fr="Non.", active=True
    )
    made = await service.services.CreateServiceRule(
        services_pb2.CreateServiceRuleRequest(rule=sent), metadata=metadata
    )

    assert "piscines" == made.service_type
    rows = await database.fetch("SELECT service_type FROM calls.refused_services")
    assert ["piscines"] == [row["service_type"] for row in rows]
    await service.services.UpdateServiceRule(
        services_pb2.UpdateServiceRuleRequest(id=made.id, verdict=services_pb2.ServiceRule.NEEDS_ASSESSMENT),
        metadata=metadata,
    )
    assert [] == await database.fetch("SELECT service_type FROM calls.refused_services")
    found = await service.services.GetServiceRule(
        services_pb2.GetServiceRuleRequest(id=made.id), metadata=metadata
    )
    assert (services_pb2.ServiceRule.NEEDS_ASSESSMENT, "Non.") == (found.verdict, found.message_fr)
    await service.services.DeleteServiceRule(
        services_pb2.DeleteServiceRuleRequest(id=made.id), metadata=metadata
    )

    window = services_pb2.SchedulingRule(
        name="urgent",
        position=1,
        active=True,
        priority=calls_pb2.Call.P1,
        service_type="Gainage",
        window="at once",
        latest=1,
        unit=services_pb2.SchedulingRule.HOURS,
        can_schedule=True,
        requirements=["accès au sous-sol"],
    )
    kept = await service.services.CreateSchedulingRule(
        services_pb2.CreateSchedulingRuleRequest(rule=window), metadata=metadata
    )
    changed = await service.services.UpdateSchedulingRule(
        services_pb2.UpdateSchedulingRuleRequest(id=kept.id, latest=2, requirements=["clé"]),
        metadata=metadata,
    )
    listed = await service.services.ListSchedulingRules(
        services_pb2.ListSchedulingRulesRequest(), metadata=metadata
    )
    assert ([changed], ("gainage", 2, ["clé"])) == (
        list(listed.scheduling_rules),
        (changed.service_type, changed.latest, list(changed.requirements)),
    )
    too_short = services_pb2.UpdateSchedulingRuleRequest(id=kept.id, soonest=3)
    assert ["latest"] == await violations_of(
        service.services.UpdateSchedulingRule(too_short, metadata=metadata)
    )
    await service.services.DeleteSchedulingRule(
        services_pb2.DeleteSchedulingRuleRequest(id=kept.id), metadata=metadata
    )
    missing = services_pb2.GetSchedulingRuleRequest(id=kept.id)
    assert "RULE_NOT_FOUND" == await reason_of(service.services.GetSchedulingRule(missing, metadata=metadata))


async def test_business_hours_are_kept_and_decide_the_fee(service: Service) -> None:
    """RU-2: after hours, as the organization's own hours say."""
    metadata = service.as_org(scopes=["rules:read", "rules:write"])
    none = await service.services.GetBusinessHours(services_pb2.GetBusinessHoursRequest(), metadata=metadata)
    assert ("UTC", "en", 0) == (none.time_zone, none.language, len(none.weekly))
    await service.rules.InstallRulePack(PACK, metadata=metadata)
    fee = Adjustment(kind=Adjustment.AFTER_HOURS, amount=1000, active=True)
    await service.adjustments.CreatePricingAdjustment(
        adjustments_pb2.CreatePricingAdjustmentRequest(adjustment=fee), metadata=metadata
    )
    now = datetime.now(UTC)
    another_day = (now + timedelta(days=3)).isoweekday()
    prices = []
    for weekly in (
        [Opening(day=day, opens="00:00", closes="24:00") for day in range(1, 8)],
        [Opening(day=another_day, opens="08:00", closes="17:00")],
    ):
        hours = services_pb2.BusinessHours(time_zone="Etc/UTC", language="fr", weekly=weekly)
        put = await service.services.PutBusinessHours(
            services_pb2.PutBusinessHoursRequest(business_hours=hours), metadata=metadata
        )
        assert weekly == list(put.weekly)
        job = rules_pb2.QuoteRequest(service_type="debouchage", urgency=True)
        prices.append((await service.rules.Quote(job, metadata=metadata)).min)

    assert [425, 1425] == prices
    kinds = await changes(service, kind=Change.BUSINESS_HOURS)
    assert ["Etc/UTC", "Etc/UTC", "America/Toronto"] == [one.rule_name for one in kinds]


async def test_places_to_transfer_to_are_kept(service: Service) -> None:
    """RU-5: the allow list of transferCall."""
    metadata = service.as_org(scopes=["rules:read", "rules:write"])
    sent = Destination(name="Bureau", kind=Destination.NUMBER, address="+15145550177", active=True)
    made = await service.transfers.CreateTransferDestination(
        transfers_pb2.CreateTransferDestinationRequest(destination=sent), metadata=metadata
    )
    again = Destination(name="BUREAU", kind=Destination.SIP, address="sip:desk@example.com", active=True)
    assert "NAME_TAKEN" == await reason_of(
        service.transfers.CreateTransferDestination(
            transfers_pb2.CreateTransferDestinationRequest(destination=again), metadata=metadata
        )
    )
    changed = await service.transfers.UpdateTransferDestination(
        transfers_pb2.UpdateTransferDestinationRequest(id=made.id, address="+15145550178", position=4),
        metadata=metadata,
    )
    assert changed == await service.transfers.GetTransferDestination(
        transfers_pb2.GetTransferDestinationRequest(id=made.id), metadata=metadata
    )
    listed = await service.transfers.ListTransferDestinations(
        transfers_pb2.ListTransferDestinationsRequest(), metadata=metadata
    )
    assert [("+15145550178", 4)] == [(one.address, one.position) for one in listed.transfer_destinations]
    await service.transfers.DeleteTransferDestination(
        transfers_pb2.DeleteTransferDestinationRequest(id=made.id), metadata=metadata
    )
    nothing = await service.transfers.ListTransferDestinations(
        transfers_pb2.ListTransferDestinationsRequest(), metadata=metadata
    )
    assert not nothing.transfer_destinations


ADJUSTMENTS: list[tuple[dict[str, Any], str]] = [
    ({"kind": "LOCATION"}, "name"),
    ({"kind": "URGENCY", "name": "x"}, "name"),
    ({"kind": "COMPLEXITY", "name": "huge", "factor": "2"}, "name"),
    ({"kind": "SPREAD", "amount": 5, "factor": "2"}, "amount"),
    ({"kind": "MINIMUM", "amount": 5, "factor": "2"}, "factor"),
    ({"kind": "SPREAD", "factor": "0"}, "factor"),
    ({"kind": "SPREAD", "factor": "1e5"}, "adjustment.factor"),
    ({"kind": "SPREAD", "factor": "-1"}, "adjustment.factor"),
    ({"kind": "URGENCY", "amount": -1}, "adjustment.amount"),
    ({}, "adjustment.kind"),
]
ADDRESSES = [
    {"kind": "NUMBER", "address": "12345"},
    {"kind": "NUMBER", "address": "514 555-0177"},
    {"kind": "SIP", "address": "https://example.com"},
    {"kind": "SIP", "address": "sip:a b@example.com"},
    {"kind": "SIP", "address": "sip:a@example.com?x=<script>"},
]


async def test_adjustments_and_addresses_that_make_no_sense_are_refused(service: Service) -> None:
    metadata = service.as_org()
    for fields, wrong in ADJUSTMENTS:
        request = adjustments_pb2.CreatePricingAdjustmentRequest(adjustment=Adjustment(**fields))
        refused = service.adjustments.CreatePricingAdjustment(request, metadata=metadata)
        assert [wrong] == await violations_of(refused), fields
    for address in ADDRESSES:
        told = Destination(name="x", **address)  # type: ignore[arg-type]
        creation = transfers_pb2.CreateTransferDestinationRequest(destination=told)
        not_taken = service.transfers.CreateTransferDestination(creation, metadata=metadata)
        assert ["address"] == await violations_of(not_taken), address


async def test_patterns_and_hours_that_make_no_sense_are_refused(service: Service) -> None:
    metadata = service.as_org()
    pattern = rules_pb2.CreatePriorityRuleRequest(rule=priority_rule(pattern="(?=x)"))
    assert ["pattern"] == await violations_of(service.rules.CreatePriorityRule(pattern, metadata=metadata))
    for zone in ("Mars/Olympus", "../etc/passwd", "America"):
        hours = services_pb2.BusinessHours(time_zone=zone, language="fr")
        request = services_pb2.PutBusinessHoursRequest(business_hours=hours)
        assert ["timeZone"] == await violations_of(
            service.services.PutBusinessHours(request, metadata=metadata)
        )
    empty = services_pb2.ServiceRule(service_type="!!", verdict=services_pb2.ServiceRule.REFUSED)
    assert ["serviceType"] == await violations_of(
        service.services.CreateServiceRule(
            services_pb2.CreateServiceRuleRequest(rule=empty), metadata=metadata
        )
    )
    assert not await changes(service)


async def test_readers_cannot_write(service: Service) -> None:
    readers = service.as_org(ORG, scopes=["rules:read"])
    hours = services_pb2.BusinessHours(time_zone="UTC", language="fr")
    refused = [
        service.services.PutBusinessHours(
            services_pb2.PutBusinessHoursRequest(business_hours=hours), metadata=readers
        ),
        service.transfers.DeleteTransferDestination(
            transfers_pb2.DeleteTransferDestinationRequest(id=str(uuid4())), metadata=readers
        ),
        service.rules.DeletePricingRule(
            rules_pb2.DeletePricingRuleRequest(id=str(uuid4())), metadata=readers
        ),
    ]

    assert ["MISSING_SCOPE"] * 3 == [await reason_of(one) for one in refused]
