"""Zones come from the package, not from the machine."""

import zoneinfo

import pytest
from phonenumbers.timezone import UNKNOWN_TIMEZONE
from phonenumbers.tzdata import TIMEZONE_DATA

from libs import time_zones


def test_every_zone_there_is_can_be_read_without_the_machines_files() -> None:
    before = zoneinfo.TZPATH
    zoneinfo.reset_tzpath(to=())
    try:
        found = {time_zones.zone.__wrapped__(name).key for name in time_zones.names()}
    finally:
        zoneinfo.reset_tzpath(to=before)

    assert time_zones.names() == found
    assert len(found) > 500


def test_every_zone_that_a_number_may_be_in_is_known() -> None:
    told = {zone for zones in TIMEZONE_DATA.values() for zone in zones}

    assert set() == told - time_zones.names() - {UNKNOWN_TIMEZONE}


@pytest.mark.parametrize("name", ["", "Montreal", "../zones", "America", "/etc/localtime"])
def test_what_is_no_zone_is_refused(name: str) -> None:
    with pytest.raises(KeyError):
        time_zones.zone(name)
