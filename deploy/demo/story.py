"""The demo's plot: both halves side by side, then the evidence from our API and from the sandbox."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from deploy.demo import inbound, outbound, trace
from deploy.demo.checks import Check, Evidence, judged
from deploy.demo.clients import DemoFailed, Door, open_door

Ready: TypeAlias = Mapping[str, Any]

EVENTS = ["call.started", "call.ended", "call.failed", "transcript.ready", "lead.created"]
EVENTS += ["campaign.started", "campaign.completed"]
# Lively, and not gentle: a fifth of the webhooks come twice, and the rest in any order.
SANDBOX_SETTINGS = {
    "callSeconds": [0.5, 1.5],
    "outcomes": {"customer-ended-call": 0.7, "customer-did-not-answer": 0.2, "voicemail": 0.1},
    "speed": 8.0,
    "reportDelaySeconds": 1.2,
}
SANDBOX_FAULTS = {"webhooks": {"duplicate": 0.2, "shuffle": True, "delayMs": [0, 150]}}
QUIET_SECONDS_MAX = 60.0
# No run is shorter, so no two of them have the same customers.
SECONDS_PER_RUN = 15
POLL_SECONDS = 0.3


async def run(console: Console, ready: Ready, *, traces: Path) -> tuple[Evidence, list[Check]]:
    async with (
        open_door(ready["public_url"], api_key=ready["api_key"]) as api,
        open_door(ready["sandbox_url"]) as sandbox,
    ):
        since = datetime.now(UTC)
        await sandbox.post("/sandbox/settings", SANDBOX_SETTINGS)
        await sandbox.post("/sandbox/faults", SANDBOX_FAULTS)
        receiver = f"{ready['sandbox_url']}/sandbox/receivers/demo-{since:%Y%m%d%H%M%S}"
        webhook = await api.post("/v2/webhooks", {"url": receiver, "events": EVENTS})
        try:
            evidence = await _told(console, ready, api, sandbox, webhook=webhook, since=since, traces=traces)
        finally:
            await sandbox.client.delete("/sandbox/faults")
            await api.client.delete(f"/v2/webhooks/{webhook['id']}")
        return evidence, judged(evidence)


async def _told(
    console: Console,
    ready: Ready,
    api: Door,
    sandbox: Door,
    *,
    webhook: dict[str, Any],
    since: datetime,
    traces: Path,
) -> Evidence:
    trace_id, traceparent = trace.new_traceparent()
    campaign, imported = await outbound.prepare(api, phone_number_id=ready["sandbox"]["phone_number_id"])
    with _progress(console) as bars:
        ringing = bars.add_task("inbound calls", total=len(inbound.planned()))
        dialing = bars.add_task("campaign", total=outbound.CONTACTS)

        def follow(done: int, active: int) -> None:
            bars.update(dialing, completed=done, description=f"campaign, {active} calls open")

        try:
            async with asyncio.TaskGroup() as tasks:
                dialed = tasks.create_task(
                    outbound.run(api, campaign, imported, traceparent=traceparent, progress=follow)
                )
                rang = tasks.create_task(
                    _inbound(api, sandbox, since=since, done=lambda n: bars.update(ringing, completed=n))
                )
        except ExceptionGroup as failures:
            # The first one is the story; the other half was cancelled because of it.
            raise failures.exceptions[0] from None
    console.print("Waiting for the last text messages, webhooks and spans ...")
    return await _evidence(
        api,
        sandbox,
        rang.result(),
        dialed.result(),
        webhook=webhook,
        since=since,
        traces=traces,
        trace_id=trace_id,
    )


async def _inbound(
    api: Door, sandbox: Door, *, since: datetime, done: Callable[[int], None]
) -> inbound.InboundCalls:
    scripts = await inbound.ring(sandbox, run=int(since.timestamp()) // SECONDS_PER_RUN)
    calls = await inbound.recorded(api, scripts)
    done(len(calls.records))
    return calls


def _progress(console: Console) -> Progress:
    columns = (TextColumn("{task.description:<28}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=console)


async def _evidence(
    api: Door,
    sandbox: Door,
    rang: inbound.InboundCalls,
    dialed: outbound.Outcome,
    *,
    webhook: dict[str, Any],
    since: datetime,
    traces: Path,
    trace_id: str,
) -> Evidence:
    await _quiet(api, webhook_id=webhook["id"])
    call_ids = {call["id"] for call in rang.records.values()}
    leads = [lead for lead in await api.every("/v2/leads", "leads") if lead["callId"] in call_ids]
    messages = [m for m in await api.every("/v2/messages", "messages") if _after(m["createdAt"], since)]
    provider_calls = await sandbox.get("/sandbox/calls")
    attempt_ids = {attempt["id"] for attempt in dialed.attempts}
    sent = {message["providerMessageId"] for message in messages}
    return Evidence(
        inbound=rang,
        outbound=dialed,
        leads=leads,
        messages=messages,
        sandbox_calls=[c for c in provider_calls["calls"] if c["name"] in attempt_ids],
        sandbox_messages=[
            m for m in (await sandbox.get("/sandbox/messages"))["messages"] if m["sid"] in sent
        ],
        received=(await sandbox.get(urlsplit(webhook["url"]).path))["requests"],
        webhook_secret=webhook["secret"],
        max_active=provider_calls["maxActiveByCampaign"].get(dialed.campaign["id"], 0),
        trace=await trace.collected(traces, trace_id),
    )


async def _quiet(api: Door, *, webhook_id: str) -> None:
    """Waits until no message and no delivery is on its way."""
    deadline = asyncio.get_running_loop().time() + QUIET_SECONDS_MAX
    while True:
        pending = [
            *await api.every("/v2/messages", "messages", status="QUEUED"),
            *await api.every("/v2/messages", "messages", status="SENDING"),
            *await api.every(f"/v2/webhooks/{webhook_id}/deliveries", "deliveries", status="PENDING"),
            *await api.every(f"/v2/webhooks/{webhook_id}/deliveries", "deliveries", status="RETRYING"),
        ]
        if not pending:
            return
        if asyncio.get_running_loop().time() > deadline:
            raise DemoFailed(
                f"{len(pending)} messages or deliveries are still under way after {QUIET_SECONDS_MAX:.0f} s"
            )
        await asyncio.sleep(POLL_SECONDS)


def _after(moment: str, since: datetime) -> bool:
    return datetime.fromisoformat(moment) >= since
