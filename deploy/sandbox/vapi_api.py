"""Vapi's REST API under /vapi: assistants, phone numbers and calls."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from deploy.sandbox import vapi_calls
from deploy.sandbox.catalog import CatalogFull
from deploy.sandbox.contracts import Problem
from deploy.sandbox.exchange import BodyTooLarge, JsonAnswer, parsed_json, read_body, record_request, suffer
from deploy.sandbox.faults import OPERATIONS
from deploy.sandbox.sandbox import Sandbox
from deploy.sandbox.vapi_errors import VapiError
from deploy.sandbox.vapi_keys import check_key, organization_of
from deploy.sandbox.vapi_listing import page_of

Operation = Callable[[Sandbox, Request, Any], Awaitable[tuple[int, Any]]]

_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_SILENCE = bytes(8_000)


def routes(sandbox: Sandbox) -> list[Route]:
    table: list[tuple[str, str, str, Operation]] = [
        ("POST", "/vapi/assistant", "createAssistant", _create_assistant),
        ("GET", "/vapi/assistant", "listAssistants", _list_assistants),
        ("GET", "/vapi/assistant/{id}", "getAssistant", _get_assistant),
        ("PATCH", "/vapi/assistant/{id}", "updateAssistant", _update_assistant),
        ("DELETE", "/vapi/assistant/{id}", "deleteAssistant", _delete_assistant),
        ("POST", "/vapi/phone-number", "createPhoneNumber", _create_phone_number),
        ("GET", "/vapi/phone-number", "listPhoneNumbers", _list_phone_numbers),
        ("GET", "/vapi/phone-number/{id}", "getPhoneNumber", _get_phone_number),
        ("POST", "/vapi/call", "createCall", vapi_calls.create_call),
        ("GET", "/vapi/call", "listCalls", vapi_calls.list_calls),
        ("GET", "/vapi/call/{id}", "getCall", vapi_calls.get_call),
        ("PATCH", "/vapi/call/{id}", "updateCall", vapi_calls.update_call),
        ("DELETE", "/vapi/call/{id}", "deleteCall", vapi_calls.delete_call),
        ("POST", "/vapi/control/{id}", "controlCall", vapi_calls.control_call),
    ]
    made = [
        Route(path, _endpoint(sandbox, name, operation), methods=[method], name=name)
        for method, path, name, operation in table
    ]
    return [*made, Route("/vapi/recordings/{file}", _recording, methods=["GET"])]


def _endpoint(sandbox: Sandbox, name: str, operation: Operation) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        body: Any = None
        problems: list[Problem] = []
        try:
            body = await _json_body(request)
            # Vapi's control address is a capability in itself: it takes no key.
            if name != "controlCall":
                check_key(sandbox.settings, request)
            problems = _contract_problems(sandbox, name, request, body)
            if problems:
                raise VapiError(HTTPStatus.BAD_REQUEST, [p.message for p in problems])
            fault = sandbox.faults.strike(f"vapi.{name}") if f"vapi.{name}" in OPERATIONS else None
            if fault is not None:
                # Recorded before it is suffered: a timeout may hold the request for a minute.
                record_request(sandbox, request, body=body, answer=None, fault=fault)
                return await suffer(
                    fault, request, make=lambda: operation(sandbox, request, body), answer=_failure
                )
            status, content = await operation(sandbox, request, body)
            answer = JsonAnswer(content, status_code=status)
        except VapiError as error:
            answer = JsonAnswer(error.body, status_code=error.status)
        violations = [p.message for p in problems]
        record_request(sandbox, request, body=body, answer=answer.status_code, violations=violations)
        return answer

    return endpoint


async def _json_body(request: Request) -> Any:
    try:
        return parsed_json(await read_body(request))
    except BodyTooLarge:
        raise VapiError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "request entity too large") from None
    except ValueError as error:
        raise VapiError(HTTPStatus.BAD_REQUEST, f"Unexpected token in JSON: {error}") from None


def _contract_problems(sandbox: Sandbox, name: str, request: Request, body: Any) -> list[Problem]:
    """What the contract has against the request. Operations without a body or query take any."""
    object_id = request.path_params.get("id")
    if object_id is not None and not _UUID.fullmatch(object_id):
        return [Problem("id", "format", "id must be a UUID")]
    if request.method == "GET":
        listing = object_id is None
        query = dict(request.query_params)
        return sandbox.contracts.query_problems("vapi", name, query) if listing else []
    if request.method == "DELETE" and body is None:
        return []
    if name == "deleteAssistant":
        return []
    return sandbox.contracts.body_problems("vapi", name, {} if body is None else body)


def _failure(status: int) -> Response:
    return JsonAnswer(VapiError(status, HTTPStatus(status).phrase).body, status_code=status)


async def _create_assistant(sandbox: Sandbox, request: Request, body: Any) -> tuple[int, Any]:
    try:
        return 201, sandbox.catalog.create_assistant(body or {}, org_id=organization_of(request))
    except CatalogFull:
        raise VapiError(HTTPStatus.BAD_REQUEST, "Too many assistants.") from None


async def _list_assistants(sandbox: Sandbox, request: Request, _body: Any) -> tuple[int, Any]:
    return 200, page_of(list(_assistants(sandbox, request).values()), request.query_params)


async def _get_assistant(sandbox: Sandbox, request: Request, _body: Any) -> tuple[int, Any]:
    return 200, sandbox.catalog.assistants[_known_assistant(sandbox, request)]


async def _update_assistant(sandbox: Sandbox, request: Request, body: Any) -> tuple[int, Any]:
    return 200, sandbox.catalog.update_assistant(_known_assistant(sandbox, request), body or {})


async def _delete_assistant(sandbox: Sandbox, request: Request, _body: Any) -> tuple[int, Any]:
    return 200, sandbox.catalog.delete_assistant(_known_assistant(sandbox, request))


def _known_assistant(sandbox: Sandbox, request: Request) -> str:
    assistant_id = str(request.path_params["id"])
    if assistant_id not in _assistants(sandbox, request):
        raise VapiError(
            HTTPStatus.NOT_FOUND, f"Couldn't Get Assistant. Assistant {assistant_id} Does Not Exist."
        )
    return assistant_id


async def _create_phone_number(sandbox: Sandbox, request: Request, body: Any) -> tuple[int, Any]:
    try:
        return 201, sandbox.catalog.create_phone_number(body or {}, org_id=organization_of(request))
    except CatalogFull:
        raise VapiError(HTTPStatus.BAD_REQUEST, "Too many phone numbers.") from None


async def _list_phone_numbers(sandbox: Sandbox, request: Request, _body: Any) -> tuple[int, Any]:
    return 200, page_of(list(_phone_numbers(sandbox, request).values()), request.query_params)


async def _get_phone_number(sandbox: Sandbox, request: Request, _body: Any) -> tuple[int, Any]:
    number_id = str(request.path_params["id"])
    if number_id not in _phone_numbers(sandbox, request):
        raise VapiError(HTTPStatus.NOT_FOUND, f"Couldn't Get Phone Number. {number_id} Does Not Exist.")
    return 200, sandbox.catalog.phone_numbers[number_id]


def _assistants(sandbox: Sandbox, request: Request) -> dict[str, Any]:
    return sandbox.catalog.assistants_of(organization_of(request))


def _phone_numbers(sandbox: Sandbox, request: Request) -> dict[str, Any]:
    return sandbox.catalog.phone_numbers_of(organization_of(request))


async def _recording(_request: Request) -> Response:
    """One second of silence, 8 kHz mono, so that recording addresses lead somewhere."""
    size = len(_SILENCE)
    header = (
        b"RIFF"
        + (36 + size).to_bytes(4, "little")
        + b"WAVEfmt "
        + (16).to_bytes(4, "little")
        + (1).to_bytes(2, "little")
        + (1).to_bytes(2, "little")
        + (8_000).to_bytes(4, "little")
        + (8_000).to_bytes(4, "little")
        + (1).to_bytes(2, "little")
        + (8).to_bytes(2, "little")
        + b"data"
        + size.to_bytes(4, "little")
    )
    return Response(header + _SILENCE.replace(b"\x00", b"\x80"), media_type="audio/wav")
