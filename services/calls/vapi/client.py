"""What the service asks of Vapi, in the service's own terms."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Final

from libs.breaker import BreakerOpen
from libs.errors import ServiceError
from services.calls.domain.placement import Outcome, Placed, PlacementOrder, ProviderCall, Refused, Unknown
from services.calls.errors import ProviderUnavailable
from services.calls.vapi import assistants, calls, refusals
from services.calls.vapi.directory import VapiDirectory, Webhook
from services.calls.vapi.requests import VapiRequests, needed, segment, succeeded
from services.calls.vapi.transport import Answer, NoAnswer, NotSent, Request, VapiTransport

_PAGE_SIZE: Final = 100
_PAGES_MAX: Final = 50


class Vapi(VapiDirectory):
    """The VoiceProvider that Vapi is. Reads are repeated by their callers; the POST of a call by nobody."""

    def __init__(
        self,
        transport: VapiTransport,
        *,
        webhook: Webhook,
        post_seconds_max: float = 10.0,
        page_size: int = _PAGE_SIZE,
    ) -> None:
        super().__init__(VapiRequests(transport), webhook=webhook)
        self._transport = transport
        self._post_seconds_max = post_seconds_max
        self._page_size = page_size

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
        answer = await self._requests.read(
            "get_call", f"/call/{segment(provider_call_id)}", route="/call/{id}"
        )
        if answer.status == 404:
            return None
        return needed(calls.provider_call(succeeded(answer).document))

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
            if (await self._requests.send(control)).status != 404:
                return
        path = f"/call/{segment(provider_call_id)}"
        answer = await self._requests.send(
            Request(operation="delete_call", method="DELETE", path=path, route="/call/{id}")
        )
        if answer.status != 404:
            succeeded(answer)

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
        document = await self._requests.read_list("list_calls", "/call", params=params)
        return [needed(calls.provider_call(one)) for one in document]


def _outcome(answer: Answer) -> Outcome:
    if answer.ok:
        found = calls.call_id_of(answer.document)
        return Placed(provider_call_id=found) if found else Unknown(reason="ANSWER_UNREADABLE")
    if answer.status in refusals.DEFINITE:
        return refusals.refusal(
            answer.status, answer.document, retry_after_seconds=answer.retry_after_seconds
        )
    return Unknown(reason=f"HTTP_{answer.status}")
