"""Every service has the tables that libs work with, exactly as libs describe them."""

import re

import pytest

from deploy.local.postgres import SUPERUSER
from tests.support.postgres import SERVICES, Cluster, Database

SHARED = ("outbox", "leases", "cursors", "dead_events")


async def _columns(database: Database, schema: str) -> dict[str, set[tuple[str, ...]]]:
    """Of each shared table: the names, types, nullability and defaults of its columns."""
    rows = await database.fetch(
        """
        SELECT table_name, column_name, udt_name, is_nullable, coalesce(column_default, ''), is_identity
          FROM information_schema.columns
         WHERE table_schema = $1 AND table_name = ANY($2)
        """,
        schema,
        list(SHARED),
    )
    tables: dict[str, set[tuple[str, ...]]] = {}
    for table, *column in rows:
        tables.setdefault(table, set()).add(tuple(column))
    return tables


async def _constraints(database: Database, schema: str) -> set[tuple[str, str]]:
    rows = await database.fetch(
        """
        SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint
         WHERE connamespace = $1::text::regnamespace AND contype IN ('p', 'u')
           AND conrelid::regclass::text = ANY(SELECT $1 || '.' || unnest($2::text[]))
        """,
        schema,
        list(SHARED),
    )
    return {(row[0], row[1]) for row in rows}


@pytest.fixture
async def services(cluster: Cluster, migrated_template: str) -> Database:
    return Database(cluster=cluster, name=migrated_template)


@pytest.mark.parametrize("service", SERVICES)
async def test_shared_tables_are_as_described(
    services: Database, log_database: Database, service: str
) -> None:
    described = await _columns(log_database, "calls")
    found = await _columns(services, service)

    assert {"leases", "outbox"} <= found.keys()
    assert {table: described[table] for table in found} == found
    described_constraints = await _constraints(log_database, "calls")
    tables = tuple(f"{table}_" for table in found)
    expected = {constraint for constraint in described_constraints if constraint[0].startswith(tables)}
    assert expected <= await _constraints(services, service)


async def _forgetting(database: Database, schema: str) -> str:
    """The function by which old events go, as if it were that of `calls`."""
    rows = await database.fetch(
        """
        SELECT concat_ws(' ', prosrc, prosecdef, proconfig, pg_get_function_arguments(oid), proacl) AS said
          FROM pg_proc
         WHERE pronamespace = $1::text::regnamespace AND proname = 'forget_events'
        """,
        schema,
    )
    return re.sub(rf"\b{schema}(?=\b|_)", "calls", rows[0]["said"])


@pytest.mark.parametrize("service", SERVICES)
async def test_old_events_go_by_one_function_everywhere(
    services: Database, log_database: Database, service: str
) -> None:
    described = (await _forgetting(log_database, "calls")).replace(SUPERUSER, "calls_owner")

    assert described == await _forgetting(services, service)


@pytest.mark.parametrize("service", SERVICES)
async def test_every_table_with_an_organization_is_under_row_level_security(
    services: Database, service: str
) -> None:
    rows = await services.fetch(
        """
        SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
         WHERE c.relnamespace = $1::text::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
           AND a.attname = 'org_id' AND NOT (c.relrowsecurity AND c.relforcerowsecurity)
        """,
        service,
    )

    assert [row["relname"] for row in rows] == []
