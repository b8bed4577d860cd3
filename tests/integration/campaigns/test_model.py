"""Any sequence of what two organizations and their calls may do, against a model of what must come of it."""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar
from uuid import UUID

import grpc.aio
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from callplane.campaigns.v2 import campaigns_pb2
from tests.integration.campaigns.dialing import kill
from tests.integration.campaigns.fake_calls import Script
from tests.integration.campaigns.harness import FIRST_PHONE, ORG, OTHER_ORG, Service, contacts_csv
from tests.support.waiting import eventually

T = TypeVar("T")
UNDER_WAY = ("QUEUED", "DIALING", "RUNNING")
OVER = ("COMPLETED", "CANCELED", "FAILED")
_tenant = st.sampled_from([ORG, OTHER_ORG])


@dataclass
class Model:
    """A campaign whose calls all end with somebody, or with nobody and a retry that is due at once."""

    campaign_id: str
    cap: int
    # Never called yet, or due again.
    pending: int
    status: str = "CREATED"
    auto_enroll: bool = False
    # The provider does not know its assistant.
    assistant_gone: bool = False
    # Engaged kill switches: of the organization, of the campaign.
    kills: set[str] = field(default_factory=set)
    active: int = 0
    ended: int = 0
    imported: int = 0

    def settle(self) -> None:
        """What the dispatcher will have done once nothing moves any more."""
        if self.status in UNDER_WAY and not self.kills and self.pending and self.active < self.cap:
            if self.assistant_gone:
                self.status = "FAILED"
                return
            dialed = min(self.cap - self.active, self.pending)
            self.pending -= dialed
            self.active += dialed
        if self.status in UNDER_WAY:
            self.status = self.progress()
        started = self.status in (*UNDER_WAY, "PAUSED")
        if started and not self.auto_enroll and not self.pending and not self.active:
            self.status = "COMPLETED"

    def progress(self) -> str:
        if self.ended:
            return "RUNNING"
        return "DIALING" if self.active else "QUEUED"


