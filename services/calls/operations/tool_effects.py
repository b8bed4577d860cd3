"""What tools do beyond looking up rules, within the transaction that answers the provider."""

from dataclasses import replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import asyncpg

from libs import outbox
from libs.outbox import NewEvent
from libs.pg import Connection
from libs.phone import is_possible
from services.calls import events
from services.calls.domain import tools, transfers
from services.calls.domain.business_hours import Language
from services.calls.domain.call import Call
from services.calls.domain.leads import Lead
from services.calls.domain.priority import Request, judge
from services.calls.domain.record import judged
from services.calls.domain.redaction import NOTHING
from services.calls.domain.rules import RuleBook
from services.calls.domain.telling import HEARSAY
from services.calls.domain.tools import ToolResult
from services.calls.domain.wishes import (
    AlertWish,
    CallbackWish,
    LeadWish,
    OptOutWish,
    TransferWish,
    Wish,
    redacted_wish,
)
from services.calls.operations.lead_keeping import LeadKeeping
from services.calls.store import call_settings, leads
from services.calls.store.transfer_destinations import TRANSFER_DESTINATIONS

_DESTINATIONS_MAX: Final = 1000
_DONE: Final = {
    (AlertWish, Language.FR): "L'équipe de garde a été avisée.",
    (AlertWish, Language.EN): "The people on call have been told.",
    (LeadWish, Language.FR): "Votre demande est enregistrée; nous vous rappellerons.",
    (LeadWish, Language.EN): "Your request is on record; we will call you back.",
    (CallbackWish, Language.FR): "Nous vous rappellerons à ce moment.",
    (CallbackWish, Language.EN): "We will call you back then.",
    (OptOutWish, Language.FR): "C'est noté; nous ne vous contacterons plus.",
    (OptOutWish, Language.EN): "Noted; we will not contact you any more.",
}
_NO_NUMBER: Final = "The caller's number is not known, so this cannot be done."


class ToolEffects:
    def __init__(self, lead_keeping: LeadKeeping) -> None:
        self._leads = lead_keeping

    async def fulfil(
        self, conn: Connection, wish: Wish, call: Call, rules: RuleBook, *, now: datetime
    ) -> ToolResult:
        """For the caller of a locked call."""
        redactions = await call_settings.redactions(conn, [call.org_id])
        wish = redacted_wish(wish, redactions.get(call.org_id, NOTHING))
        match wish:
            case AlertWish():
                return await self._alert(conn, wish, call, rules, now=now)
            case LeadWish():
                return await self._open_lead(conn, wish, call, rules, now=now)
            case CallbackWish():
                return await self._call_back(conn, wish, call, rules, now=now)
            case TransferWish():
                return await _transfer(conn, wish, call)
            case OptOutWish():
                return await _opt_out(conn, wish, call)

    async def _alert(
        self, conn: Connection, wish: AlertWish, call: Call, rules: RuleBook, *, now: datetime
    ) -> ToolResult:
        described = replace(call, problem_description=call.problem_description or wish.message)
        lead, said = await self._enter(conn, described, rules, now=now)
        said.append(events.alert_requested(lead, priority=wish.priority, message=wish.message))
        await outbox.append(conn, events.SCHEMA, said)
        return tools.success({"alerted": True, "priority": wish.priority.value, "message": _done(wish)})

    async def _open_lead(
        self, conn: Connection, wish: LeadWish, call: Call, rules: RuleBook, *, now: datetime
    ) -> ToolResult:
        told = replace(call, **wish.fields)
        lead, said = await self._enter(conn, told, rules, customer_type=wish.customer_type, now=now)
        if wish.notes:
            lead = await _change(conn, lead, {"notes": _with_note(lead, wish.notes)})
        await outbox.append(conn, events.SCHEMA, said)
        return tools.success(
            {
                "leadId": str(lead.id),
                "created": lead.created_at == now,
                "priority": lead.priority.value,
                "message": _done(wish),
            }
        )

    async def _call_back(
        self, conn: Connection, wish: CallbackWish, call: Call, rules: RuleBook, *, now: datetime
    ) -> ToolResult:
        if not _is_shown(call):
            return tools.failure(_NO_NUMBER)
        described = replace(call, problem_description=call.problem_description or wish.reason)
        lead, said = await self._enter(conn, described, rules, now=now)
        lead = await _change(conn, lead, {"follow_up_at": wish.call_back_at})
        said.append(
            events.callback_requested(lead, call_back_at=wish.call_back_at, campaign_id=call.campaign_id)
        )
        await outbox.append(conn, events.SCHEMA, said)
        local = rules.business_hours.local(wish.call_back_at)
        return tools.success(
            {"scheduled": True, "callBackAt": local.isoformat(timespec="minutes"), "message": _done(wish)}
        )

    async def _enter(
        self, conn: Connection, call: Call, rules: RuleBook, *, customer_type: str = "", now: datetime
    ) -> tuple[Lead, list[NewEvent]]:
        """The lead of the call, judged by what is known so far."""
        request = Request(
            description=call.problem_description,
            customer_type=customer_type,
            value=call.estimated_value or 0,
            at=now,
        )
        judgement = judge(rules, request)
        # The clock begins now, not at the end of a call that is still on.
        known = judged(replace(call, ended_at=now), judgement, hours=rules.business_hours)
        try:
            async with conn.transaction():
                return await self._leads.enter(conn, known, now=now)
        except asyncpg.UniqueViolationError as exc:
            if exc.constraint_name != "leads_open_unique":
                raise
            # Another call of the same caller has just opened it.
            return await self._leads.enter(conn, known, now=now)


