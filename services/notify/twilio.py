"""Twilio's Messages API. It takes no idempotency key, so what is not surely refused counts as possibly
sent."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Final, TypeVar
from urllib.parse import quote, urlsplit, urlunsplit

import httpx
import msgspec

from libs.breaker import Breaker, BreakerOpen
from libs.environment import Secret
from services.notify.domain.messages import Message, NotSent, SendOutcome, Sent, Unknown, Verdict
from services.notify.domain.provider_codes import verdict_of
from services.notify.errors import MessageProviderUnavailable

CONNECT_SECONDS: Final = 5.0
REQUEST_SECONDS: Final = 10.0
T = TypeVar("T")

_BODY_BYTES_MAX: Final = 1024 * 1024
_PAGE_SIZE: Final = 100
_PAGES_MAX: Final = 5
# Asks Twilio to repeat a status callback that we could not take.
_CALLBACK_RETRIES: Final = "rc=5&rp=all"


class _Message(msgspec.Struct, frozen=True):
    """What we read of Twilio's message resource."""

    sid: str
    status: str = ""
    body: str = ""
    date_created: str = ""
    error_code: int | str | None = None


class _Messages(msgspec.Struct, frozen=True):
    messages: list[_Message]
    next_page_uri: str | None = None


class _Refusal(msgspec.Struct, frozen=True):
    code: int | str | None = None


class _Failed(MessageProviderUnavailable):
    """Counts against Twilio in the breaker; carries what it means for the message."""

    def __init__(self, outcome: NotSent | Unknown) -> None:
        super().__init__()
        self.outcome = outcome


