"""Where calls may be transferred to."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from libs.pg import Connection
from services.calls.domain.rules import Stored
from services.calls.domain.transfers import DestinationKind, TransferDestination


async def insert_many(
    conn: Connection, rules: Sequence[TransferDestination], *, org_id: UUID
) -> list[Stored[TransferDestination]]:
    """Those whose name is not taken."""
    rows = await conn.fetch(
        """
        INSERT INTO calls.transfer_destinations (
               org_id, name, name_key, position, active, kind, address, message_fr, message_en)
        SELECT $1, name, name_key, position, active, kind, address, message_fr, message_en
          FROM unnest($2::text[], $3::text[], $4::integer[], $5::boolean[], $6::text[], $7::text[],
                      $8::text[], $9::text[])
               AS new (name, name_key, position, active, kind, address, message_fr, message_en)
            ON CONFLICT ON CONSTRAINT transfer_destinations_name_unique DO NOTHING
        RETURNING id, name, position, active, kind, address, message_fr, message_en, updated_at
        """,
        org_id,
        [rule.name for rule in rules],
        [rule.name_key for rule in rules],
        [rule.position for rule in rules],
        [rule.active for rule in rules],
        [rule.kind.value for rule in rules],
        [rule.address for rule in rules],
        [rule.message_fr for rule in rules],
        [rule.message_en for rule in rules],
    )
    return [_stored(row) for row in rows]


async def lock(conn: Connection, rule_id: UUID) -> Stored[TransferDestination] | None:
    row = await conn.fetchrow(
        """
        SELECT id, name, position, active, kind, address, message_fr, message_en, updated_at
          FROM calls.transfer_destinations
         WHERE id = $1
           FOR UPDATE
        """,
        rule_id,
    )
    return _stored(row) if row else None


async def save(conn: Connection, rule_id: UUID, rule: TransferDestination) -> Stored[TransferDestination]:
    """Writes all but name and kind of a locked one."""
    [row] = await conn.fetch(
        """
        UPDATE calls.transfer_destinations
           SET position = $2, active = $3, address = $4, message_fr = $5, message_en = $6, updated_at = now()
         WHERE id = $1
        RETURNING id, name, position, active, kind, address, message_fr, message_en, updated_at
        """,
        rule_id,
        rule.position,
        rule.active,
        rule.address,
        rule.message_fr,
        rule.message_en,
    )
    return _stored(row)


async def delete(conn: Connection, rule_id: UUID) -> None:
    await conn.execute("DELETE FROM calls.transfer_destinations WHERE id = $1", rule_id)


async def list_page(
    conn: Connection, *, after: tuple[int, UUID] | None, limit: int
) -> list[Stored[TransferDestination]]:
    """By position. Of the organization of the transaction."""
    position, rule_id = after or (None, None)
    rows = await conn.fetch(
        """
        SELECT id, name, position, active, kind, address, message_fr, message_en, updated_at
          FROM calls.transfer_destinations
         WHERE $1::integer IS NULL OR (position, id) > ($1, $2::uuid)
         ORDER BY position, id
         LIMIT $3
        """,
        position,
        rule_id,
        limit,
    )
    return [_stored(row) for row in rows]


async def list_active(conn: Connection, *, org_id: UUID, limit: int) -> list[TransferDestination]:
    rows = await conn.fetch(
        """
        SELECT name, position, active, kind, address, message_fr, message_en
          FROM calls.transfer_destinations
         WHERE org_id = $1 AND active
         ORDER BY position, id
         LIMIT $2
        """,
        org_id,
        limit,
    )
    return [_destination(dict(row)) for row in rows]


async def count(conn: Connection) -> int:
    found: int = await conn.fetchval("SELECT count(*) FROM calls.transfer_destinations")
    return found


def _stored(row: Mapping[str, Any]) -> Stored[TransferDestination]:
    fields = dict(row)
    rule_id, updated_at = fields.pop("id"), fields.pop("updated_at")
    return Stored(id=rule_id, rule=_destination(fields), updated_at=updated_at)


def _destination(fields: dict[str, Any]) -> TransferDestination:
    fields["kind"] = DestinationKind(fields["kind"])
    return TransferDestination(**fields)
