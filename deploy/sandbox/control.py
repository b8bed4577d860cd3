"""The sandbox's own API under /sandbox: what was asked, what happened, and what shall happen."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from deploy.sandbox.call import Call
from deploy.sandbox.calls import NewCall
from deploy.sandbox.config import VAPI_ASSISTANT_ID, VAPI_PHONE_NUMBER_ID
from deploy.sandbox.exchange import BodyTooLarge, JsonAnswer, parsed_json, read_body
from deploy.sandbox.faults import WebhookFault
from deploy.sandbox.moments import iso, milliseconds, now, parse
from deploy.sandbox.sandbox import Sandbox
from deploy.sandbox.scripts import SCRIPTS, Say
from deploy.sandbox.settings import public_view
from deploy.sandbox.texting import TextMessage

ENTRIES_SHOWN_MAX = 50_000
Number = Annotated[str, msgspec.Meta(pattern=r"^\+[1-9][0-9]{6,14}$")]
Operation = Callable[[Sandbox, Request, Any], Awaitable[tuple[int, Any]]]


class InboundCall(msgspec.Struct, rename="camel", forbid_unknown_fields=True, kw_only=True):
    script: str
    customer: Number | None = None
    phone_number_id: str | None = None
    assistant_id: str | None = None
    # Says that the number has no assistant, so that our server is asked for one.
    assistant_request: bool = False
    metadata: dict[str, Any] | None = None
    faults: WebhookFault | None = None


class Reset(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    settings: bool = False
    objects: bool = False


class InboundSms(msgspec.Struct, rename={"sender": "from"}, forbid_unknown_fields=True, kw_only=True):
    sender: Number
    to: Number
    body: Annotated[str, msgspec.Meta(max_length=1600)]


def routes(sandbox: Sandbox) -> list[Route]:
    table: list[tuple[str, str, Operation]] = [
        ("GET", "/sandbox/health", _health),
        ("GET", "/sandbox/requests", _requests),
        ("GET", "/sandbox/deliveries", _deliveries),
        ("GET", "/sandbox/calls", _calls),
        ("GET", "/sandbox/messages", _messages),
        ("GET", "/sandbox/scripts", _scripts),
        ("POST", "/sandbox/inboundCalls", _start_inbound_call),
        ("POST", "/sandbox/inboundSms", _send_inbound_sms),
        ("GET", "/sandbox/faults", _faults),
        ("POST", "/sandbox/faults", _order_faults),
        ("DELETE", "/sandbox/faults", _clear_faults),
        ("GET", "/sandbox/settings", _settings),
        ("POST", "/sandbox/settings", _change_settings),
        ("POST", "/sandbox/reset", _reset),
        ("GET", "/sandbox/receivers/{name}", _received),
        ("POST", "/sandbox/receivers/{name}", _receive),
    ]
    return [Route(path, _endpoint(sandbox, operation), methods=[method]) for method, path, operation in table]


def _endpoint(sandbox: Sandbox, operation: Operation) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        try:
            raw = await read_body(request)
            body: Any = raw if operation is _receive else parsed_json(raw)
            status, content = await operation(sandbox, request, body)
        except BodyTooLarge:
            status, content = 413, {"error": "body too large"}
        except ValueError as error:
            status, content = 400, {"error": str(error)}
        return JsonAnswer(content, status_code=status)

    return endpoint


async def _health(sandbox: Sandbox, _request: Request, _body: Any) -> tuple[int, Any]:
    return 200, {"status": "ok", "officialContracts": sandbox.contracts.official_names}


async def _requests(sandbox: Sandbox, request: Request, _body: Any) -> tuple[int, Any]:
    """`since` is an entry's `seq`, or a time: ISO 8601 or epoch seconds or milliseconds."""
    after, since_ms = _since(request.query_params.get("since", ""))
    found = sandbox.journal.entries("requests", limit=ENTRIES_SHOWN_MAX, after=after)
    return 200, {"requests": [entry for entry in found if entry["ms"] >= since_ms]}


async def _deliveries(sandbox: Sandbox, request: Request, _body: Any) -> tuple[int, Any]:
    """Every webhook the sandbox sent or dropped, with the answer, and the counts by type."""
    call_id = request.query_params.get("callId")
    after, _ = _since(request.query_params.get("since", ""))
    found = sandbox.journal.entries("deliveries", limit=ENTRIES_SHOWN_MAX, after=after)
    kept = [entry for entry in found if call_id is None or entry["callId"] == call_id]
    counts = {name: dict(counter) for name, counter in sandbox.courier.counts.items()}
    return 200, {"deliveries": kept, "counts": counts, "pending": sandbox.courier.pending}


def _since(text: str) -> tuple[int, int]:
    """(sequence number, epoch milliseconds) after which entries are wanted."""
    if not text:
        return 0, 0
    try:
        number = float(text)
    except ValueError:
        return 0, milliseconds(parse(text.replace(" ", "+")))
    if number < 1e9:
        return int(number), 0
    return 0, int(number if number >= 1e11 else number * 1000)


async def _calls(sandbox: Sandbox, _request: Request, _body: Any) -> tuple[int, Any]:
    peaks = sandbox.calls.peaks
    return 200, {
        "calls": [_shown_call(call) for call in sandbox.calls.calls.values()],
        "active": sandbox.calls.active_count,
        **msgspec.to_builtins(peaks),
    }


def _shown_call(call: Call) -> dict[str, Any]:
    return {
        "id": call.id,
        "direction": "OUTBOUND" if call.outbound else "INBOUND",
        "type": call.type,
        "customer": call.customer.get("number"),
        "name": call.name,
        "metadata": call.all_metadata,
        "script": call.script,
        "status": call.status,
        "createdAt": call.created_at,
        "startedAt": call.started_at,
        "endedAt": call.ended_at,
        "endedReason": call.ended_reason,
        "reported": call.reported,
        "deleted": call.deleted,
        "cost": call.cost,
        "timeline": call.timeline,
    }


