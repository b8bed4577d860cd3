"""How a phone number is: by our record, and by the provider's word for it."""

from typing import Final
from uuid import UUID

from libs.errors import ServiceError
from libs.pg import Pool, transaction
from services.calls.domain.accounts import AccountLink
from services.calls.domain.line_health import LineHealth
from services.calls.domain.placement import PROVIDER
from services.calls.operations.providers import Providers
from services.calls.store import accounts, line_health

_NOT_FOUND: Final = "PHONE_NUMBER_NOT_FOUND"


class LineHealthReading:
    """`pool` is the request role's."""

    def __init__(self, pool: Pool, providers: Providers) -> None:
        self._pool = pool
        self._providers = providers

    async def read(
        self, phone_number_id: str, *, org_id: UUID, except_campaign_id: str, record_only: bool
    ) -> LineHealth:
        async with transaction(self._pool, org_id=org_id) as conn:
            found = await line_health.read(conn, phone_number_id, except_campaign_id=except_campaign_id)
            link = await accounts.choose_link(
                conn, org_id=org_id, account_id=None, phone_number_id=phone_number_id, provider=PROVIDER
            )
        trouble = "" if record_only else await self._trouble(phone_number_id, link, org_id=org_id)
        return LineHealth(
            phone_number_id=phone_number_id,
            active_calls=found.active_calls,
            provider=PROVIDER,
            trouble=trouble,
            checked_at=found.read_at,
        )

    async def _trouble(self, phone_number_id: str, link: AccountLink | None, *, org_id: UUID) -> str:
        """Asks at the account that calls from this number would be placed with."""
        try:
            provider = self._providers.linked(link) if link else await self._providers.of(None, org_id=org_id)
            known = await provider.get_phone_number(phone_number_id)
        except ServiceError as exc:
            return exc.reason
        return "" if known else _NOT_FOUND
