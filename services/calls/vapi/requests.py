"""How Vapi is asked: what the statuses of its answers mean, in the service's own terms."""

from collections.abc import Mapping
from typing import Any, Final, TypeVar
from urllib.parse import quote

from libs.errors import ServiceError
from services.calls.errors import ProviderAnswerLost, ProviderRefused, ProviderUnavailable
from services.calls.vapi import refusals
from services.calls.vapi.transport import MEBIBYTE, Answer, NoAnswer, NotSent, Request, VapiTransport

_T = TypeVar("_T")

_LIST_BYTES_MAX: Final = 32 * MEBIBYTE
# A finished call carries its whole conversation, several times over.
_CALL_BYTES_MAX: Final = 8 * MEBIBYTE
_READ_SECONDS: Final = 10.0


class VapiRequests:
    """Everything but the POST of a call: that one may have been heard although nothing was answered."""

    def __init__(self, transport: VapiTransport) -> None:
        self._transport = transport

    async def read(
        self, operation: str, path: str, *, route: str, seconds_max: float = _READ_SECONDS
    ) -> Answer:
        return await self.send(
            Request(
                operation=operation,
                method="GET",
                path=path,
                route=route,
                seconds_max=seconds_max,
                bytes_max=_CALL_BYTES_MAX,
            )
        )

    async def read_list(
        self,
        operation: str,
        path: str,
        *,
        params: Mapping[str, str],
        refused: type[ServiceError] | None = None,
    ) -> list[Any]:
        """`refused` as of `send`. Raises ProviderUnavailable for an answer that is no list."""
        request = Request(
            operation=operation,
            method="GET",
            path=path,
            route=path,
            params=params,
            bytes_max=_LIST_BYTES_MAX,
        )
        document = succeeded(await self.send(request, refused=refused)).document
        return needed(document if isinstance(document, list) else None)

    async def send(self, request: Request, *, refused: type[ServiceError] | None = None) -> Answer:
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


def succeeded(answer: Answer) -> Answer:
    """Raises ProviderRefused."""
    if not answer.ok:
        detail = "; ".join(refusals.messages(answer.document))
        raise ProviderRefused(metadata={"status": str(answer.status), "detail": detail})
    return answer


def needed(found: _T | None) -> _T:
    """Raises ProviderUnavailable for a document that cannot be read."""
    if found is None:
        raise ProviderUnavailable(metadata={"cause": "ANSWER_UNREADABLE"})
    return found


def segment(text: str) -> str:
    """Of a path."""
    return quote(text, safe="")