class Twilio:
    """`sender` is a phone number or a messaging service (`MG...`). Without `status_callback_url` nothing is
    told about a message after it was taken."""

    def __init__(
        self,
        *,
        base_url: str,
        account_sid: str,
        auth_token: Secret,
        sender: str,
        status_callback_url: str,
        request_seconds: float = REQUEST_SECONDS,
        breaker: Breaker | None = None,
    ) -> None:
        self._sender = sender
        self._status_callback_url = status_callback_url
        self._breaker = breaker or Breaker("twilio", failures_max=5, open_seconds=30.0)
        self._base_url = base_url.rstrip("/")
        self._messages_url = (
            f"{self._base_url}/2010-04-01/Accounts/{quote(account_sid, safe='')}/Messages.json"
        )
        self._request_seconds = request_seconds
        self._client = httpx.AsyncClient(
            auth=(account_sid, auth_token.reveal()),
            timeout=httpx.Timeout(request_seconds, connect=CONNECT_SECONDS),
            limits=httpx.Limits(max_connections=20, max_keepalive_connections=10, keepalive_expiry=20.0),
            headers={"Accept": "application/json", "Accept-Encoding": "identity"},
            follow_redirects=False,
            trust_env=False,
        )

    async def close(self) -> None:
        await self._client.aclose()

    async def send(self, message: Message) -> SendOutcome:
        """One request. An open circuit means that there was none."""
        try:
            async with self._breaker.guard():
                return await self._create(message)
        except BreakerOpen as exc:
            wait = exc.retry_after_seconds or 1.0
            return NotSent(exc.reason, Verdict.RETRYABLE, retry_after_seconds=wait, tried=False)
        except _Failed as exc:
            return exc.outcome

    async def find(self, message: Message, *, known: frozenset[str]) -> Sent | None:
        """The oldest message of the same text to the same number since the claim whose id is not `known`.

        Twilio's own filter by date looks at when a message was sent, which one that still waits there has not
        been; the list is therefore read newest first until it is older than the claim.
        """
        async with self._breaker.guard():
            found = None
            async for listed in self._listed(
                message.recipient, since=message.claimed_at or message.created_at
            ):
                if listed.sid not in known and _same_text(listed.body, message.body):
                    found = listed
        if found is None:
            return None
        return Sent(found.sid, found.status, error_code=_text(found.error_code))

    async def _create(self, message: Message) -> SendOutcome:
        try:
            status_code, headers, body = await self._request(
                "POST", self._messages_url, form=self._form(message)
            )
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as exc:
            raise _Failed(NotSent("CONNECTION_FAILED", Verdict.RETRYABLE)) from exc
        except (httpx.HTTPError, TimeoutError) as exc:
            raise _Failed(Unknown("TIMEOUT" if _is_timeout(exc) else "CONNECTION_LOST")) from exc
        if 200 <= status_code < 300:
            created = _decoded(body, _Message)
            if created is None:
                raise _Failed(Unknown("UNREADABLE_ANSWER"))
            return Sent(created.sid, created.status, error_code=_text(created.error_code))
        if not 400 <= status_code < 500:
            raise _Failed(Unknown(f"HTTP_{status_code}"))
        refusal = _decoded(body, _Refusal) or _Refusal()
        code = _text(refusal.code) or f"HTTP_{status_code}"
        verdict = verdict_of(code, http_status=status_code)
        return NotSent(code, verdict, retry_after_seconds=_retry_after(headers))

    def _form(self, message: Message) -> dict[str, str]:
        sender = "MessagingServiceSid" if self._sender.startswith("MG") else "From"
        form = {"To": message.recipient, sender: self._sender, "Body": message.body}
        if self._status_callback_url:
            form["StatusCallback"] = _callback_url(self._status_callback_url, message_id=str(message.id))
        return form

    async def _listed(self, recipient: str, *, since: datetime) -> AsyncIterator[_Message]:
        query = {"To": recipient, "PageSize": str(_PAGE_SIZE)}
        if not self._sender.startswith("MG"):
            query["From"] = self._sender
        url = str(httpx.URL(self._messages_url, params=query))
        for _ in range(_PAGES_MAX):
            page = await self._page(url)
            for listed in page.messages:
                if _created_at(listed, default=since) < since:
                    return
                yield listed
            if page.next_page_uri is None:
                return
            url = self._base_url + page.next_page_uri

    async def _page(self, url: str) -> _Messages:
        try:
            status_code, _, body = await self._request("GET", url)
        except (httpx.HTTPError, TimeoutError) as exc:
            raise MessageProviderUnavailable from exc
        page = _decoded(body, _Messages) if status_code == 200 else None
        if page is None:
            raise MessageProviderUnavailable(metadata={"status": str(status_code)})
        return page

    async def _request(
        self, method: str, url: str, *, form: Mapping[str, str] | None = None
    ) -> tuple[int, httpx.Headers, bytes]:
        """The answer, whose body is read only so far. Ends within `request_seconds`, however slowly it
        trickles."""
        body = b""
        # A little longer than the client's own limits, so that their exceptions, which tell more, come first.
        async with (
            asyncio.timeout(self._request_seconds + CONNECT_SECONDS),
            self._client.stream(method, url, data=form) as response,
        ):
            async for chunk in response.aiter_raw():
                body += chunk
                if len(body) > _BODY_BYTES_MAX:
                    break
        return response.status_code, response.headers, body


def _decoded(body: bytes, shape: type[T]) -> T | None:
    """None for what is not of this shape: a proxy's page, a cut answer."""
    try:
        return msgspec.json.decode(body, type=shape)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _callback_url(url: str, *, message_id: str) -> str:
    """Carries our id, which finds the message although its provider id may never have reached us."""
    parts = urlsplit(url)
    query = f"{parts.query}&message={message_id}" if parts.query else f"message={message_id}"
    return urlunsplit(parts._replace(query=query, fragment=_CALLBACK_RETRIES))


def _same_text(listed: str, ours: str) -> bool:
    """Trial accounts put a sentence before the text."""
    return listed.split() == ours.split() or listed.rstrip().endswith(ours.strip())


def _created_at(listed: _Message, *, default: datetime) -> datetime:
    try:
        return parsedate_to_datetime(listed.date_created)
    except ValueError:
        return default


def _retry_after(headers: Mapping[str, str]) -> float:
    text = headers.get("retry-after", "")
    return float(text) if text.isascii() and text.isdecimal() else 0.0


def _is_timeout(exc: Exception) -> bool:
    return isinstance(exc, TimeoutError | httpx.TimeoutException)


def _text(code: int | str | None) -> str:
    return "" if code is None else str(code)
