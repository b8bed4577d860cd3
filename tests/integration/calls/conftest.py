"""Fixtures of `calls`: on a database of its own for each test."""

from collections.abc import AsyncIterator

import pytest

from libs import failpoints
from services.calls.operations.fold import Fold
from services.calls.operations.ingest import Ingest
from services.calls.operations.lead_clock import LeadClock
from services.calls.operations.leads import Leads
from services.calls.operations.record import Record
from services.calls.operations.rule_books import RuleBooks
from services.calls.operations.rules import Rules
from tests.integration.calls.harness import House, Service, serving
from tests.support.postgres import Database


@pytest.fixture
async def house(database: Database) -> AsyncIterator[House]:
    async with database.pool("calls_worker") as worker_pool, database.pool("calls") as request_pool:
        rule_books = RuleBooks()
        yield House(
            database=database,
            worker_pool=worker_pool,
            request_pool=request_pool,
            ingest=Ingest(worker_pool, provider="vapi", wake_folder=lambda: None),
            fold=Fold(worker_pool, Record(rule_books)),
            rules=Rules(request_pool, rule_books),
            leads=Leads(request_pool, rule_books),
            lead_clock=LeadClock(worker_pool),
        )
    failpoints.configure("")


@pytest.fixture
async def service(database: Database) -> AsyncIterator[Service]:
    async with serving(database) as running_service:
        yield running_service
