"""What the catalog must say of every schema, whoever wrote the migration."""

import asyncpg
import pytest

from tests.support.postgres import SERVICES, Database

# Rows of the system itself: no organization's data.
WITHOUT_ORGANIZATION = {"leases", "cursors", "migrations", "foldings", "figure_refreshes"}


async def tables(database: Database) -> list[tuple[str, str]]:
    rows = await database.fetch(
        """
        SELECT n.nspname AS schema, c.relname AS name
          FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE n.nspname = ANY ($1) AND c.relkind IN ('r', 'p') AND NOT c.relispartition
         ORDER BY 1, 2
        """,
        list(SERVICES),
    )
    return [(row["schema"], row["name"]) for row in rows]


async def test_every_table_with_an_organization_has_row_level_security_enabled_and_forced(
    database: Database,
) -> None:
    rows = await database.fetch(
        """
        SELECT n.nspname || '.' || c.relname AS name
          FROM pg_class c
          JOIN pg_namespace n ON n.oid = c.relnamespace
          JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'org_id' AND NOT a.attisdropped
         WHERE n.nspname = ANY ($1) AND c.relkind IN ('r', 'p') AND NOT c.relispartition
           AND NOT (c.relrowsecurity AND c.relforcerowsecurity)
        """,
        list(SERVICES),
    )

    assert [] == [row["name"] for row in rows]


async def test_partitions_are_reached_through_their_table_only(database: Database) -> None:
    """A partition has no policies of its own, so a grant on it would open every organization's rows."""
    rows = await database.fetch(
        """
        SELECT n.nspname || '.' || c.relname AS name
          FROM pg_class c
          JOIN pg_namespace n ON n.oid = c.relnamespace
         CROSS JOIN unnest(ARRAY[n.nspname::text, n.nspname || '_worker']) AS r (role)
         WHERE n.nspname = ANY ($1) AND c.relispartition AND NOT c.relrowsecurity
           AND has_table_privilege(r.role, c.oid, 'SELECT, INSERT, UPDATE, DELETE')
        """,
        list(SERVICES),
    )

    assert [] == [row["name"] for row in rows]


async def test_policies_check_what_is_written_too(database: Database) -> None:
    rows = await database.fetch(
        """
        SELECT schemaname || '.' || tablename || ' ' || policyname AS name
          FROM pg_policies
         WHERE schemaname = ANY ($1) AND cmd = 'ALL' AND (qual IS NULL OR with_check IS NULL)
        """,
        list(SERVICES),
    )

    assert [] == [row["name"] for row in rows]


async def test_the_request_role_sees_its_organization_only(database: Database) -> None:
    rows = await database.fetch(
        """
        SELECT schemaname, tablename, qual
          FROM pg_policies
         WHERE schemaname = ANY ($1) AND schemaname = ANY (roles)
        """,
        list(SERVICES),
    )

    assert rows
    assert [] == [
        f"{row['schemaname']}.{row['tablename']}"
        for row in rows
        if "app.org_id" not in (row["qual"] or "app.org_id")
    ]


async def test_the_owner_too_sees_the_organization_it_names_and_nothing_without_one(
    database: Database,
) -> None:
    """Operators look in with the owner's password; forced policies hold for it as well."""
    await database.execute("INSERT INTO gateway.organizations (name) VALUES ('One'), ('Two')")
    [one] = await database.fetch("SELECT id FROM gateway.organizations WHERE name = 'One'")
    connection = await asyncpg.connect(database.dsn("gateway_owner"))
    try:
        assert 0 == await connection.fetchval("SELECT count(*) FROM gateway.organizations")
        await connection.execute("SELECT set_config('app.org_id', $1, false)", str(one["id"]))
        assert "One" == await connection.fetchval("SELECT name FROM gateway.organizations")
    finally:
        await connection.close()


