"""From the schema of the release before to this one, with data."""

import shutil
from pathlib import Path

from libs import pg
from tests.integration.calls.harness import ORG, OTHER_ORG
from tests.support.postgres import REPOSITORY, Database

MIGRATIONS = REPOSITORY / "services/calls/migrations"
RELEASED = ("0001_record.sql", "0002_provider.sql")


async def test_services_that_were_refused_stay_refused(blank_database: Database, tmp_path: Path) -> None:
    """RU-3: of every organization, though the owner sees the rows of none."""
    for name in RELEASED:
        shutil.copy(MIGRATIONS / name, tmp_path / name)
    owner = blank_database.dsn("calls_owner")
    await pg.migrate(owner, schema="calls", folder=tmp_path)
    for org_id, service_type in ((ORG, "piscines"), (OTHER_ORG, "puisard")):
        await blank_database.execute(
            f"INSERT INTO calls.refused_services (org_id, service_type) VALUES ('{org_id}', '{service_type}')"  # noqa: S608
        )

    await pg.migrate(owner, schema="calls", folder=MIGRATIONS)

    rows = await blank_database.fetch("SELECT org_id, service_type, verdict FROM calls.service_rules")
    assert {(ORG, "piscines", "REFUSED"), (OTHER_ORG, "puisard", "REFUSED")} == {
        (row["org_id"], row["service_type"], row["verdict"]) for row in rows
    }
    [forced] = await blank_database.fetch(
        "SELECT relforcerowsecurity AS it FROM pg_class WHERE oid = 'calls.refused_services'::regclass"
    )
    assert forced["it"]
