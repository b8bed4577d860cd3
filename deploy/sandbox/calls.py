"""Every call the sandbox knows: creation, the tasks that play them, and how many were active at once."""

from __future__ import annotations

import asyncio
import random
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from deploy.sandbox.call import Call
from deploy.sandbox.config import VAPI_ORG_ID
from deploy.sandbox.faults import WebhookFault
from deploy.sandbox.journal import Journal
from deploy.sandbox.moments import iso, now, parse
from deploy.sandbox.performance import Performance
from deploy.sandbox.scripts import SCRIPTS, Script, script_for_outcome
from deploy.sandbox.sender import Sender, Stage
from deploy.sandbox.settings import Settings

CALLS_MAX = 20_000
CAMPAIGNS_MAX = 1_000


class Peaks(msgspec.Struct, rename="camel"):
    """The most calls active at one instant: all, outbound ones, and outbound ones by campaign."""

    max_active: int = 0
    max_active_outbound: int = 0
    max_active_by_campaign: dict[str, int] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class NewCall:
    """What is asked for when a call is made; `outcome` is a script's name or an ended reason."""

    inbound: bool
    org_id: str = VAPI_ORG_ID
    customer: dict[str, Any]
    phone_number_id: str | None = None
    assistant_id: str | None = None
    assistant: dict[str, Any] | None = None
    assistant_overrides: dict[str, Any] | None = None
    name: str | None = None
    metadata: dict[str, Any] | None = None
    schedule_plan: dict[str, Any] | None = None
    traceparent: str = ""
    script: Script | None = None
    ask_for_assistant: bool = False
    fault: WebhookFault | None = None