async def test_every_other_table_is_known_to_hold_nobodys_data(database: Database) -> None:
    rows = await database.fetch(
        """
        SELECT c.relname AS name
          FROM pg_class c
          JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE n.nspname = ANY ($1) AND c.relkind IN ('r', 'p') AND NOT c.relispartition
           AND NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'org_id')
        """,
        list(SERVICES),
    )
    without = {row["name"] for row in rows}

    assert set() == without - WITHOUT_ORGANIZATION - {"organizations"}


@pytest.mark.parametrize("service", SERVICES)
async def test_running_roles_own_nothing_and_may_not_truncate(database: Database, service: str) -> None:
    rows = await database.fetch(
        """
        SELECT grantee || ' ' || privilege_type || ' ' || table_name AS what
          FROM information_schema.table_privileges
         WHERE table_schema = $1 AND grantee IN ($1, $1 || '_worker')
           AND privilege_type IN ('TRUNCATE', 'REFERENCES', 'TRIGGER')
        """,
        service,
    )

    assert [] == [row["what"] for row in rows]


@pytest.mark.parametrize("service", SERVICES)
async def test_a_service_cannot_see_another_ones_schema(database: Database, service: str) -> None:
    others = [other for other in SERVICES if other != service]
    rows = await database.fetch(
        """
        SELECT r.role || ' ' || s.schema AS what
          FROM unnest($1::text[]) AS r (role), unnest($2::text[]) AS s (schema)
         WHERE has_schema_privilege(r.role, s.schema, 'USAGE')
        """,
        [service, f"{service}_worker"],
        others,
    )

    assert [] == [row["what"] for row in rows]


async def test_what_must_not_change_is_append_only_by_grant(database: Database) -> None:
    append_only = [
        "calls.provider_events",
        "calls.call_events",
        "calls.rule_changes",
        *(f"{service}.outbox" for service in SERVICES),
    ]
    for table in append_only:
        schema = table.split(".")[0]
        for role in (schema, f"{schema}_worker"):
            for privilege in ("UPDATE", "DELETE"):
                [row] = await database.fetch(
                    "SELECT has_table_privilege($1, $2, $3) AS may", role, table, privilege
                )
                assert not row["may"], f"{role} may {privilege} {table}"


async def test_constraints_have_names_of_their_own(database: Database) -> None:
    rows = await database.fetch(
        """
        SELECT n.nspname || '.' || c.conname AS name
          FROM pg_constraint c JOIN pg_namespace n ON n.oid = c.connamespace
         WHERE n.nspname = ANY ($1) AND c.contype = 'c' AND c.conname ~ '_check[0-9]*$'
        """,
        list(SERVICES),
    )

    assert [] == [row["name"] for row in rows]


async def test_nothing_is_deleted_by_cascade(database: Database) -> None:
    rows = await database.fetch("SELECT conname FROM pg_constraint WHERE contype = 'f' AND confdeltype = 'c'")

    assert [] == [row["conname"] for row in rows]
    assert await tables(database)


async def test_materialized_views_are_read_through_views_that_know_the_organization(
    database: Database,
) -> None:
    """Row level security does not hold for them, so no running role may read one itself."""
    rows = await database.fetch(
        """
        SELECT n.nspname || '.' || c.relname || ' ' || r.role AS name
          FROM pg_class c
          JOIN pg_namespace n ON n.oid = c.relnamespace
         CROSS JOIN unnest(ARRAY[n.nspname::text, n.nspname || '_worker']) AS r (role)
         WHERE n.nspname = ANY ($1) AND c.relkind = 'm'
           AND has_table_privilege(r.role, c.oid, 'SELECT, INSERT, UPDATE, DELETE')
        """,
        list(SERVICES),
    )
    views = await database.fetch(
        """
        SELECT c.relname, c.reloptions, pg_get_viewdef(c.oid) AS definition
          FROM pg_class c
          JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE n.nspname = ANY ($1) AND c.relkind = 'v'
        """,
        list(SERVICES),
    )

    assert [] == [row["name"] for row in rows]
    assert [] == [
        view["relname"]
        for view in views
        if "security_barrier=true" not in (view["reloptions"] or []) or "app.org_id" not in view["definition"]
    ]
