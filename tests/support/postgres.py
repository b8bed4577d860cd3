"""Real PostgreSQL for tests: one server per session, one database per test.

The server comes from the wheel; TEST_DATABASE_URL (a superuser's) names another one. Databases are copied
from a template, because loops and LISTEN cross transactions: rolling back would not isolate them.
"""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

from deploy.local.postgres import SUPERUSER, PostgresServer
from libs import pg

REPOSITORY = Path(__file__).parents[2]
SERVICES = ("calls", "campaigns", "notify", "gateway")
RAM_DISK = Path("/dev/shm")
RAM_DISK_BYTES_MIN = 4 * 2**30
_PASSWORD = "test"
_numbers = count(1)


@dataclass(frozen=True, slots=True)
class Cluster:
    """`url` is a superuser's, for the maintenance database."""

    url: str

    def dsn(self, database: str, *, role: str | None = None) -> str:
        parts = urlsplit(self.url)
        place = parts.netloc.rpartition("@")[2]
        login = f"{role}:{_PASSWORD}@{place}" if role else parts.netloc
        return urlunsplit(parts._replace(netloc=login, path=f"/{database}"))

    async def execute(self, sql: str, *, database: str | None = None) -> None:
        connection = await asyncpg.connect(self.dsn(database) if database else self.url)
        try:
            await connection.execute(sql)
        finally:
            await connection.close()

    async def create(self, name: str, *, template: str = "template1") -> None:
        await self.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY file_copy')

    async def drop(self, name: str) -> None:
        await self.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


@dataclass(frozen=True, slots=True)
class Database:
    """A database of one test. Roles: `calls`, `calls_worker`, `calls_owner` and so on."""

    cluster: Cluster
    name: str

    def dsn(self, role: str) -> str:
        return self.cluster.dsn(self.name, role=role)

    @property
    def superuser_dsn(self) -> str:
        return self.cluster.dsn(self.name)

    async def execute(self, sql: str) -> None:
        """As superuser, for arranging and breaking things; row level security does not apply."""
        await self.cluster.execute(sql, database=self.name)

    async def fetch(self, sql: str, *arguments: object) -> list[Any]:
        """As superuser, for looking at everything."""
        connection = await asyncpg.connect(self.superuser_dsn)
        try:
            return list(await connection.fetch(sql, *arguments))
        finally:
            await connection.close()

    @asynccontextmanager
    async def pool(self, role: str, *, size_max: int = 4) -> AsyncIterator[pg.Pool]:
        """A pool as the services open it."""
        pool = await pg.open_pool(self.dsn(role), service="test", size_max=size_max, start_seconds_max=5)
        try:
            yield pool
        finally:
            try:
                async with asyncio.timeout(5):
                    await pool.close()
            except TimeoutError:
                pool.terminate()


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    url = os.environ.get("TEST_DATABASE_URL")
    if url:
        yield Cluster(url)
        return
    with _folder(tmp_path_factory) as folder:
        server = PostgresServer(folder / "data", durable=False)
        server.start()
        try:
            yield Cluster(server.dsn(SUPERUSER, "postgres"))
        finally:
            server.stop()


@contextmanager
def _folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """On a RAM disk if there is a roomy one: copying a template is hundreds of files for many a test."""
    if not _has_room(RAM_DISK):
        yield tmp_path_factory.mktemp("postgres")
        return
    _remove_leftovers()
    folder = RAM_DISK / f"callplane-test-{os.getpid()}"
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _has_room(folder: Path) -> bool:
    return (
        folder.is_dir() and os.access(folder, os.W_OK) and shutil.disk_usage(folder).free > RAM_DISK_BYTES_MIN
    )


def _remove_leftovers() -> None:
    """Of runs that were killed; they would hold memory until the machine restarts."""
    for folder in RAM_DISK.glob("callplane-test-*"):
        if not Path("/proc", folder.name.rpartition("-")[2]).exists():
            shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
async def blank_template(cluster: Cluster) -> AsyncIterator[str]:
    """Roles and empty schemas."""
    name = f"test_{os.getpid()}_blank"
    await cluster.drop(name)
    await cluster.create(name)
    roles = (REPOSITORY / "deploy/postgres/roles.sql").read_text(encoding="utf-8")
    passwords = "".join(
        f"ALTER ROLE {service}{suffix} PASSWORD '{_PASSWORD}';"
        for service in SERVICES
        for suffix in ("_owner", "", "_worker")
    )
    await cluster.execute(roles + passwords, database=name)
    yield name
    await cluster.drop(name)


@pytest.fixture(scope="session")
async def migrated_template(cluster: Cluster, blank_template: str) -> AsyncIterator[str]:
    """All migrations of all services, run as their owners."""
    name = f"test_{os.getpid()}_migrated"
    await cluster.drop(name)
    await cluster.create(name, template=blank_template)
    for service in SERVICES:
        folder = REPOSITORY / "services" / service / "migrations"
        if folder.is_dir():
            await pg.migrate(cluster.dsn(name, role=f"{service}_owner"), schema=service, folder=folder)
    yield name
    await cluster.drop(name)


@asynccontextmanager
async def _copied(cluster: Cluster, template: str) -> AsyncIterator[Database]:
    database = Database(cluster=cluster, name=f"test_{os.getpid()}_{next(_numbers)}")
    await cluster.create(database.name, template=template)
    try:
        yield database
    finally:
        await cluster.drop(database.name)


@pytest.fixture
async def blank_database(cluster: Cluster, blank_template: str) -> AsyncIterator[Database]:
    """A database of this test alone with every role and schema but no table."""
    async with _copied(cluster, blank_template) as database:
        yield database


@pytest.fixture
async def database(cluster: Cluster, migrated_template: str) -> AsyncIterator[Database]:
    """A database of this test alone, with every service's tables."""
    async with _copied(cluster, migrated_template) as database:
        yield database


@pytest.fixture
def dsn(database: Database) -> Callable[[str], str]:
    """`dsn("calls_worker")`: where a role finds this test's database."""
    return database.dsn
