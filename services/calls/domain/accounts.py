"""Provider accounts and their lines; a line is one call at a time."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID

from libs.environment import Secret

LINES_DEFAULT: Final = 10
DEFAULT_ACCOUNT_NAME: Final = "default"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderAccount:
    id: UUID
    name: str
    provider: str
    lines: int
    inbound_reserve: int
    active: bool
    lines_in_use: int
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """What it takes to work with an account at the provider: its key, where its webhooks shall go, and how
    they shall prove where they come from."""

    base_url: str
    api_key: Secret
    webhook_url: str
    webhook_credential_id: str = ""
    webhook_secret: Secret = field(default_factory=lambda: Secret(""))


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountLink:
    """What leads to an account at the provider, as stored. Without `credentials` it is the deployment's own
    account; with them, an empty `base_url` is the deployment's. `version` rises with every change."""

    account_id: UUID
    org_id: UUID
    version: int
    base_url: str
    webhook_url: str
    webhook_credential_id: str
    # Sealed; see `operations.credentials`.
    credentials: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """`outbound` lines may be taken by calls of either direction, the others by inbound calls only. A
    `retiring` line is taken by nobody any more; its present call keeps it to the end."""

    line_no: int
    in_use: bool
    outbound: bool
    retiring: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class LinePlan:
    """The rows an account shall have, and the numbers of those to remove."""

    keep: Sequence[Line]
    remove: Sequence[int]


def plan_lines(present: Sequence[Line], *, lines: int, inbound_reserve: int) -> LinePlan:
    """Lays out `lines` lines. Those in use are never removed: beyond the number they retire, so that no call
    is placed while more are in use than allowed. Free lines form the inbound reserve first, so that it counts
    at once."""
    ordered = sorted(present, key=lambda line: (not line.in_use, line.line_no))
    kept, surplus = ordered[:lines], ordered[lines:]
    numbers = {line.line_no for line in ordered}
    new = [number for number in range(1, lines + len(ordered) + 1) if number not in numbers][
        : lines - len(kept)
    ]
    takeable = [(line.line_no, line.in_use) for line in kept] + [(number, False) for number in new]
    reserved = {number for number, _ in takeable[len(takeable) - min(inbound_reserve, len(takeable)) :]}
    keep = [
        Line(line_no=number, in_use=in_use, outbound=number not in reserved, retiring=False)
        for number, in_use in takeable
    ]
    retiring = [
        Line(line_no=line.line_no, in_use=True, outbound=False, retiring=True)
        for line in surplus
        if line.in_use
    ]
    return LinePlan(keep=[*keep, *retiring], remove=[line.line_no for line in surplus if not line.in_use])