async def _messages(sandbox: Sandbox, _request: Request, _body: Any) -> tuple[int, Any]:
    return 200, {"messages": [_shown_message(m) for m in sandbox.messages.messages.values()]}


def _shown_message(message: TextMessage) -> dict[str, Any]:
    return {
        "sid": message.sid,
        "direction": "inbound" if message.direction == "inbound" else "outbound",
        "from": message.sender,
        "to": message.to,
        "body": message.body,
        "status": message.status,
        "errorCode": message.error_code,
        "createdAt": iso(message.created_at),
        "timeline": message.timeline,
    }


async def _scripts(_sandbox: Sandbox, _request: Request, _body: Any) -> tuple[int, Any]:
    return 200, {
        "scripts": [
            {
                "name": script.name,
                "language": script.language,
                "about": script.about,
                "customer": script.customer,
                "endedReason": script.ended_reason,
                "tools": [n for step in script.steps if not isinstance(step, Say) for n, _ in step.calls],
                "sendsEnded": script.sends_ended,
                "sendsReport": script.sends_report,
            }
            for script in SCRIPTS.values()
        ]
    }


async def _start_inbound_call(sandbox: Sandbox, _request: Request, body: Any) -> tuple[int, Any]:
    wanted = msgspec.convert(body, InboundCall)
    if wanted.script not in SCRIPTS:
        raise ValueError(f"unknown script {wanted.script}; known: {', '.join(SCRIPTS)}")
    number_id = wanted.phone_number_id or VAPI_PHONE_NUMBER_ID
    if number_id not in sandbox.catalog.phone_numbers:
        raise ValueError("unknown phoneNumberId")
    script, number = SCRIPTS[wanted.script], sandbox.catalog.phone_numbers[number_id]
    assistant_id = wanted.assistant_id or number.get("assistantId")
    asks = wanted.assistant_request or script.asks_for_assistant or assistant_id is None
    call = sandbox.calls.create(
        NewCall(
            inbound=True,
            org_id=number["orgId"],
            customer={"number": wanted.customer or script.customer},
            phone_number_id=number_id,
            assistant_id=None if asks else assistant_id,
            metadata=wanted.metadata,
            script=script,
            ask_for_assistant=asks,
            fault=wanted.faults,
        )
    )
    return 201, _shown_call(call)


async def _send_inbound_sms(sandbox: Sandbox, _request: Request, body: Any) -> tuple[int, Any]:
    wanted = msgspec.convert(body, InboundSms)
    return 200, await sandbox.messages.receive(sender=wanted.sender, to=wanted.to, body=wanted.body)


async def _faults(sandbox: Sandbox, _request: Request, _body: Any) -> tuple[int, Any]:
    counts = {name: dict(counter) for name, counter in sandbox.courier.counts.items()}
    return 200, {**sandbox.faults.view(), "webhookCounts": counts}


async def _order_faults(sandbox: Sandbox, request: Request, body: Any) -> tuple[int, Any]:
    sandbox.faults.order(_object(body))
    return await _faults(sandbox, request, body)


async def _clear_faults(sandbox: Sandbox, request: Request, body: Any) -> tuple[int, Any]:
    sandbox.faults.clear()
    return await _faults(sandbox, request, body)


async def _settings(sandbox: Sandbox, _request: Request, _body: Any) -> tuple[int, Any]:
    return 200, {
        **public_view(sandbox.settings),
        "phoneNumberId": VAPI_PHONE_NUMBER_ID,
        "phoneNumber": sandbox.catalog.phone_numbers[VAPI_PHONE_NUMBER_ID]["number"],
        "assistantId": VAPI_ASSISTANT_ID,
        "vapiUrl": f"{sandbox.public_url}/vapi",
        "twilioUrl": f"{sandbox.public_url}/twilio",
    }


async def _change_settings(sandbox: Sandbox, request: Request, body: Any) -> tuple[int, Any]:
    sandbox.change_settings(_object(body))
    return await _settings(sandbox, request, body)


async def _reset(sandbox: Sandbox, _request: Request, body: Any) -> tuple[int, Any]:
    wanted = msgspec.convert(body or {}, Reset)
    await sandbox.reset(settings=wanted.settings, objects=wanted.objects)
    return 200, {"status": "reset"}


async def _receive(sandbox: Sandbox, request: Request, body: bytes) -> tuple[int, Any]:
    """Stands for a customer's endpoint: keeps what the product posts, answers as `receiverStatus` says."""
    name = str(request.path_params["name"])
    status = sandbox.settings.receiver_status.get(name, 200)
    entry = {
        "at": iso(now()),
        "headers": dict(request.headers),
        "body": body.decode("utf-8", "replace"),
        "body_json": _json_or_none(body),
        "answer": status,
    }
    sandbox.journal.append(f"receiver:{name}", entry)
    return status, {"received": status < 300}


async def _received(sandbox: Sandbox, request: Request, _body: Any) -> tuple[int, Any]:
    after, _ = _since(request.query_params.get("since", ""))
    name = str(request.path_params["name"])
    received = sandbox.journal.entries(f"receiver:{name}", limit=ENTRIES_SHOWN_MAX, after=after)
    return 200, {"requests": received}


def _json_or_none(body: bytes) -> Any:
    try:
        return parsed_json(body)
    except ValueError:
        return None


def _object(body: Any) -> dict[str, Any]:
    if not isinstance(body, dict):
        raise ValueError("a JSON object is needed")
    return body
