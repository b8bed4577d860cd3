"""What must be true when the demo is over: a sentence each, whether it holds, and the figures behind it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from deploy.demo.inbound import InboundCalls, planned
from deploy.demo.outbound import CAP, CONTACTS, Outcome
from deploy.demo.trace import Trace

INBOUND_CALLS_MIN = 20
URGENT = ("P1", "P2")


@dataclass(frozen=True)
class Check:
    says: str
    holds: bool
    figures: str


@dataclass(frozen=True)
class Evidence:
    """What both sides say: our API, and the sandbox's own record."""

    inbound: InboundCalls
    outbound: Outcome
    leads: list[dict[str, Any]]
    messages: list[dict[str, Any]]
    sandbox_calls: list[dict[str, Any]]
    sandbox_messages: list[dict[str, Any]]
    received: list[dict[str, Any]]
    webhook_secret: str
    max_active: int
    trace: Trace

    def dials(self) -> Counter[str]:
        """Outbound calls the sandbox saw, by the attempt they were made for."""
        return Counter(call["name"] for call in self.sandbox_calls if call["direction"] == "OUTBOUND")

    def deliveries(self) -> list[dict[str, Any]]:
        """Received webhooks whose signature is right, one per event."""
        return list(
            {each["headers"]["webhook-id"]: each for each in self.received if self._signed(each)}.values()
        )

    def _signed(self, delivery: dict[str, Any]) -> bool:
        try:
            Webhook(self.webhook_secret).verify(delivery["body"], delivery["headers"])
        except WebhookVerificationError:
            return False
        return True


def judged(evidence: Evidence) -> list[Check]:
    return [
        *_inbound_checks(evidence),
        *_outbound_checks(evidence),
        *_notify_checks(evidence),
        _trace_check(evidence),
    ]


def _inbound_checks(evidence: Evidence) -> list[Check]:
    inbound = evidence.inbound
    priorities = inbound.priorities()
    return [
        Check(
            f"at least {INBOUND_CALLS_MIN} inbound calls are in the record",
            len(inbound.records) >= INBOUND_CALLS_MIN and len(inbound.records) == len(planned()),
            f"{len(inbound.records)} of {len(planned())}",
        ),
        Check(
            "each of P1 to P4 was judged",
            all(priorities[priority] for priority in ("P1", "P2", "P3", "P4")),
            ", ".join(f"{priority} {priorities[priority]}" for priority in ("P1", "P2", "P3", "P4")),
        ),
        Check(
            "every ended inbound call has a lead",
            {lead["callId"] for lead in evidence.leads} >= {call["id"] for call in inbound.ended},
            f"{len(evidence.leads)} leads for {len(inbound.ended)} ended calls",
        ),
    ]


def _outbound_checks(evidence: Evidence) -> list[Check]:
    imported = evidence.outbound.imported
    dials = evidence.dials()
    asked = [attempt for attempt in evidence.outbound.attempts if attempt["state"] != "REFUSED"]
    dialed_twice = sum(1 for count in dials.values() if count > 1)
    return [
        Check(
            "the import kept the good rows and reported the rest",
            (imported["accepted"], len(imported["rejected"]), imported["duplicates"]) == (CONTACTS, 2, 1),
            f"{imported['accepted']} kept, {len(imported['rejected'])} bad, {imported['duplicates']} twice",
        ),
        Check(
            "every contact was called, none twice for one attempt",
            len(dials) == len(asked) >= CONTACTS and dialed_twice == 0,
            f"{len(dials)} dials, {len(asked)} attempts, {dialed_twice} dialed twice",
        ),
        Check(
            "the cap held at every instant, as the sandbox saw it",
            0 < evidence.max_active <= CAP,
            f"{evidence.max_active} of {CAP}",
        ),
    ]


def _notify_checks(evidence: Evidence) -> list[Check]:
    urgent = {lead["id"] for lead in evidence.leads if lead["priority"] in URGENT}
    types = Counter(each["body_json"]["type"] for each in evidence.deliveries())
    calls = len(evidence.inbound.ended) + len(evidence.outbound.attempts)
    return [
        Check(
            "each urgent lead is one text message to the person on call",
            len(evidence.messages) == len(urgent) == len(evidence.sandbox_messages) > 0,
            f"{len(urgent)} leads, {len(evidence.messages)} texts, {len(evidence.sandbox_messages)} taken",
        ),
        Check(
            "every ended call reached the customer's endpoint, rightly signed",
            types["call.ended"] + types["call.failed"] == calls
            and len(evidence.deliveries()) == len(_ids(evidence)),
            f"{types['call.ended']} call.ended, {types['call.failed']} call.failed for {calls} calls",
        ),
        Check(
            "the endpoint heard of the campaign's start and end",
            types["campaign.started"] == types["campaign.completed"] == 1,
            f"{types['campaign.started']} started, {types['campaign.completed']} completed",
        ),
    ]


def _ids(evidence: Evidence) -> set[str]:
    return {each["headers"]["webhook-id"] for each in evidence.received}


def _trace_check(evidence: Evidence) -> Check:
    trace = evidence.trace
    return Check(
        "one trace runs through Envoy and all four services",
        trace.complete,
        f"{trace.spans} spans in {', '.join(trace.services) or 'nothing'}",
    )
