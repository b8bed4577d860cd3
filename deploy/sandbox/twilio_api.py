"""Twilio's 2010 API under /twilio: sending, listing and fetching SMS."""

from __future__ import annotations

import base64
import binascii
import hmac
import re
from collections.abc import Awaitable, Callable
from datetime import date
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, urlencode

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from deploy.sandbox.contracts import Problem
from deploy.sandbox.exchange import BodyTooLarge, JsonAnswer, read_body, record_request, suffer
from deploy.sandbox.moments import rfc2822
from deploy.sandbox.sandbox import Sandbox
from deploy.sandbox.texting import UNSUBSCRIBED, TextMessage

_E164 = re.compile(r"\+[1-9][0-9]{6,14}")
_LIST = "/2010-04-01/Accounts/{account_sid}/Messages.json"
_FETCH = "/2010-04-01/Accounts/{account_sid}/Messages/{sid}.json"
_DEFAULT_PAGE_SIZE = 50

_TEXTS = {
    20003: "Authenticate",
    20404: "The requested resource was not found",
    20429: "Too Many Requests",
    20500: "An internal server error has occurred",
    20503: "Service is unavailable",
    21211: "The 'To' number is not a valid phone number.",
    21602: "Message body is required.",
    21603: "A 'From' or 'MessagingServiceSid' parameter is required.",
    21604: "A 'To' phone number is required.",
    21610: "Attempt to send to unsubscribed recipient",
    21617: "The concatenated message body exceeds the 1600 character limit",
}
_STATUSES = {20003: 401, 20404: 404, 20429: 429, 20500: 500, 20503: 503}
# Codes from here on come from the carrier: the message is accepted and fails later.
_CARRIER_CODES = range(30_000, 40_000)


class TwilioError(Exception):
    def __init__(self, code: int, message: str | None = None) -> None:
        super().__init__(code)
        self.status = _STATUSES.get(code, 400)
        self.body = {
            "code": code,
            "message": message or _TEXTS.get(code, "The request was refused"),
            "more_info": f"https://www.twilio.com/docs/errors/{code}",
            "status": self.status,
        }


Operation = Callable[[Sandbox, Request, dict[str, str]], tuple[int, Any]]


def routes(sandbox: Sandbox) -> list[Route]:
    return [
        Route("/twilio" + _LIST, _endpoint(sandbox, "createMessage", _create), methods=["POST"]),
        Route("/twilio" + _LIST, _endpoint(sandbox, "listMessages", _list), methods=["GET"]),
        Route("/twilio" + _FETCH, _endpoint(sandbox, "fetchMessage", _fetch), methods=["GET"]),
    ]


def _endpoint(sandbox: Sandbox, name: str, operation: Operation) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        form: dict[str, str] = {}
        problems: list[Problem] = []
        try:
            form = await _form(request)
            _check_account(sandbox, request)
            problems = _contract_problems(sandbox, name, request, form)
            if problems:
                raise _refusal(problems)
            fault = sandbox.faults.strike(f"twilio.{name}") if name == "createMessage" else None
            if fault is not None:
                record_request(sandbox, request, body=form, answer=None, fault=fault)
                return await suffer(
                    fault, request, make=_made(operation, sandbox, request, form), answer=_failure
                )
            status, content = operation(sandbox, request, form)
            answer = JsonAnswer(content, status_code=status)
        except TwilioError as error:
            answer = JsonAnswer(error.body, status_code=error.status)
        violations = [p.message for p in problems]
        record_request(sandbox, request, body=form, answer=answer.status_code, violations=violations)
        return answer

    return endpoint


def _made(
    operation: Operation, sandbox: Sandbox, request: Request, form: dict[str, str]
) -> Callable[[], Awaitable[Any]]:
    async def make() -> Any:
        return operation(sandbox, request, form)

    return make


async def _form(request: Request) -> dict[str, str]:
    try:
        raw = await read_body(request)
    except BodyTooLarge:
        raise TwilioError(21617) from None
    return dict(parse_qsl(raw.decode("utf-8", "replace"), keep_blank_values=True))


def _check_account(sandbox: Sandbox, request: Request) -> None:
    settings = sandbox.settings
    expected = f"{settings.twilio_account_sid}:{settings.twilio_auth_token}".encode()
    scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
    try:
        given = base64.b64decode(credentials, validate=True)
    except binascii.Error:
        given = b""
    right_account = request.path_params["account_sid"] == settings.twilio_account_sid
    if scheme.lower() != "basic" or not hmac.compare_digest(given, expected) or not right_account:
        raise TwilioError(20003)