class CallBook:
    def __init__(
        self, *, journal: Journal, stage: Stage, settings: Callable[[], Settings], seed: int
    ) -> None:
        self._journal = journal
        self._stage = stage
        self._settings = settings
        self._seed = seed
        self._created = 0
        self.calls: dict[str, Call] = {call.id: call for call in journal.all("call", Call)}
        self.peaks = msgspec.convert(journal.recall("peaks") or {}, Peaks)
        self._running: dict[str, tuple[Performance, asyncio.Task[None]]] = {}
        self._active: set[str] = set()

    def resume(self) -> int:
        """Ends the calls the last run left unfinished, as Vapi does when a worker dies."""
        unfinished = [
            c for c in self.calls.values() if not (c.deleted or (c.status == "ended" and c.reported))
        ]
        for call in unfinished:
            script = SCRIPTS.get(call.script, SCRIPTS["outbound_simple"])
            performance = self._performance(call, script=script, fault=None)
            if call.status == "scheduled":
                self._start(performance, self._played(performance))
            else:
                self._start(performance, performance.finish("worker-shutdown"))
        return len(unfinished)

    @property
    def active_count(self) -> int:
        return len(self._active)

    def lines_left(self, org_id: str) -> int:
        """Calls that the organization may still start; inbound ones take lines too."""
        taken = sum(self.calls[call_id].org_id == org_id for call_id in self._active)
        return self._settings().concurrency_limit - taken

    def create(self, new: NewCall) -> Call:
        self._created += 1
        rng = random.Random(f"{self._seed}:{len(self.calls)}:{self._created}")
        script = new.script or self._drawn_script(new, rng)
        moment = iso(now())
        scheduled = new.schedule_plan is not None
        first_status = "ringing" if new.inbound else ("scheduled" if scheduled else "queued")
        call = Call(
            id=str(uuid.uuid4()),
            org_id=new.org_id,
            type="inboundPhoneCall" if new.inbound else "outboundPhoneCall",
            status=first_status,
            first_status=first_status,
            created_at=moment,
            updated_at=moment,
            phone_number_id=new.phone_number_id,
            assistant_id=new.assistant_id,
            assistant=new.assistant,
            assistant_overrides=new.assistant_overrides,
            customer=new.customer,
            name=new.name,
            metadata=new.metadata,
            schedule_plan=new.schedule_plan,
            provider_sid="CA" + f"{rng.getrandbits(128):032x}",
            script=script.name,
            outcome=script.ended_reason,
            traceparent=new.traceparent,
            asked_for_assistant=new.ask_for_assistant,
        )
        call.note(first_status, moment)
        self.calls[call.id] = call
        self._forget_old_calls()
        performance = self._performance(call, script=script, fault=new.fault, rng=rng)
        self._changed(call)
        self._start(performance, self._played(performance))
        return call

    def hang_up(self, call: Call, reason: str) -> bool:
        """Ends an active call; False when it was over already."""
        running = self._running.get(call.id)
        if running is None or running[0].hang_up.done() or call.status == "ended":
            return False
        running[0].hang_up.set_result(reason)
        return True

    def save(self, call: Call) -> None:
        self._changed(call)

    async def stop(self) -> None:
        """Stops playing without ending the calls; `resume` of the next run ends them."""
        tasks = [task for _, task in self._running.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def reset(self) -> None:
        await self.stop()
        self.calls.clear()
        self._active.clear()
        self.peaks = Peaks()
        self._journal.remember("peaks", self.peaks)

    async def _played(self, performance: Performance) -> None:
        plan = performance.call.schedule_plan
        if plan is not None:
            wait_seconds = (parse(plan["earliestAt"]) - now()).total_seconds()
            done, _ = await asyncio.wait({performance.hang_up}, timeout=max(0.0, wait_seconds))
            if done:
                await performance.finish(performance.hang_up.result())
                return
            performance.call.status = "queued"
            self._changed(performance.call)
        await performance.run()

    def _performance(
        self, call: Call, *, script: Script, fault: WebhookFault | None, rng: random.Random | None = None
    ) -> Performance:
        rng = rng or random.Random(call.id)
        settings = self._settings()
        scale = 1 / settings.speed
        if call.outbound:
            natural_seconds = script.ring_seconds + (script.talk_seconds if script.answered else 0.0)
            scale = rng.uniform(*settings.call_seconds) / max(natural_seconds, 1.0)
        sender = Sender(call=call, stage=self._stage, fault=fault)
        return Performance(call=call, script=script, stage=self._stage, sender=sender, scale=scale, rng=rng)

    def _drawn_script(self, new: NewCall, rng: random.Random) -> Script:
        settings = self._settings()
        chosen = settings.outcomes_by_number.get(new.customer.get("number", ""))
        if chosen is None:
            chosen = rng.choices(list(settings.outcomes), weights=list(settings.outcomes.values()))[0]
        return script_for_outcome(chosen)

    def _start(self, performance: Performance, playing: Any) -> None:
        task: asyncio.Task[None] = asyncio.create_task(playing)
        self._running[performance.call.id] = (performance, task)
        task.add_done_callback(lambda _: self._running.pop(performance.call.id, None))

    def _changed(self, call: Call) -> None:
        """Keeps the set of active calls and its peaks, and saves the call."""
        if call.active:
            if call.id not in self._active:
                self._active.add(call.id)
                self._raise_peaks()
        else:
            self._active.discard(call.id)
        self._journal.put("call", call.id, call)

    def _raise_peaks(self) -> None:
        outbound = [self.calls[call_id] for call_id in self._active if self.calls[call_id].outbound]
        peaks = self.peaks
        before = (peaks.max_active, peaks.max_active_outbound, dict(peaks.max_active_by_campaign))
        peaks.max_active = max(peaks.max_active, len(self._active))
        peaks.max_active_outbound = max(peaks.max_active_outbound, len(outbound))
        by_campaign = Counter(call.campaign_id for call in outbound if call.campaign_id)
        for campaign_id, count in by_campaign.items():
            known = peaks.max_active_by_campaign
            if campaign_id in known or len(known) < CAMPAIGNS_MAX:
                known[campaign_id] = max(known.get(campaign_id, 0), count)
        if before != (peaks.max_active, peaks.max_active_outbound, peaks.max_active_by_campaign):
            self._journal.remember("peaks", peaks)

    def _forget_old_calls(self) -> None:
        if len(self.calls) <= CALLS_MAX:
            return
        oldest = next((c for c in self.calls.values() if c.status == "ended" and c.reported), None)
        if oldest is not None:
            del self.calls[oldest.id]
            self._journal.remove("call", oldest.id)
