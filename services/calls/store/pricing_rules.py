"""Prices of kinds of service."""

from services.calls.domain.rules import PricingRule
from services.calls.store.rule_table import RuleTable

PRICING_RULES: RuleTable[PricingRule, str] = RuleTable(
    "pricing_rules",
    fixed=("service_type",),
    changing=(
        "price_min",
        "price_max",
        "currency",
        "active",
        "price_base",
        "unit",
        "effective_from",
        "effective_until",
    ),
    order={"service_type": "text"},
    unique="pricing_rules_service_unique",
    read=lambda fields: PricingRule(**fields),
)
