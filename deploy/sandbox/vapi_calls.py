"""Vapi's /call operations."""

from __future__ import annotations

import re
from http import HTTPStatus
from itertools import islice
from typing import Any

from starlette.requests import Request

from deploy.sandbox.call import Call, resource
from deploy.sandbox.calls import NewCall
from deploy.sandbox.moments import iso, now
from deploy.sandbox.sandbox import Sandbox
from deploy.sandbox.vapi_errors import VapiError
from deploy.sandbox.vapi_keys import organization_of
from deploy.sandbox.vapi_listing import limit_of, within

CUSTOMERS_MAX = 1_000
_E164 = re.compile(r"\+[1-9][0-9]{6,14}")
_NOT_E164 = (
    "customer.number must be a valid phone number in the E.164 format. "
    "Hot tip, you may be missing the country code (Eg. US: +1)."
)
_UNPLAYABLE = ("squadId", "squad", "workflowId", "workflow", "customerId", "transport")


async def create_call(sandbox: Sandbox, request: Request, body: Any) -> tuple[int, Any]:
    """One call, or one for each of `customers`: then those not made are listed beside the made ones."""
    org_id = organization_of(request)
    _check_parts(sandbox, body, org_id=org_id)
    traceparent = request.headers.get("traceparent", "")
    if "customers" not in body:
        call = _dial(sandbox, body, body["customer"], traceparent, org_id=org_id)
        return 201, {**shown(sandbox, call), "subscriptionLimits": _limits(sandbox, org_id)}
    results, errors = [], []
    for customer in body["customers"][:CUSTOMERS_MAX]:
        try:
            made = _dial(sandbox, body, customer, traceparent, org_id=org_id)
            results.append(shown(sandbox, made))
        except VapiError as error:
            errors.append({"customer": customer, "error": str(error)})
    return 201, {"results": results, "errors": errors, "subscriptionLimits": _limits(sandbox, org_id)}


async def list_calls(sandbox: Sandbox, request: Request, _body: Any) -> tuple[int, Any]:
    query = request.query_params
    wanted = {name: query[name] for name in ("id", "assistantId", "phoneNumberId") if name in query}
    newest_first = reversed(sandbox.calls.calls.values())
    found = (
        call
        for call in newest_first
        if not call.deleted
        and call.org_id == organization_of(request)
        and _matches(call, wanted)
        and within(query, created_at=call.created_at, updated_at=call.updated_at)
    )
    return 200, [shown(sandbox, call) for call in islice(found, limit_of(query))]


async def get_call(sandbox: Sandbox, request: Request, _body: Any) -> tuple[int, Any]:
    return 200, shown(sandbox, _known_call(sandbox, request))


async def update_call(sandbox: Sandbox, request: Request, body: Any) -> tuple[int, Any]:
    call = _known_call(sandbox, request)
    call.name = (body or {}).get("name", call.name)
    call.updated_at = iso(now())
    sandbox.calls.save(call)
    return 200, shown(sandbox, call)


async def delete_call(sandbox: Sandbox, request: Request, _body: Any) -> tuple[int, Any]:
    """Removes the call's data; a scheduled call is thereby never made."""
    call = _known_call(sandbox, request)
    answer = shown(sandbox, call)
    sandbox.calls.hang_up(call, "scheduled-call-deleted" if call.status == "scheduled" else "call-deleted")
    call.deleted = True
    sandbox.calls.save(call)
    return 200, answer


async def control_call(sandbox: Sandbox, request: Request, body: Any) -> tuple[int, Any]:
    """The live control address of a call; `end-call` hangs up, other messages change nothing here."""
    call = _known_call(sandbox, request, of_anybody=True)
    if not call.active:
        raise VapiError(HTTPStatus.BAD_REQUEST, "Call is not active.")
    if body["type"] == "end-call":
        sandbox.calls.hang_up(call, "manually-canceled")
    return 200, {"status": "ok"}


def shown(sandbox: Sandbox, call: Call) -> dict[str, Any]:
    return resource(call, control_url=f"{sandbox.public_url}/vapi/control/{call.id}")