def _contract_problems(sandbox: Sandbox, name: str, request: Request, form: dict[str, str]) -> list[Problem]:
    if request.method == "GET":
        return sandbox.contracts.query_problems("twilio", name, dict(request.query_params))
    return sandbox.contracts.body_problems("twilio", name, form)


def _refusal(problems: list[Problem]) -> TwilioError:
    first = problems[0]
    if first.field == "To":
        return TwilioError(21604)
    if first.field == "Body" and first.rule == "maxLength":
        return TwilioError(21617)
    return TwilioError(20001, first.message)


def _failure(status: int) -> Response:
    error = TwilioError(20429 if status == HTTPStatus.TOO_MANY_REQUESTS else 20500)
    return JsonAnswer({**error.body, "status": status}, status_code=status)


def _create(sandbox: Sandbox, request: Request, form: dict[str, str]) -> tuple[int, Any]:
    sender = form.get("From", "")
    if not form["To"]:
        raise TwilioError(21604)
    if not sender and not form.get("MessagingServiceSid"):
        raise TwilioError(21603)
    if not _E164.fullmatch(form["To"]):
        raise TwilioError(21211, f"Invalid 'To' Phone Number: {form['To'][:4]}XXXX")
    if not form.get("Body") and "MediaUrl" not in form and "ContentSid" not in form:
        raise TwilioError(21602)
    if sandbox.messages.has_opted_out(number=form["To"], sender=sender):
        raise TwilioError(UNSUBSCRIBED)
    ordered = sandbox.settings.twilio_errors.get(form["To"])
    if ordered is not None and ordered not in _CARRIER_CODES:
        raise TwilioError(ordered)
    account_sid = str(request.path_params["account_sid"])
    accepted = sandbox.messages.accept(form, account_sid=account_sid, delivery_error=ordered)
    return 201, resource(accepted)


def _list(sandbox: Sandbox, request: Request, _form: dict[str, str]) -> tuple[int, Any]:
    query = request.query_params
    found = [m for m in sandbox.messages.messages.values() if _matches(m, dict(query))]
    found.sort(key=lambda message: message.created_at, reverse=True)
    size, page = int(query.get("PageSize", _DEFAULT_PAGE_SIZE)), int(query.get("Page", 0))
    start = page * size
    shown = found[start : start + size]
    path = request.url.path.removeprefix("/twilio")

    def address(number: int) -> str:
        return f"{path}?{urlencode({**dict(query), 'PageSize': size, 'Page': number})}"

    return 200, {
        "messages": [resource(message) for message in shown],
        "page": page,
        "page_size": size,
        "start": start,
        "end": start + max(0, len(shown) - 1),
        "uri": address(page),
        "first_page_uri": address(0),
        "next_page_uri": address(page + 1) if len(found) > start + size else None,
        "previous_page_uri": address(page - 1) if page else None,
    }


def _fetch(sandbox: Sandbox, request: Request, _form: dict[str, str]) -> tuple[int, Any]:
    message = sandbox.messages.messages.get(str(request.path_params["sid"]))
    if message is None:
        raise TwilioError(20404)
    return 200, resource(message)


def resource(message: TextMessage) -> dict[str, Any]:
    """The message as Twilio's API answers it."""
    base = f"/2010-04-01/Accounts/{message.account_sid}/Messages/{message.sid}"
    code = message.error_code
    return {
        "account_sid": message.account_sid,
        "api_version": "2010-04-01",
        "body": message.body,
        "date_created": rfc2822(message.created_at),
        "date_sent": rfc2822(message.sent_at) if message.sent_at else None,
        "date_updated": rfc2822(message.updated_at),
        "direction": message.direction,
        "error_code": code,
        "error_message": _TEXTS.get(code, "Message was not delivered") if code is not None else None,
        "from": message.sender,
        "messaging_service_sid": message.messaging_service_sid,
        "num_media": "0",
        "num_segments": str(1 + max(0, len(message.body) - 1) // 153),
        "price": "-0.00790" if message.status == "delivered" else None,
        "price_unit": "USD" if message.status == "delivered" else None,
        "sid": message.sid,
        "status": message.status,
        "subresource_uris": {"media": f"{base}/Media.json"},
        "to": message.to,
        "uri": f"{base}.json",
    }


def _matches(message: TextMessage, query: dict[str, str]) -> bool:
    if query.get("To", message.to) != message.to or query.get("From", message.sender) != message.sender:
        return False
    sent_on = (message.sent_at or message.created_at).date()
    bounds = {
        name: date.fromisoformat(text[:10]) for name, text in query.items() if name.startswith("DateSent")
    }
    return (
        bounds.get("DateSent", sent_on) == sent_on
        and sent_on <= bounds.get("DateSent<", sent_on)
        and sent_on >= bounds.get("DateSent>", sent_on)
    )
