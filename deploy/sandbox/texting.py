"""SMS as Twilio handles them: acceptance, delivery with status callbacks, opt-outs, and inbound messages."""

from __future__ import annotations

import asyncio
import random
import uuid
from collections.abc import Callable
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl, urldefrag

import httpx
import msgspec

from deploy.sandbox.faults import FaultBook
from deploy.sandbox.journal import Journal
from deploy.sandbox.moments import iso, now
from deploy.sandbox.settings import Settings
from deploy.sandbox.signatures import twilio_signature

MESSAGES_MAX = 50_000
_STEP_SECONDS = 0.3
_CALLBACK_TIMEOUT_SECONDS = 15.0
_STOP_WORDS = frozenset({"stop", "unsubscribe", "end", "quit", "stopall", "revoke", "optout", "cancel"})
_START_WORDS = frozenset({"start", "yes", "unstop"})
UNSUBSCRIBED = 21610


class TextMessage(msgspec.Struct, kw_only=True):
    sid: str
    account_sid: str
    to: str
    sender: str | None
    messaging_service_sid: str | None
    body: str
    status: str
    created_at: datetime
    updated_at: datetime
    sent_at: datetime | None = None
    status_callback: str = ""
    error_code: int | None = None
    direction: str = "outbound-api"
    timeline: list[dict[str, str]] = []


