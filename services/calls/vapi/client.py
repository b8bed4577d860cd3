"""What the service asks of Vapi, in the service's own terms."""

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, TypeVar
from urllib.parse import quote

from libs.breaker import BreakerOpen
from libs.environment import Secret
from libs.errors import ServiceError
from services.calls.domain.assistants import ProviderAssistant, ProviderPhoneNumber
from services.calls.domain.placement import Outcome, Placed, PlacementOrder, ProviderCall, Refused, Unknown
from services.calls.errors import (
    ProviderAnswerLost,
    ProviderAssistantNotFound,
    ProviderCredentialsRefused,
    ProviderRefused,
    ProviderUnavailable,
)
from services.calls.vapi import assistants, calls, refusals
from services.calls.vapi.transport import MEBIBYTE, Answer, NoAnswer, NotSent, Request, VapiTransport

_T = TypeVar("_T")

# A finished call carries its whole conversation, several times over.
_CALL_BYTES_MAX: Final = 8 * MEBIBYTE
_LIST_BYTES_MAX: Final = 32 * MEBIBYTE
_PAGE_SIZE: Final = 100
_PHONE_NUMBERS_MAX: Final = 1000
_PAGES_MAX: Final = 50
_READ_SECONDS: Final = 10.0
_DOCUMENT_SECONDS: Final = 30.0
# A call, or a change, waits for it.
_DOCUMENT_READ_SECONDS: Final = 3.0
_DOCUMENTS_MAX: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """Where Vapi shall send its messages and how it shall authenticate: by a stored credential, or by a
    header."""

    url: str
    credential_id: str = ""
    secret: Secret = field(default_factory=lambda: Secret(""))


