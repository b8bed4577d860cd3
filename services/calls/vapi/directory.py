"""What Vapi has beside calls: assistants and phone numbers."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from libs.environment import Secret
from services.calls.domain.assistants import ProviderAssistant, ProviderPhoneNumber
from services.calls.errors import (
    ProviderAssistantNotFound,
    ProviderCredentialsRefused,
)
from services.calls.vapi import assistants, calls
from services.calls.vapi.requests import VapiRequests, needed, segment, succeeded
from services.calls.vapi.transport import Answer, Request

_PHONE_NUMBERS_MAX: Final = 1000
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


class VapiDirectory:
    """Reads are repeated by their callers."""

    def __init__(self, requests: VapiRequests, *, webhook: Webhook) -> None:
        self._requests = requests
        self._webhook = webhook
        # Assistants as Vapi has them, secrets included, by id; and when they were read.
        self._documents: dict[str, tuple[Any, float]] = {}

    async def create_assistant(self, *, name: str, config: Mapping[str, Any]) -> ProviderAssistant:
        body = assistants.outgoing(config, name=name, server=self._server())
        answer = await self._requests.send(
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
        path = f"/assistant/{segment(provider_assistant_id)}"
        return _assistant(await self._requests.read("get_assistant", path, route="/assistant/{id}"))

    async def list_assistants(self, *, limit: int, created_to: datetime | None) -> list[ProviderAssistant]:
        params = {"limit": str(limit)}
        if created_to is not None:
            params["createdAtLe"] = calls.timestamp(created_to)
        document = await self._requests.read_list("list_assistants", "/assistant", params=params)
        found = [needed(assistants.provider_assistant(one)) for one in document]
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
            path=f"/assistant/{segment(provider_assistant_id)}",
            route="/assistant/{id}",
            body={key: value for key, value in body.items() if (key, value) != ("name", "")},
        )
        return _assistant(await self._requests.send(request))

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
        path = f"/assistant/{segment(provider_assistant_id)}"
        answer = await self._requests.read(
            "get_assistant", path, route="/assistant/{id}", seconds_max=_DOCUMENT_READ_SECONDS
        )
        if answer.status == 404:
            raise ProviderAssistantNotFound
        return succeeded(answer).document

    async def get_phone_number(self, phone_number_id: str) -> ProviderPhoneNumber | None:
        path = f"/phone-number/{segment(phone_number_id)}"
        answer = await self._requests.read("get_phone_number", path, route="/phone-number/{id}")
        if answer.status == 404:
            return None
        return needed(assistants.phone_number(succeeded(answer).document))

    async def list_phone_numbers(self) -> list[ProviderPhoneNumber]:
        """All that the key may see, up to 1000. Raises ProviderCredentialsRefused if the key is not
        accepted."""
        document = await self._requests.read_list(
            "list_phone_numbers",
            "/phone-number",
            params={"limit": str(_PHONE_NUMBERS_MAX)},
            refused=ProviderCredentialsRefused,
        )
        found = [assistants.phone_number(one) for one in document]
        return [one for one in found if one is not None]

    def _server(self) -> dict[str, Any]:
        return assistants.server(
            url=self._webhook.url, credential_id=self._webhook.credential_id, secret=self._webhook.secret
        )


def _assistant(answer: Answer) -> ProviderAssistant:
    if answer.status == 404:
        raise ProviderAssistantNotFound
    return needed(assistants.provider_assistant(succeeded(answer).document))
