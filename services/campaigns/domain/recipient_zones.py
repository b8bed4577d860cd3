"""Where on the clock a recipient may be, by the number alone."""

from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import phonenumbers
from phonenumbers import timezone


@lru_cache(maxsize=4096)
def zones_of(phone: str) -> tuple[ZoneInfo, ...]:
    """Every zone that the number (E.164) may belong to: one for most, many for mobiles of large countries and
    for free numbers, none if its plan does not tell."""
    names = timezone.time_zones_for_number(phonenumbers.parse(phone))
    return tuple(zone for name in names if (zone := _zone(name)) is not None)


def _zone(name: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(name)
    except ZoneInfoNotFoundError:
        # `Etc/Unknown`, or a name newer than the machine's zones.
        return None
