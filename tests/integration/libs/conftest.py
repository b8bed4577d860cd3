"""Databases with the tables that libs describe, and nothing of any service."""

import re
from collections.abc import AsyncIterator
from textwrap import dedent

import pytest

from libs import outbox, pg
from tests.support.postgres import Database


def _documented_tables(schema: str) -> str:
    """The SQL in the docstring of libs.outbox, which every migration copies: so the text itself is tested."""
    text = outbox.__doc__ or ""
    blocks = re.findall(r"(?:^    .*\n|^\n)+", text, flags=re.MULTILINE)
    return re.sub(r"\bcalls\b", schema, dedent("".join(blocks))).replace("calls_worker", f"{schema}_worker")


@pytest.fixture
async def log_database(blank_database: Database) -> Database:
    """`calls` and `notify` have an outbox, leases, cursors and dead events."""
    for schema in ("calls", "notify"):
        await blank_database.execute(_documented_tables(schema))
    return blank_database


@pytest.fixture
async def calls_worker(log_database: Database) -> AsyncIterator[pg.Pool]:
    async with log_database.pool("calls_worker") as pool:
        yield pool


@pytest.fixture
async def notify_worker(log_database: Database) -> AsyncIterator[pg.Pool]:
    async with log_database.pool("notify_worker", size_max=6) as pool:
        yield pool