class Vapi:
    """The VoiceProvider that Vapi is. Reads are repeated by their callers; the POST of a call by nobody."""

    def __init__(
        self,
        transport: VapiTransport,
        *,
        webhook: Webhook,
        post_seconds_max: float = 10.0,
        page_size: int = _PAGE_SIZE,
    ) -> None:
        self._transport = transport
        self._webhook = webhook
        self._post_seconds_max = post_seconds_max
        self._page_size = page_size
        # Assistants as Vapi has them, secrets included, by id; and when they were read.
        self._documents: dict[str, tuple[Any, float]] = {}

    async def close(self) -> None:
        await self._transport.close()

    @property
    def placing_pause_seconds(self) -> float:
        return self._transport.pause_seconds("create_call")

    async def create_call(
        self, order: PlacementOrder, *, may_send: Callable[[], bool], on_sent: Callable[[], Awaitable[None]]
    ) -> Outcome:
        wanted = order.assistant_overrides
        if assistants.may_have_secrets(wanted):
            try:
                wanted = assistants.with_secrets_kept(
                    wanted, present=await self._recent_document(order.provider_assistant_id)
                )
            except ServiceError as exc:
                # Nothing was sent: the call would have talked with tools that do not work.
                return Refused(reason=exc.reason, infrastructure=True)
        request = Request(
            operation="create_call",
            method="POST",
            path="/call",
            route="/call",
            body=calls.order_body(order, overrides=assistants.overrides(wanted, server=self._server())),
            seconds_max=self._post_seconds_max,
            may_send=may_send,
            on_sent=on_sent,
        )
        try:
            answer = await self._transport.send(request)
        except BreakerOpen as exc:
            seconds = round(exc.retry_after_seconds or 0)
            return Refused(reason="CIRCUIT_OPEN", infrastructure=True, retry_after_seconds=seconds)
        except NotSent as exc:
            return Refused(reason=exc.reason, infrastructure=True)
        except NoAnswer as exc:
            return Unknown(reason=exc.reason)
        return _outcome(answer)

    async def get_call(self, provider_call_id: str) -> ProviderCall | None:
        """None if Vapi knows no such call. Raises ProviderUnavailable."""
        answer = await self._read("get_call", f"/call/{_segment(provider_call_id)}", route="/call/{id}")
        if answer.status == 404:
            return None
        return _needed(calls.provider_call(_succeeded(answer).document))

    async def list_calls(
        self, *, created_from: datetime, created_to: datetime, provider_assistant_id: str = ""
    ) -> list[ProviderCall]:
        """Every call created in the window, newest first. Raises ProviderUnavailable also if there are too
        many to see them all: a partial list must not pass for a whole one."""
        found: dict[str, ProviderCall] = {}
        until = created_to
        for _ in range(_PAGES_MAX):
            page = await self._list_page(created_from, until, provider_assistant_id=provider_assistant_id)
            fresh = [call for call in page if call.id not in found]
            found |= {call.id: call for call in fresh}
            if len(page) < self._page_size:
                return list(found.values())
            oldest = min((call.created_at for call in page if call.created_at), default=None)
            # Calls of the same instant stand on both pages, so the next one starts with that instant, not
            # before it.
            if oldest is None or not fresh:
                break
            until = oldest
        raise ProviderUnavailable(metadata={"cause": "LIST_TOO_LONG"})

    async def end_call(self, provider_call_id: str) -> None:
        """Hangs up, or takes back a call that is still queued. Nothing to do if it is over or unknown."""
        call = await self.get_call(provider_call_id)
        if call is None or call.ended:
            return
        if call.control_url and self._transport.owns(call.control_url):
            control = Request(
                operation="control_call",
                method="POST",
                path=call.control_url,
                route="/{id}/control",
                body={"type": "end-call"},
            )
            if (await self._send(control)).status != 404:
                return
        path = f"/call/{_segment(provider_call_id)}"
        answer = await self._send(
            Request(operation="delete_call", method="DELETE", path=path, route="/call/{id}")
        )
        if answer.status != 404:
            _succeeded(answer)

    async def create_assistant(self, *, name: str, config: Mapping[str, Any]) -> ProviderAssistant:
        body = assistants.outgoing(config, name=name, server=self._server())
        answer = await self._send(
            Request(
                operation="create_assistant",
                method="POST",
                path="/assistant",
                route="/assistant",
                body=body,
                repeatable=False,
            )
        )
        return _assistant(answer)

    async def get_assistant(self, provider_assistant_id: str) -> ProviderAssistant:
        path = f"/assistant/{_segment(provider_assistant_id)}"
        return _assistant(await self._read("get_assistant", path, route="/assistant/{id}"))

    async def list_assistants(self, *, limit: int, created_to: datetime | None) -> list[ProviderAssistant]:
        params = {"limit": str(limit)}
        if created_to is not None:
            params["createdAtLe"] = calls.timestamp(created_to)
        request = Request(
            operation="list_assistants",
            method="GET",
            path="/assistant",
            route="/assistant",
            params=params,
            bytes_max=_LIST_BYTES_MAX,
        )
        document = _succeeded(await self._send(request)).document
        if not isinstance(document, list):
            raise ProviderUnavailable(metadata={"cause": "ANSWER_UNREADABLE"})
        found = [_needed(assistants.provider_assistant(one)) for one in document]
        return sorted(found, key=lambda one: (one.created_at is None, one.created_at), reverse=True)

    async def update_assistant(
        self, provider_assistant_id: str, *, name: str, config: Mapping[str, Any] | None
    ) -> ProviderAssistant:
        """An empty name and an absent configuration stay as they are. Secrets inside of what is replaced are
        put back: nobody but the provider has them."""
        body: Mapping[str, Any] = {"name": name}
        if config is not None:
            present = await self._assistant_document(provider_assistant_id)
            outgoing = assistants.outgoing(config, name=name, server=self._server())
            body = assistants.with_secrets_kept(outgoing, present=present)
        request = Request(
            operation="update_assistant",
            method="PATCH",
            path=f"/assistant/{_segment(provider_assistant_id)}",
            route="/assistant/{id}",
            body={key: value for key, value in body.items() if (key, value) != ("name", "")},
        )
        return _assistant(await self._send(request))

    async def _recent_document(self, provider_assistant_id: str) -> Any:
        """As `_assistant_document`, at most half a minute old: it is asked for with each call of a campaign
        whose assistant has moved on."""
        document, read_at = self._documents.get(provider_assistant_id, (None, -_DOCUMENT_SECONDS))
        if time.monotonic() - read_at >= _DOCUMENT_SECONDS:
            document = await self._assistant_document(provider_assistant_id)
            if len(self._documents) >= _DOCUMENTS_MAX:
                self._documents.clear()
            self._documents[provider_assistant_id] = (document, time.monotonic())
        return document

    async def _assistant_document(self, provider_assistant_id: str) -> Any:
        path = f"/assistant/{_segment(provider_assistant_id)}"
        answer = await self._read(
            "get_assistant", path, route="/assistant/{id}", seconds_max=_DOCUMENT_READ_SECONDS
        )
        if answer.status == 404:
            raise ProviderAssistantNotFound
        return _succeeded(answer).document

    async def get_phone_number(self, phone_number_id: str) -> ProviderPhoneNumber | None:
        path = f"/phone-number/{_segment(phone_number_id)}"
        answer = await self._read("get_phone_number", path, route="/phone-number/{id}")
        if answer.status == 404:
            return None
        return _needed(assistants.phone_number(_succeeded(answer).document))

    async def list_phone_numbers(self) -> list[ProviderPhoneNumber]:
        """All that the key may see, up to 1000. Raises ProviderCredentialsRefused if the key is not
        accepted."""
        request = Request(
            operation="list_phone_numbers",
            method="GET",
            path="/phone-number",
            route="/phone-number",
            params={"limit": str(_PHONE_NUMBERS_MAX)},
            bytes_max=_LIST_BYTES_MAX,
        )
        document = _succeeded(await self._send(request, refused=ProviderCredentialsRefused)).document
        if not isinstance(document, list):
            raise ProviderUnavailable(metadata={"cause": "ANSWER_UNREADABLE"})
        found = [assistants.phone_number(one) for one in document]
        return [one for one in found if one is not None]

    def _server(self) -> dict[str, Any]:
        return assistants.server(
            url=self._webhook.url, credential_id=self._webhook.credential_id, secret=self._webhook.secret
        )

    async def _list_page(
        self, created_from: datetime, created_to: datetime, *, provider_assistant_id: str
    ) -> list[ProviderCall]:
        params = {
            "limit": str(self._page_size),
            "createdAtGe": calls.timestamp(created_from),
            "createdAtLe": calls.timestamp(created_to),
        }
        if provider_assistant_id:
            params["assistantId"] = provider_assistant_id
        request = Request(
            operation="list_calls",
            method="GET",
            path="/call",
            route="/call",
            params=params,
            bytes_max=_LIST_BYTES_MAX,
        )
        document = _succeeded(await self._send(request)).document
        if not isinstance(document, list):
            raise ProviderUnavailable
        return [_needed(calls.provider_call(one)) for one in document]

    async def _read(
        self, operation: str, path: str, *, route: str, seconds_max: float = _READ_SECONDS
    ) -> Answer:
        return await self._send(
            Request(
                operation=operation,
                method="GET",
                path=path,
                route=route,
                seconds_max=seconds_max,
                bytes_max=_CALL_BYTES_MAX,
            )
        )

    async def _send(self, request: Request, *, refused: type[ServiceError] | None = None) -> Answer:
        """Statuses that say nothing about the request itself (our key, our balance, their rate) are
        unavailability; `refused` is raised instead where the key is what is asked about."""
        try:
            answer = await self._transport.send(request)
        except NotSent as exc:
            raise ProviderUnavailable(metadata={"cause": exc.reason}) from exc
        except NoAnswer as exc:
            unclear = ProviderUnavailable if request.repeatable else ProviderAnswerLost
            raise unclear(metadata={"cause": exc.reason}) from exc
        if refused is not None and answer.status in (401, 403):
            raise refused(metadata={"status": str(answer.status)})
        if answer.status in (401, 402, 403, 429):
            raise ProviderUnavailable(
                metadata={"status": str(answer.status)},
                retry_after_seconds=answer.retry_after_seconds or None,
            )
        return answer


def _outcome(answer: Answer) -> Outcome:
    if answer.ok:
        found = calls.call_id_of(answer.document)
        return Placed(provider_call_id=found) if found else Unknown(reason="ANSWER_UNREADABLE")
    if answer.status in refusals.DEFINITE:
        return refusals.refusal(
            answer.status, answer.document, retry_after_seconds=answer.retry_after_seconds
        )
    return Unknown(reason=f"HTTP_{answer.status}")


def _succeeded(answer: Answer) -> Answer:
    if not answer.ok:
        detail = "; ".join(refusals.messages(answer.document))
        raise ProviderRefused(metadata={"status": str(answer.status), "detail": detail})
    return answer


def _assistant(answer: Answer) -> ProviderAssistant:
    if answer.status == 404:
        raise ProviderAssistantNotFound
    return _needed(assistants.provider_assistant(_succeeded(answer).document))


def _needed(found: _T | None) -> _T:
    if found is None:
        raise ProviderUnavailable(metadata={"cause": "ANSWER_UNREADABLE"})
    return found


def _segment(text: str) -> str:
    return quote(text, safe="")
