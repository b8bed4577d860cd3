"""Imports: what a file or a request of contacts came to, and what became of it."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from services.campaigns.domain.contact_rows import Rejection


class Source(StrEnum):
    FILE = "FILE"
    REQUEST = "REQUEST"


@dataclass(frozen=True, slots=True, kw_only=True)
class Undo:
    """`removed` contacts are gone, `withdrawn` ones are kept as skipped for the decisions on record, `kept`
    ones had been dialed or settled."""

    removed: int
    withdrawn: int
    kept: int
    undone_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Import:
    """`rejections` is empty where many imports are listed; `rejected` counts them all the same."""

    id: UUID
    campaign_id: UUID
    source: Source
    default_region: str
    total_rows: int
    accepted: int
    duplicates: int
    rejected: int
    created_at: datetime
    undo: Undo | None
    rejections: tuple[Rejection, ...] = ()
