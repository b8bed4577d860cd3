"""Whom to text about a lead, and what the text says.

OPEN -> ACKNOWLEDGED     by a reply, or over the API; a repeat changes nothing
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from services.notify.domain.phone_text import SMS_CHARACTERS_MAX, cleaned, segments, shortened, to_gsm

_SEGMENTS_MAX: Final = 3
_FIELD_LENGTH_MAX: Final = 400
_PLACEHOLDER: Final = re.compile(r"\{([a-z_]+)\}")


class AlertStatus(StrEnum):
    OPEN = "OPEN"
    ACKNOWLEDGED = "ACKNOWLEDGED"


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertPolicy:
    id: UUID
    org_id: UUID
    name: str
    priorities: tuple[str, ...]
    recipients: tuple[str, ...]
    template: str
    active: bool
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    id: UUID
    policy_id: UUID
    lead_id: UUID
    call_id: str
    priority: str
    status: AlertStatus
    message_ids: tuple[UUID, ...]
    created_at: datetime
    acknowledged_at: datetime | None
    acknowledged_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Lead:
    """A caller's request, as the calls service tells it."""

    id: UUID
    org_id: UUID
    call_id: str
    priority: str
    priority_reason: str
    sla_seconds: int
    customer_name: str
    customer_number: str
    address: str
    problem_description: str


def is_raised(priority: str, *, previous: str) -> bool:
    """P1 is the highest; a priority that was not known before counts as raised."""
    return bool(priority) and (not previous or priority < previous)


def render(template: str, lead: Lead) -> str:
    """The text of an alert in at most three segments; the description gives way first.

    Everything a caller said is data: it is cleaned and never read as a template. An unknown placeholder stays
    as it is.
    """
    fields = _fields(lead)
    description = fields["problem_description"]
    length_max = len(description)
    while True:
        fields["problem_description"] = shortened(description, length_max=length_max)
        text = to_gsm(_filled(template, fields) if template else _built_in(fields))
        if segments(text) <= _SEGMENTS_MAX or length_max == 0:
            return shortened(text, length_max=SMS_CHARACTERS_MAX)
        length_max = max(0, length_max - 20)


def _fields(lead: Lead) -> dict[str, str]:
    texts = {
        "priority": lead.priority,
        "reason": lead.priority_reason.replace("_", " "),
        "customer_name": lead.customer_name,
        "customer_number": lead.customer_number,
        "address": lead.address,
        "problem_description": lead.problem_description,
        "sla_minutes": str(-(-lead.sla_seconds // 60)),
    }
    return {name: shortened(cleaned(text), length_max=_FIELD_LENGTH_MAX) for name, text in texts.items()}


def _filled(template: str, fields: Mapping[str, str]) -> str:
    return _PLACEHOLDER.sub(lambda found: fields.get(found[1], found[0]), template)


def _built_in(fields: Mapping[str, str]) -> str:
    due = "now" if fields["sla_minutes"] == "0" else f"within {fields['sla_minutes']} min"
    customer = ", ".join(filter(None, (fields["customer_name"], fields["customer_number"])))
    lines = [
        " ".join(filter(None, (fields["priority"], fields["reason"]))),
        customer,
        fields["address"],
        fields["problem_description"],
        f"Call back {due}. Reply ACK to take it.",
    ]
    return "\n".join(filter(None, lines))