async def chosen_destination(
    conn: Connection, name: str, *, org_id: UUID
) -> transfers.TransferDestination | None:
    """The one of this name if there still is one, else the first."""
    allowed = await TRANSFER_DESTINATIONS.list_active(conn, org_id=org_id, limit=_DESTINATIONS_MAX)
    return transfers.named(allowed, name) or transfers.named(allowed, "")


async def _transfer(conn: Connection, wish: TransferWish, call: Call) -> ToolResult:
    """The transfer itself follows when the provider asks for its destination."""
    allowed = await TRANSFER_DESTINATIONS.list_active(conn, org_id=call.org_id, limit=_DESTINATIONS_MAX)
    chosen = transfers.named(allowed, wish.destination)
    if chosen is None:
        names = ", ".join(one.name for one in allowed[:20])
        return tools.failure(
            f"destination must be one of {names}." if names else "There is nobody to transfer this call to."
        )
    return tools.success(
        {"transfer": True, "destination": chosen.name, "message": transfers.sentence(chosen, wish.language)}
    )


async def _opt_out(conn: Connection, wish: OptOutWish, call: Call) -> ToolResult:
    if not _is_shown(call):
        return tools.failure(_NO_NUMBER)
    await outbox.append(conn, events.SCHEMA, [events.opt_out_recorded(call, channel=wish.channel)])
    return tools.success({"recorded": True, "channel": wish.channel, "message": _done(wish)})


def _is_shown(call: Call) -> bool:
    """Whether the network shows the caller's number; one that somebody told could be anybody's."""
    told = call.facts.get("customer_number")
    return is_possible(call.customer_number) and (told is None or told[0] > HEARSAY)


async def _change(conn: Connection, lead: Lead, changes: dict[str, Any]) -> Lead:
    changed = await leads.update(conn, lead_id=lead.id, version=lead.version, changes=changes)
    if changed is None:
        raise RuntimeError("a lead that was locked has changed")
    return changed


def _with_note(lead: Lead, note: str) -> str:
    return note if not lead.notes or note in lead.notes else f"{lead.notes}\n{note}"


def _done(wish: AlertWish | LeadWish | CallbackWish | OptOutWish) -> str:
    return _DONE[type(wish), wish.language]
