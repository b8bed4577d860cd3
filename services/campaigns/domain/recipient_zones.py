"""Where on the clock a recipient may be."""

from zoneinfo import ZoneInfo

from libs import phone, time_zones


def zone_names(number: str, *, time_zone: str = "") -> tuple[str, ...]:
    """By the IANA's names: the zone that was told of the person, else every zone that the number (E.164) may
    belong to. One for most, many for mobiles of large countries and for free numbers, none if its plan does
    not tell. What was told outweighs the number; numbers move with people."""
    return (time_zone,) if time_zone in time_zones.names() else phone.time_zones(number)


def zones_of(number: str, *, time_zone: str = "") -> tuple[ZoneInfo, ...]:
    return tuple(time_zones.zone(name) for name in zone_names(number, time_zone=time_zone))
