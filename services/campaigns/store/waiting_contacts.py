"""Contacts that wait to be tried again, many at a time. Of a locked campaign."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from libs.pg import Connection


async def set_due(conn: Connection, due: Mapping[UUID, datetime]) -> None:
    await conn.execute(
        """
        UPDATE campaigns.contacts AS contact
           SET next_attempt_at = due.at, wait_reason = '', updated_at = now()
          FROM unnest($1::uuid[], $2::timestamptz[]) AS due (id, at)
         WHERE contact.id = due.id AND contact.status = 'PENDING'
        """,
        list(due),
        list(due.values()),
    )


async def finish(conn: Connection, contact_ids: Sequence[UUID]) -> None:
    """Their reason stays: how their last call ended."""
    await conn.execute(
        """
        UPDATE campaigns.contacts
           SET status = 'DONE', next_attempt_at = NULL, wait_reason = '', updated_at = now()
         WHERE id = ANY($1::uuid[]) AND status = 'PENDING'
        """,
        list(contact_ids),
    )
