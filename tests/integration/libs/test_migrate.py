"""Migrations: once, in order, all or nothing."""

import asyncio
from pathlib import Path

import asyncpg
import pytest

from libs import pg
from tests.support.postgres import Database


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "0001_initial.sql").write_text("CREATE TABLE calls.a (id integer); SELECT pg_sleep(0.05);")
    (tmp_path / "0002_more.sql").write_text("CREATE TABLE calls.b (id integer);")
    return tmp_path


async def _migrate(database: Database, folder: Path) -> list[str]:
    return await pg.migrate(database.dsn("calls_owner"), schema="calls", folder=folder)


async def _tables(database: Database) -> list[str]:
    rows = await database.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'calls' ORDER BY 1")
    return [row["tablename"] for row in rows]


async def test_each_file_is_applied_once(blank_database: Database, folder: Path) -> None:
    assert await _migrate(blank_database, folder) == ["0001_initial.sql", "0002_more.sql"]
    assert await _migrate(blank_database, folder) == []

    (folder / "0003_again.sql").write_text("CREATE TABLE calls.c (id integer);")

    assert await _migrate(blank_database, folder) == ["0003_again.sql"]
    assert await _tables(blank_database) == ["a", "b", "c", "migrations"]


async def test_three_starters_at_once_apply_each_file_once(blank_database: Database, folder: Path) -> None:
    outcomes = await asyncio.gather(*(_migrate(blank_database, folder) for _ in range(3)))

    assert sorted(outcomes) == [[], [], ["0001_initial.sql", "0002_more.sql"]]


async def test_a_changed_file_is_refused(blank_database: Database, folder: Path) -> None:
    await _migrate(blank_database, folder)
    (folder / "0001_initial.sql").write_text("CREATE TABLE calls.a (id bigint);")

    with pytest.raises(pg.MigrationError, match=r"0001_initial\.sql was changed"):
        await _migrate(blank_database, folder)


async def test_a_failing_file_leaves_nothing(blank_database: Database, folder: Path) -> None:
    (folder / "0002_more.sql").write_text("CREATE TABLE calls.b (id integer); SELECT 1 / 0;")

    with pytest.raises(asyncpg.DivisionByZeroError):
        await _migrate(blank_database, folder)

    assert await _tables(blank_database) == ["a", "migrations"]
    (folder / "0002_more.sql").write_text("CREATE TABLE calls.b (id integer);")
    assert await _migrate(blank_database, folder) == ["0002_more.sql"]


async def test_a_file_that_comes_late_is_refused(blank_database: Database, folder: Path) -> None:
    await _migrate(blank_database, folder)
    (folder / "0001_initial.sql").rename(folder / "0003_third.sql")
    (folder / "0003_third.sql").write_text("SELECT 1;")
    await _migrate(blank_database, folder)
    (folder / "0001_initial.sql").write_text("CREATE TABLE calls.a (id integer); SELECT pg_sleep(0.05);")

    assert await _migrate(blank_database, folder) == []
    await blank_database.execute("DELETE FROM calls.migrations WHERE number = 2")
    with pytest.raises(pg.MigrationError, match="sorts before"):
        await _migrate(blank_database, folder)


async def test_a_newer_database_is_fine(blank_database: Database, folder: Path) -> None:
    """The release before this one runs on this one's schema."""
    await _migrate(blank_database, folder)
    (folder / "0002_more.sql").unlink()

    assert await _migrate(blank_database, folder) == []


@pytest.mark.parametrize("name", ["1_short.sql", "0003-dash.sql", "0002_twice.sql"])
async def test_bad_names_are_refused(blank_database: Database, folder: Path, name: str) -> None:
    (folder / name).write_text("SELECT 1;")

    with pytest.raises(pg.MigrationError):
        await _migrate(blank_database, folder)


async def test_the_owner_cannot_touch_another_schema(blank_database: Database, folder: Path) -> None:
    (folder / "0002_more.sql").write_text("CREATE TABLE notify.b (id integer);")

    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await _migrate(blank_database, folder)
