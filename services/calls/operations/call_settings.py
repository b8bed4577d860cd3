"""An organization's settings for its calls. They count for what comes in from then on; a rebuild applies them
to what is there."""

from uuid import UUID

from libs.errors import EtagMismatch
from libs.pg import Pool, transaction
from services.calls.domain.call_settings import CallSettings
from services.calls.domain.redaction import Redaction
from services.calls.store import call_settings


class SettingsKeeping:
    """`pool` is the request role's."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def get(self, org_id: UUID) -> CallSettings:
        async with transaction(self._pool, org_id=org_id) as conn:
            return await call_settings.find(conn, org_id=org_id) or CallSettings()

    async def replace(self, org_id: UUID, *, redacted: Redaction, version: int | None) -> CallSettings:
        """All of them. Raises EtagMismatch; without a version, whatever is current is replaced."""
        async with transaction(self._pool, org_id=org_id) as conn:
            if not await call_settings.save(conn, org_id=org_id, redacted=redacted, version=version):
                raise EtagMismatch
            return await call_settings.find(conn, org_id=org_id) or CallSettings()