class CampaignMachine(RuleBasedStateMachine):
    service: Service
    loop: asyncio.AbstractEventLoop
    agreements = 0

    @initialize(caps=st.tuples(st.integers(1, 4), st.integers(1, 4)), contacts=st.integers(1, 7))
    def create(self, caps: tuple[int, int], contacts: int) -> None:
        self.models: dict[UUID, Model] = {}
        for org_id, cap in zip((ORG, OTHER_ORG), caps, strict=True):
            campaign = self.run(
                self.service.campaign(
                    contacts=contacts, cap=cap, org_id=org_id, max_attempts=10, retry_delay_seconds=0
                )
            )
            self.models[org_id] = Model(campaign.id, cap, pending=contacts, imported=contacts)
        self.tell_assistants()

    @rule(org_id=_tenant, count=st.integers(1, 3))
    def add_contacts(self, org_id: UUID, count: int) -> None:
        model = self.models[org_id]
        data = contacts_csv(count, first=FIRST_PHONE + model.imported)
        allowed = model.status not in OVER
        self.attempt(self.service.load(model.campaign_id, data, org_id=org_id), allowed=allowed)
        if allowed:
            model.pending += count
            model.imported += count
        self.agree()

    @rule(org_id=_tenant)
    def start(self, org_id: UUID) -> None:
        model = self.models[org_id]
        allowed = model.status == "CREATED"
        self.act(model, self.service.start(model.campaign_id, org_id=org_id), "QUEUED", allowed=allowed)

    @rule(org_id=_tenant)
    def pause(self, org_id: UUID) -> None:
        model = self.models[org_id]
        allowed = model.status in UNDER_WAY
        self.act(model, self.service.pause(model.campaign_id, org_id=org_id), "PAUSED", allowed=allowed)

    @rule(org_id=_tenant)
    def resume(self, org_id: UUID) -> None:
        model = self.models[org_id]
        allowed = model.status in ("PAUSED", "FAILED")
        call = self.service.resume(model.campaign_id, org_id=org_id)
        self.act(model, call, model.progress(), allowed=allowed)

    @rule(org_id=_tenant, chance=st.integers(0, 5))
    def cancel(self, org_id: UUID, chance: int) -> None:
        model = self.models[org_id]
        if chance == 0:
            allowed = model.status not in OVER
            self.act(
                model, self.service.cancel(model.campaign_id, org_id=org_id), "CANCELED", allowed=allowed
            )

    @rule(org_id=_tenant, cap=st.integers(1, 4), auto_enroll=st.none() | st.booleans())
    def edit(self, org_id: UUID, cap: int, auto_enroll: bool | None) -> None:
        model = self.models[org_id]
        allowed = model.status not in ("COMPLETED", "CANCELED")
        call = self.service.update(model.campaign_id, org_id=org_id, cap=cap, auto_enroll=auto_enroll)
        self.attempt(call, allowed=allowed)
        if allowed:
            model.cap = cap
            model.auto_enroll = model.auto_enroll if auto_enroll is None else auto_enroll
        self.agree()

    @rule(org_id=_tenant, gone=st.booleans())
    def lose_assistant(self, org_id: UUID, gone: bool) -> None:
        self.models[org_id].assistant_gone = gone
        self.tell_assistants()

    @rule(org_id=_tenant, whole=st.booleans(), engaged=st.booleans())
    def kill(self, org_id: UUID, whole: bool, engaged: bool) -> None:
        model = self.models[org_id]
        campaign_id = "" if whole else model.campaign_id
        self.run(kill(self.service, engaged=engaged, campaign_id=campaign_id, org_id=org_id))
        (model.kills.add if engaged else model.kills.discard)("whole" if whole else "own")
        self.agree()

    @rule(org_id=_tenant, stranger=st.booleans())
    def delete(self, org_id: UUID, stranger: bool) -> None:
        """The other organization does not find it; its own may not delete what is not over."""
        model = self.models[org_id]
        if stranger:
            other = OTHER_ORG if org_id == ORG else ORG
            call = self.service.delete(model.campaign_id, org_id=other)
            assert grpc.StatusCode.NOT_FOUND == self.refusal_of(call)
        elif model.status not in (*OVER, "CREATED") or model.active:
            self.attempt(self.service.delete(model.campaign_id, org_id=org_id), allowed=False)

    @rule(org_id=_tenant, index=st.integers(0, 3), answered=st.booleans())
    def end_call(self, org_id: UUID, index: int, answered: bool) -> None:
        model = self.models[org_id]
        mine = self.open_calls(model)
        if not mine:
            return
        call_id = mine[index % len(mine)]
        attempts = self.attempts_of(call_id)
        self.run(self.service.calls.end(call_id, outcome="HUMAN" if answered else "NO_ANSWER"))
        model.active -= 1
        model.ended += 1
        if not answered and attempts < 10:
            model.pending += 1
        self.agree()

    def teardown(self) -> None:
        requests = self.service.calls.requests
        assert len(set(requests)) == len(requests)
        for org_id, model in getattr(self, "models", {}).items():
            self.run(kill(self.service, engaged=False, org_id=org_id))
            for call_id in self.open_calls(model):
                self.run(self.service.calls.end(call_id))

    def open_calls(self, model: Model) -> list[str]:
        calls = self.service.calls
        return sorted(
            one for one in calls.active if calls.calls[one].request.campaign_id == model.campaign_id
        )

    def attempts_of(self, call_id: str) -> int:
        """How often the call's contact has been called."""
        calls = self.service.calls.calls
        contact_id = calls[call_id].request.contact_id
        return sum(one.request.contact_id == contact_id and one.result == "PLACED" for one in calls.values())

    def act(self, model: Model, call: Coroutine[Any, Any, Any], status: str, *, allowed: bool) -> None:
        self.attempt(call, allowed=allowed)
        if allowed:
            model.status = status
        self.agree()

    def attempt(self, call: Coroutine[Any, Any, Any], *, allowed: bool) -> None:
        assert (None if allowed else grpc.StatusCode.FAILED_PRECONDITION) == self.refusal_of(call)

    def refusal_of(self, call: Coroutine[Any, Any, Any]) -> grpc.StatusCode | None:
        try:
            self.run(call)
        except grpc.aio.AioRpcError as exc:
            return exc.code()
        return None

    def tell_assistants(self) -> None:
        gone = {model.campaign_id for model in self.models.values() if model.assistant_gone}
        refusal = Script(result="REFUSED", reason="ASSISTANT_NOT_FOUND", infrastructure=True)
        self.service.calls.script = lambda request: (
            refusal if request.campaign_id in gone else Script(seconds=None)
        )

    def agree(self) -> None:
        """The service comes to what the models say, and does not go beyond."""
        for org_id, model in self.models.items():
            model.settle()
            self.agree_on(org_id, model)

    def agree_on(self, org_id: UUID, model: Model) -> None:
        expected = (model.status, model.active, model.pending + model.active, model.ended)

        async def seen() -> tuple[Any, ...]:
            found = await self.service.get(model.campaign_id, org_id=org_id)
            name = campaigns_pb2.Campaign.Status.Name(found.status)
            stats = found.stats
            return name, stats.active, stats.pending, stats.by_status.get("ENDED", 0)

        async def agrees() -> bool:
            return await seen() == expected and len(self.open_calls(model)) == model.active

        try:
            self.run(eventually(agrees, within_seconds=5))
        except AssertionError:
            raise AssertionError(f"expected {expected}, saw {self.run(seen())}") from None
        type(self).agreements += 1

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(timeout=30)


async def test_any_sequence_of_actions_agrees_with_the_model(service: Service) -> None:
    """CA-2, CA-3: create, start, pause, resume, edit, cancel, kill, delete, files, calls, an assistant that
    goes and comes back, by two organizations at once."""

    class Machine(CampaignMachine):
        pass

    Machine.service, Machine.loop = service, asyncio.get_running_loop()
    await asyncio.to_thread(
        run_state_machine_as_test,
        Machine,
        settings=settings(
            max_examples=10,
            stateful_step_count=16,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )

    assert Machine.agreements > 0
