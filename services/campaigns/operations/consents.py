"""Recording who agreed to be called; it counts from the next decision on."""

from uuid import UUID

from libs.errors import FieldViolation, InvalidArgument
from libs.pg import LostRace, Pool, transaction
from services.campaigns.domain.consents import Consent, NewConsent
from services.campaigns.errors import ConsentNotFound
from services.campaigns.store import consents, gates


class Consents:
    """`pool` is the request role's."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def record(self, new: NewConsent, *, org_id: UUID) -> Consent:
        """The one in force, if there is one. Raises InvalidArgument for one of the future."""
        async with transaction(self._pool, org_id=org_id) as conn:
            if new.obtained_at is not None and new.obtained_at > await consents.read_clock(conn):
                raise InvalidArgument(violations=[FieldViolation("obtained_at", "must not be in the future")])
            recorded = await consents.insert(conn, new, org_id=org_id)
            if recorded is None:
                recorded = await consents.find_in_force(
                    conn, org_id=org_id, phone=new.phone, channel=new.channel
                )
        if recorded is None:
            # It was revoked in this very moment.
            raise LostRace
        return recorded

    async def revoke(self, consent_id: UUID, *, org_id: UUID, source: str) -> Consent:
        """Nobody decides by it any more once this returns."""
        async with transaction(self._pool, org_id=org_id) as conn:
            await gates.lock_changing(conn, org_id)
            await consents.revoke(conn, consent_id, source=source)
            return _existing(await consents.find(conn, consent_id))

    async def get(self, consent_id: UUID, *, org_id: UUID) -> Consent:
        async with transaction(self._pool, org_id=org_id) as conn:
            return _existing(await consents.find(conn, consent_id))

    async def list_before(
        self, *, org_id: UUID, phone: str | None, before: UUID | None, limit: int
    ) -> list[Consent]:
        async with transaction(self._pool, org_id=org_id) as conn:
            return await consents.list_before(conn, phone=phone, before=before, limit=limit)


def _existing(found: Consent | None) -> Consent:
    if found is None:
        raise ConsentNotFound
    return found
