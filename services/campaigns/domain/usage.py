"""How assistants are used by campaigns, and with what success."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from services.campaigns.domain import figures
from services.campaigns.domain.assistants import Assistant
from services.campaigns.domain.campaigns import Stats
from services.campaigns.domain.figures import Figure


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionFigures:
    """Of the campaigns that have pinned one version of an assistant; 0 for those that have none."""

    version: int
    campaigns: int
    under_way: int
    last_used_at: datetime | None
    told: Mapping[str, Figure]

    @property
    def stats(self) -> Stats:
        return figures.stats(self.told, active=0)


@dataclass(frozen=True, slots=True)
class Usage:
    assistant: Assistant
    versions: Sequence[VersionFigures]

    @property
    def total(self) -> VersionFigures:
        told: dict[str, Figure] = {}
        for version in self.versions:
            for name, figure in version.told.items():
                known = told.get(name, Figure(0))
                told[name] = Figure(known.count + figure.count, known.total + figure.total)
        return VersionFigures(
            version=0,
            campaigns=sum(one.campaigns for one in self.versions),
            under_way=sum(one.under_way for one in self.versions),
            last_used_at=max((one.last_used_at for one in self.versions if one.last_used_at), default=None),
            told=told,
        )
