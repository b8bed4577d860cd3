"""A service's process from the outside: what it says about bad arguments and a bad environment."""

import asyncio
import json
import sys

import pytest

from tests.support.postgres import REPOSITORY, SERVICES, Database


async def ended(service: str, *arguments: str, **environ: str) -> tuple[int, str, str]:
    """Exit status, standard output and standard error."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", f"services.{service}", *arguments),
        cwd=REPOSITORY,
        env={"PYTHONPATH": ".:protos/gen", **environ},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await process.communicate()
    return process.returncode or 0, output.decode(), errors.decode()


@pytest.mark.parametrize("service", SERVICES)
async def test_every_problem_of_the_environment_is_named_at_once(service: str) -> None:
    status, _, errors = await ended(service)

    assert 2 == status
    assert f"{service.upper()}_DATABASE_URL" in errors
    assert "PRINCIPAL_SECRET" in errors
    assert "Traceback" not in errors


async def test_an_unknown_verb_is_answered_with_the_usage() -> None:
    assert (2, "", "usage: python -m services.notify [migrate]\n") == await ended("notify", "upgrade")


async def test_migrating_brings_the_schema_up_to_date_and_says_so_in_json(blank_database: Database) -> None:
    owner = {"GATEWAY_OWNER_DATABASE_URL": blank_database.dsn("gateway_owner")}

    first, output, errors = await ended("gateway", "migrate", **owner)
    again, nothing, _ = await ended("gateway", "migrate", **owner)

    assert (0, 0, "") == (first, again, errors)
    assert "migration applied" in [json.loads(line)["message"] for line in output.splitlines()]
    assert "" == nothing


async def test_a_schema_that_does_not_fit_is_said_in_one_sentence(blank_database: Database) -> None:
    owner = {"GATEWAY_OWNER_DATABASE_URL": blank_database.dsn("gateway_owner")}
    await ended("gateway", "migrate", **owner)
    await blank_database.execute("UPDATE gateway.migrations SET sha256 = 'other'")

    status, _, errors = await ended("gateway", "migrate", **owner)

    assert 1 == status
    assert errors.startswith("gateway cannot be migrated: 0001_initial.sql was changed after it was applied")
    assert 1 == len(errors.splitlines())
