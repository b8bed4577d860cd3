"""Fixtures of `calls`: on a database of its own for each test."""

from collections.abc import AsyncIterator

import pytest

from callplane.calls.v2 import calls_pb2, rules_pb2
from libs import failpoints
from services.calls.operations.fold import Fold
from services.calls.operations.ingest import Ingest
from services.calls.operations.lead_clock import LeadClock
from services.calls.operations.leads import Leads
from services.calls.operations.record import Record
from services.calls.operations.rule_books import RuleBooks
from services.calls.operations.rules import Rules
from tests.integration.calls.harness import House, Service, find_call, serving
from tests.support.postgres import Database
from tests.support.vapi_messages import STRUCTURED, whole_call
from tests.support.waiting import eventually


@pytest.fixture
async def house(database: Database) -> AsyncIterator[House]:
    async with database.pool("calls_worker") as worker_pool, database.pool("calls") as request_pool:
        rule_books = RuleBooks()
        yield House(
            database=database,
            worker_pool=worker_pool,
            request_pool=request_pool,
            ingest=Ingest(worker_pool, provider="vapi"),
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


@pytest.fixture
async def told(service: Service) -> Service:
    """With the seeded rules and one whole call."""
    await service.rules.InstallRulePack(
        rules_pb2.InstallRulePackRequest(name="drain_cleaning_quebec"), metadata=service.as_org()
    )
    *before, tools, ended, report = whole_call("c-1", structured_data=STRUCTURED)
    await service.ingest(*before)
    await service.answer(tools)
    await service.ingest(ended, report)
    await find_call(service, "c-1", status=calls_pb2.Call.ENDED)

    async def reported() -> bool:
        return (await find_call(service, "c-1")).HasField("priority")

    await eventually(reported)
    return service
