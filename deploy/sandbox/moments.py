"""Points in time as the providers write them."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import format_datetime


def now() -> datetime:
    return datetime.now(UTC)


def milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def iso(moment: datetime) -> str:
    """`2026-05-04T12:00:00.123Z`, the spelling of Vapi's API."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def rfc2822(moment: datetime) -> str:
    """`Thu, 24 Aug 2023 05:01:45 +0000`, the spelling of Twilio's 2010 API."""
    return format_datetime(moment.astimezone(UTC))


def parse(text: str) -> datetime:
    """An ISO 8601 text; without an offset it is UTC. Raises ValueError."""
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
