"""Calls in Vapi's JSON."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from services.calls.domain.placement import (
    MAX_DURATION_SECONDS_LEAST,
    MAX_DURATION_SECONDS_LIMIT,
    PlacementOrder,
    ProviderCall,
)

_NAME_LENGTH_MAX: Final = 40


def order_body(order: PlacementOrder, *, overrides: Mapping[str, Any]) -> dict[str, Any]:
    """POST /call. `overrides` have our webhook, whatever the assistant has, so that no call of ours goes
    unheard.

    Our id goes out twice, as the name and as metadata: the provider takes no idempotency key,
    so this is how a call whose answer we never saw is found again. The longest duration lets the provider
    bound every call."""
    metadata = {"callplaneCallId": str(order.call_id)}
    if order.campaign_id:
        metadata["campaignId"] = order.campaign_id
    customer = {"number": order.customer_number}
    if order.customer_name:
        customer["name"] = order.customer_name[:_NAME_LENGTH_MAX]
    return {
        "name": str(order.call_id),
        "assistantId": order.provider_assistant_id,
        "phoneNumberId": order.phone_number_id,
        "customer": customer,
        "assistantOverrides": {
            **overrides,
            "metadata": metadata,
            "maxDurationSeconds": _bounded_duration(order.max_duration_seconds),
        },
    }


def call_id_of(document: Any) -> str | None:
    found = document.get("id") if isinstance(document, Mapping) else None
    return found if isinstance(found, str) and 0 < len(found) <= 100 else None


def provider_call(document: Any) -> ProviderCall | None:
    """None for anything that is not a call with an id."""
    found = call_id_of(document)
    if found is None:
        return None
    monitor = document.get("monitor")
    control_url = monitor.get("controlUrl") if isinstance(monitor, Mapping) else None
    return ProviderCall(
        id=found,
        status=_text(document.get("status")),
        name=_text(document.get("name")),
        metadata=_metadata(document),
        created_at=moment(document.get("createdAt")),
        control_url=_text(control_url),
        document=document,
    )


def moment(value: Any) -> datetime | None:
    if not isinstance(value, str):
        return None
    try:
        parsed = datetime.fromisoformat(value)
    except ValueError:
        return None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def timestamp(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _metadata(document: Mapping[str, Any]) -> dict[str, str]:
    overrides = document.get("assistantOverrides")
    nested = overrides.get("metadata") if isinstance(overrides, Mapping) else None
    merged: dict[str, str] = {}
    for source in (document.get("metadata"), nested):
        if isinstance(source, Mapping):
            merged |= {str(key): value for key, value in source.items() if isinstance(value, str)}
    return merged


def _bounded_duration(seconds: int) -> int:
    return min(max(seconds, MAX_DURATION_SECONDS_LEAST), MAX_DURATION_SECONDS_LIMIT)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
