"""Time zones of the tzdata package, never the machine's own, so that every process reckons alike."""

import importlib.resources
from functools import lru_cache
from zoneinfo import ZoneInfo


@lru_cache(maxsize=1)
def names() -> frozenset[str]:
    """The IANA's names of all zones, links included."""
    text = (importlib.resources.files("tzdata") / "zones").read_text(encoding="utf-8")
    return frozenset(text.split())


@lru_cache(maxsize=1024)
def zone(name: str) -> ZoneInfo:
    """Raises KeyError for a name that is not in `names()`."""
    if name not in names():
        raise KeyError(name)
    path = importlib.resources.files("tzdata").joinpath("zoneinfo", *name.split("/"))
    with path.open("rb") as file:
        return ZoneInfo.from_file(file, key=name)