class MessageBook:
    def __init__(
        self,
        *,
        client: httpx.AsyncClient,
        settings: Callable[[], Settings],
        journal: Journal,
        faults: FaultBook,
        rng: random.Random,
    ) -> None:
        self._client = client
        self._settings = settings
        self._journal = journal
        self._faults = faults
        self._rng = rng
        self.messages: dict[str, TextMessage] = {m.sid: m for m in journal.all("message", TextMessage)}
        self._opted_out: set[tuple[str, str]] = {(a, b) for a, b in journal.recall("opted_out") or []}
        self._tasks: set[asyncio.Task[None]] = set()

    def has_opted_out(self, *, number: str, sender: str) -> bool:
        return (number, sender) in self._opted_out

    def accept(self, form: dict[str, str], *, account_sid: str, delivery_error: int | None) -> TextMessage:
        """Takes a message and starts its delivery; with `delivery_error` the carrier will refuse it."""
        moment = now()
        message = TextMessage(
            sid="SM" + uuid.uuid4().hex,
            account_sid=account_sid,
            to=form["To"],
            sender=form.get("From"),
            messaging_service_sid=form.get("MessagingServiceSid"),
            body=form.get("Body", ""),
            status="accepted" if "MessagingServiceSid" in form else "queued",
            created_at=moment,
            updated_at=moment,
            status_callback=form.get("StatusCallback", ""),
        )
        self._keep(message)
        steps = ["sent", "undelivered" if delivery_error else "delivered"]
        self._in_background(self._deliver(message, steps, delivery_error))
        return message

    async def receive(self, *, sender: str, to: str, body: str) -> dict[str, Any]:
        """Posts an inbound SMS to the product and says what it answered."""
        settings = self._settings()
        self._note_opt_out(number=sender, other=to, word=body.strip().casefold())
        moment = now()
        sid = "SM" + uuid.uuid4().hex
        message = TextMessage(
            sid=sid,
            account_sid=settings.twilio_account_sid,
            to=to,
            sender=sender,
            messaging_service_sid=None,
            body=body,
            status="received",
            created_at=moment,
            updated_at=moment,
            direction="inbound",
        )
        self._keep(message)
        form = {
            "ToCountry": "CA",
            "SmsMessageSid": sid,
            "NumMedia": "0",
            "SmsSid": sid,
            "SmsStatus": "received",
            "Body": body,
            "FromCountry": "CA",
            "To": to,
            "NumSegments": "1",
            "MessageSid": sid,
            "AccountSid": settings.twilio_account_sid,
            "From": sender,
            "ApiVersion": "2010-04-01",
        }
        status, answer = await self._post_signed(settings.twilio_sms_url, form)
        return {"messageSid": sid, "status": status, "answer": answer}

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def reset(self) -> None:
        await self.stop()
        self.messages.clear()
        self._opted_out.clear()
        self._journal.remember("opted_out", [])

    def _keep(self, message: TextMessage) -> None:
        message.timeline.append({"at": iso(now()), "status": message.status})
        self.messages[message.sid] = message
        self._journal.put("message", message.sid, message)
        if len(self.messages) > MESSAGES_MAX:
            oldest = next(iter(self.messages))
            del self.messages[oldest]
            self._journal.remove("message", oldest)

    async def _deliver(self, message: TextMessage, steps: list[str], delivery_error: int | None) -> None:
        for status in steps:
            await asyncio.sleep(self._settings().real_seconds(_STEP_SECONDS))
            message.status, message.updated_at = status, now()
            message.sent_at = message.sent_at or message.updated_at
            if status == "undelivered":
                message.error_code = delivery_error
            self._keep(message)
            if message.status_callback:
                await self._call_back(message)

    async def _call_back(self, message: TextMessage) -> None:
        form = {
            "ApiVersion": "2010-04-01",
            "MessageSid": message.sid,
            "SmsSid": message.sid,
            "AccountSid": message.account_sid,
            "From": message.sender or "",
            "To": message.to,
            "MessageStatus": message.status,
            "SmsStatus": message.status,
        }
        if message.error_code is not None:
            form["ErrorCode"] = str(message.error_code)
        fault = self._faults.strike_webhook()
        if self._rng.random() < fault.drop:
            self._record(form, outcome="dropped")
            return
        await asyncio.sleep(fault.delay_seconds(self._rng))
        for _ in range(2 if self._rng.random() < fault.duplicate else 1):
            await self._post_with_retries(message.status_callback, form)

    async def _post_with_retries(self, url: str, form: dict[str, str]) -> None:
        """Twilio tries once more if it cannot connect; a fragment `#rc=3&rp=5xx` in the URL asks for more."""
        address, fragment = urldefrag(url)
        override = dict(parse_qsl(fragment))
        retries = min(int(override["rc"]), 5) if override.get("rc", "").isdecimal() else 1
        policy = set(override.get("rp", "ct").split(","))
        for _ in range(retries + 1):
            status, _answer = await self._post_signed(address, form)
            if not _to_be_retried(status, policy):
                return
            await asyncio.sleep(self._settings().real_seconds(_STEP_SECONDS))

    async def _post_signed(self, url: str, form: dict[str, str]) -> tuple[int | None, str]:
        """The status and text answered, or None when there was no answer."""
        if not url:
            return None, ""
        signature = twilio_signature(self._settings().twilio_auth_token, url=url, form=form)
        try:
            response = await self._client.post(
                url,
                data=form,
                headers={"X-Twilio-Signature": signature, "User-Agent": "TwilioProxy/1.1"},
                timeout=_CALLBACK_TIMEOUT_SECONDS,
            )
        except httpx.HTTPError as error:
            self._record(form, outcome="failed", error=type(error).__name__)
            return None, ""
        outcome = "delivered" if response.is_success else "failed"
        self._record(form, outcome=outcome, answer=response.status_code)
        return response.status_code, response.text[:10_000]

    def _record(self, form: dict[str, str], **details: Any) -> None:
        kind = "twilio.status" if "MessageStatus" in form else "twilio.inbound"
        entry = {"at": iso(now()), "callId": None, "type": kind, "form": form, **details}
        self._journal.append("deliveries", entry)

    def _note_opt_out(self, *, number: str, other: str, word: str) -> None:
        if word in _STOP_WORDS:
            self._opted_out.add((number, other))
        elif word in _START_WORDS:
            self._opted_out.discard((number, other))
        self._journal.remember("opted_out", sorted(self._opted_out))

    def _in_background(self, work: Any) -> None:
        task: asyncio.Task[None] = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _to_be_retried(status: int | None, policy: set[str]) -> bool:
    if status is None:
        return bool(policy & {"ct", "rt", "all"})
    wanted = f"{status // 100}xx"
    return status >= 400 and bool(policy & {wanted, "all"})
