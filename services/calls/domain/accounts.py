"""Provider accounts and their lines; a line is one call at a time."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, TypeVar
from uuid import UUID

from libs.environment import Secret
from libs.errors import FieldViolation
from services.calls.domain.assistants import ProviderPhoneNumber

LINES_DEFAULT: Final = 10
DEFAULT_ACCOUNT_NAME: Final = "default"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderAccount:
    """As it is shown; how it is reached is in its `AccountLink`."""

    id: UUID
    name: str
    provider: str
    lines: int
    inbound_reserve: int
    active: bool
    lines_in_use: int
    created_at: datetime
    api_key_hint: str
    credentials_set_at: datetime | None
    base_url: str
    webhook_url: str
    webhook_credential_id: str
    source_id: UUID | None
    phone_numbers: Sequence[ProviderPhoneNumber]
    # Of calls placed; None: none was set, and none holds now.
    calls_per_second_max: float | None = None
    calls_per_second: float | None = None


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
class AccessChange:
    """None leaves what is there."""

    api_key: Secret | None = None
    base_url: str | None = None
    webhook_url: str | None = None
    webhook_credential_id: str | None = None
    webhook_secret: Secret | None = None

    @property
    def empty(self) -> bool:
        return self == AccessChange()

    def applied_to(self, present: Access, *, base_url_default: str) -> Access:
        """An empty base URL is the default."""
        base_url = present.base_url if self.base_url is None else self.base_url.rstrip("/")
        return Access(
            base_url=base_url or base_url_default,
            api_key=_or(self.api_key, present.api_key),
            webhook_url=_or(self.webhook_url, present.webhook_url),
            webhook_credential_id=_or(self.webhook_credential_id, present.webhook_credential_id),
            webhook_secret=_or(self.webhook_secret, present.webhook_secret),
        )


def access_violations(access: Access, *, base_urls: Sequence[str]) -> list[FieldViolation]:
    """What is wrong with an account's own access. A key goes only to addresses that the deployment trusts,
    and what is said in calls made with it only to webhooks of the same organization."""
    violations = []
    if not access.api_key:
        violations.append(FieldViolation("api_key", "must be given with any of the fields about access"))
    if not access.webhook_url:
        violations.append(FieldViolation("webhook_url", "must be the url of a source, with an API key"))
    if access.base_url not in base_urls:
        violations.append(FieldViolation("base_url", "must be one that this deployment allows"))
    return violations


_T = TypeVar("_T")


def _or(change: _T | None, present: _T) -> _T:
    return present if change is None else change


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredAccess:
    """An account's own access as it is stored."""

    # Sealed; see `operations.credentials`.
    credentials: bytes
    api_key_hint: str
    api_key_changed: bool
    base_url: str
    webhook_url: str
    webhook_credential_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountLink:
    """What leads to an account at the provider, as stored. Without `credentials` it is the deployment's own
    account; with them, an empty `base_url` is the deployment's. `version` rises with every change."""

    account_id: UUID
    org_id: UUID
    version: int = 1
    base_url: str = ""
    webhook_url: str = ""
    webhook_credential_id: str = ""
    # Sealed; see `operations.credentials`.
    credentials: bytes | None = None


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