def _check_parts(sandbox: Sandbox, body: dict[str, Any], *, org_id: str) -> None:
    """Refuses a call whose assistant, number or customer cannot be found, in the order Vapi looks."""
    unplayable = [name for name in _UNPLAYABLE if name in body]
    if unplayable:
        text = f"The sandbox cannot play a call with {', '.join(unplayable)}."
        raise VapiError(HTTPStatus.BAD_REQUEST, text)
    if not body.get("assistantId") and not body.get("assistant"):
        text = "Need Either `assistantId`, `assistant`, `squadId`, Or `squad`."
        raise VapiError(HTTPStatus.BAD_REQUEST, text)
    if "assistant" not in body and body["assistantId"] not in sandbox.catalog.assistants_of(org_id):
        text = f"Couldn't Get Assistant. `assistantId` {body['assistantId']} Does Not Exist."
        raise VapiError(HTTPStatus.BAD_REQUEST, text)
    if not body.get("phoneNumberId") and not body.get("phoneNumber"):
        raise VapiError(HTTPStatus.BAD_REQUEST, "Need Either `phoneNumberId` Or `phoneNumber`.")
    known_numbers = sandbox.catalog.phone_numbers_of(org_id)
    if "phoneNumber" not in body and body["phoneNumberId"] not in known_numbers:
        text = f"Couldn't Get Phone Number. `phoneNumberId` {body['phoneNumberId']} Does Not Exist."
        raise VapiError(HTTPStatus.BAD_REQUEST, text)
    if "customer" not in body and not body.get("customers"):
        raise VapiError(HTTPStatus.BAD_REQUEST, "Need Either `customerId`, `customer`, Or `customers`.")


def _dial(
    sandbox: Sandbox, body: dict[str, Any], customer: dict[str, Any], traceparent: str, *, org_id: str
) -> Call:
    _check_number(customer)
    scheduled = body.get("schedulePlan")
    if scheduled is None and sandbox.calls.lines_left(org_id) <= 0:
        limits = _limits(sandbox, org_id)
        raise VapiError(HTTPStatus.BAD_REQUEST, "Over Concurrency Limit.", subscriptionLimits=limits)
    return sandbox.calls.create(
        NewCall(
            inbound=False,
            org_id=org_id,
            customer=customer,
            phone_number_id=body.get("phoneNumberId"),
            assistant_id=body.get("assistantId"),
            assistant=body.get("assistant"),
            # A customer's own overrides replace those of the call, they are not merged.
            assistant_overrides=customer.get("assistantOverrides", body.get("assistantOverrides")),
            name=body.get("name"),
            metadata=body.get("metadata"),
            schedule_plan=scheduled,
            traceparent=traceparent,
        )
    )


def _check_number(customer: dict[str, Any]) -> None:
    number = customer.get("number")
    if not number and not customer.get("sipUri"):
        raise VapiError(HTTPStatus.BAD_REQUEST, ["customer.number should not be empty"])
    checked = customer.get("numberE164CheckEnabled", True)
    if number and checked and not _E164.fullmatch(number):
        raise VapiError(HTTPStatus.BAD_REQUEST, [_NOT_E164])


def _limits(sandbox: Sandbox, org_id: str) -> dict[str, Any]:
    left = sandbox.calls.lines_left(org_id)
    return {
        "concurrencyBlocked": left <= 0,
        "concurrencyLimit": sandbox.settings.concurrency_limit,
        "remainingConcurrentCalls": max(0, left),
    }


def _matches(call: Call, wanted: dict[str, str]) -> bool:
    values = {"id": call.id, "assistantId": call.assistant_id, "phoneNumberId": call.phone_number_id}
    return all(values[name] == value for name, value in wanted.items())


def _known_call(sandbox: Sandbox, request: Request, *, of_anybody: bool = False) -> Call:
    call = sandbox.calls.calls.get(str(request.path_params["id"]))
    if call is None or call.deleted or not (of_anybody or call.org_id == organization_of(request)):
        text = f"Couldn't Get Call. {request.path_params['id']} Does Not Exist."
        raise VapiError(HTTPStatus.NOT_FOUND, text)
    return call
