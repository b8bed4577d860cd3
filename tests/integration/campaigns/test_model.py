"""Any sequence of what people and calls may do, against a model of what must come of it."""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

import grpc.aio
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from callplane.campaigns.v2 import campaigns_pb2
from tests.integration.campaigns.fake_calls import Script
from tests.integration.campaigns.harness import FIRST_PHONE, Service, contacts_csv
from tests.support.waiting import eventually

T = TypeVar("T")


@dataclass
class Model:
    cap: int
    pending: int
    status: str = "CREATED"
    active: int = 0
    ended: int = 0
    imported: int = 0

    @property
    def under_way(self) -> bool:
        return self.status in ("QUEUED", "DIALING", "RUNNING")

    def settle(self) -> None:
        """What the dispatcher will have done once nothing moves any more."""
        if self.under_way:
            dialed = max(0, min(self.cap - self.active, self.pending))
            self.pending -= dialed
            self.active += dialed
            self.status = self.progress()
        if self.status in ("QUEUED", "DIALING", "RUNNING", "PAUSED") and not self.pending and not self.active:
            self.status = "COMPLETED"

    def progress(self) -> str:
        if self.ended:
            return "RUNNING"
        return "DIALING" if self.active else "QUEUED"


class CampaignMachine(RuleBasedStateMachine):
    service: Service
    loop: asyncio.AbstractEventLoop
    agreements = 0

    @initialize(cap=st.integers(1, 4), contacts=st.integers(1, 9))
    def create(self, cap: int, contacts: int) -> None:
        self.model = Model(cap=cap, pending=contacts, imported=contacts)
        self.campaign_id = self.run(self.service.campaign(contacts=contacts, cap=cap)).id

    @rule(count=st.integers(1, 3))
    def add_contacts(self, count: int) -> None:
        data = contacts_csv(count, first=FIRST_PHONE + self.model.imported)
        allowed = self.model.status not in ("COMPLETED", "CANCELED")
        self.attempt(self.service.load(self.campaign_id, data), allowed=allowed)
        if allowed:
            self.model.pending += count
            self.model.imported += count
        self.agree()

    @rule()
    def start(self) -> None:
        self.act(self.service.start(self.campaign_id), "QUEUED", allowed=self.model.status == "CREATED")

    @rule()
    def pause(self) -> None:
        self.act(self.service.pause(self.campaign_id), "PAUSED", allowed=self.model.under_way)

    @rule()
    def resume(self) -> None:
        allowed = self.model.status == "PAUSED"
        self.act(self.service.resume(self.campaign_id), self.model.progress(), allowed=allowed)

    @rule(chance=st.integers(0, 5))
    def cancel(self, chance: int) -> None:
        if chance == 0:
            allowed = self.model.status not in ("COMPLETED", "CANCELED")
            self.act(self.service.cancel(self.campaign_id), "CANCELED", allowed=allowed)

    @rule(cap=st.integers(1, 4))
    def edit(self, cap: int) -> None:
        allowed = self.model.status not in ("COMPLETED", "CANCELED")
        self.attempt(self.service.update(self.campaign_id, cap=cap), allowed=allowed)
        if allowed:
            self.model.cap = cap
        self.agree()

    @precondition(lambda self: self.model.active > 0)
    @rule(index=st.integers(0, 3))
    def end_call(self, index: int) -> None:
        mine = self.open_calls()
        self.run(self.service.calls.end(mine[index % len(mine)]))
        self.model.active -= 1
        self.model.ended += 1
        self.agree()

    def teardown(self) -> None:
        requests = self.service.calls.requests
        assert len(set(requests)) == len(requests)
        for call_id in self.open_calls():
            self.run(self.service.calls.end(call_id))

    def open_calls(self) -> list[str]:
        calls = self.service.calls
        return sorted(one for one in calls.active if calls.calls[one].request.campaign_id == self.campaign_id)

    def act(self, call: Coroutine[Any, Any, Any], status: str, *, allowed: bool) -> None:
        self.attempt(call, allowed=allowed)
        if allowed:
            self.model.status = status
        self.agree()

    def attempt(self, call: Coroutine[Any, Any, Any], *, allowed: bool) -> None:
        refused_with = None
        try:
            self.run(call)
        except grpc.aio.AioRpcError as exc:
            refused_with = exc.code()
        assert (None if allowed else grpc.StatusCode.FAILED_PRECONDITION) == refused_with

    def agree(self) -> None:
        """The service comes to what the model says, and does not go beyond."""
        self.model.settle()
        model = self.model
        expected = (model.status, model.active, model.pending + model.active, model.ended)

        async def seen() -> tuple[Any, ...]:
            found = await self.service.get(self.campaign_id)
            name = campaigns_pb2.Campaign.Status.Name(found.status)
            stats = found.stats
            return name, stats.active, stats.pending, stats.by_status.get("ENDED", 0)

        async def agrees() -> bool:
            return await seen() == expected and len(self.open_calls()) == model.active

        try:
            self.run(eventually(agrees, within_seconds=5))
        except AssertionError:
            raise AssertionError(f"expected {expected}, saw {self.run(seen())}") from None
        type(self).agreements += 1

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(timeout=30)


async def test_any_sequence_of_actions_agrees_with_the_model(service: Service) -> None:
    service.calls.script = lambda _: Script(seconds=None)

    class Machine(CampaignMachine):
        pass

    Machine.service, Machine.loop = service, asyncio.get_running_loop()
    await asyncio.to_thread(
        run_state_machine_as_test,
        Machine,
        settings=settings(
            max_examples=12,
            stateful_step_count=15,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )

    assert Machine.agreements > 0
