"""Provider accounts and provider assistants."""

from typing import Any, TypeAlias
from uuid import UUID

import grpc.aio

from callplane.calls.v2 import provider_pb2, provider_pb2_grpc
from libs.environment import Secret
from libs.errors import InvalidPageToken
from libs.rpc import convert, pages, principal
from services.calls.domain.accounts import AccessChange, ProviderAccount
from services.calls.domain.assistants import ListPlace, ProviderAssistant
from services.calls.operations.accounts import Accounts
from services.calls.operations.provider_assistants import ProviderAssistants
from services.calls.rpc.documents import struct
from services.calls.rpc.places import cut, moment_place

_Context: TypeAlias = grpc.aio.ServicerContext[Any, Any]


class ProviderAccountServicer(provider_pb2_grpc.ProviderAccountServiceServicer):
    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts

    async def CreateProviderAccount(
        self, request: provider_pb2.CreateProviderAccountRequest, context: _Context
    ) -> provider_pb2.ProviderAccount:
        created = await self._accounts.create(
            org_id=principal().org_id,
            name=request.name,
            provider=request.provider,
            line_count=request.lines,
            inbound_reserve=request.inbound_reserve,
            access=AccessChange(
                api_key=Secret(request.api_key) if request.api_key else None,
                base_url=request.base_url or None,
                webhook_url=request.webhook_url or None,
                webhook_credential_id=request.webhook_credential_id or None,
                webhook_secret=Secret(request.webhook_secret) if request.webhook_secret else None,
            ),
            source_id=_id(request.source_id),
            skip_check=request.skip_check,
            calls_per_second_max=request.calls_per_second_max
            if request.HasField("calls_per_second_max")
            else None,
        )
        return _account(created)

    async def GetProviderAccount(
        self, request: provider_pb2.GetProviderAccountRequest, context: _Context
    ) -> provider_pb2.ProviderAccount:
        return _account(await self._accounts.get(org_id=principal().org_id, account_id=UUID(request.id)))

    async def ListProviderAccounts(
        self, request: provider_pb2.ListProviderAccountsRequest, context: _Context
    ) -> provider_pb2.ListProviderAccountsResponse:
        size = pages.size(request.page_size)
        found = await self._accounts.list(
            org_id=principal().org_id, after=moment_place(request.page_token), limit=size + 1
        )
        page, token = cut(found, size=size, place=lambda one: (one.created_at.isoformat(), str(one.id)))
        return provider_pb2.ListProviderAccountsResponse(
            provider_accounts=[_account(one) for one in page], next_page_token=token
        )

    async def UpdateProviderAccount(
        self, request: provider_pb2.UpdateProviderAccountRequest, context: _Context
    ) -> provider_pb2.ProviderAccount:
        updated = await self._accounts.update(
            org_id=principal().org_id,
            account_id=UUID(request.id),
            line_count=request.lines if request.HasField("lines") else None,
            inbound_reserve=request.inbound_reserve if request.HasField("inbound_reserve") else None,
            active=request.active if request.HasField("active") else None,
            access=_access_change(request),
            source_id=request.source_id if request.HasField("source_id") else None,
            skip_check=request.skip_check,
            calls_per_second_max=request.calls_per_second_max
            if request.HasField("calls_per_second_max")
            else None,
        )
        return _account(updated)

    async def CheckProviderAccount(
        self, request: provider_pb2.CheckProviderAccountRequest, context: _Context
    ) -> provider_pb2.ProviderAccount:
        checked = await self._accounts.check(org_id=principal().org_id, account_id=UUID(request.id))
        return _account(checked)


class ProviderAssistantServicer(provider_pb2_grpc.ProviderAssistantServiceServicer):
    def __init__(self, assistants: ProviderAssistants) -> None:
        self._assistants = assistants

    async def CreateProviderAssistant(
        self, request: provider_pb2.CreateProviderAssistantRequest, context: _Context
    ) -> provider_pb2.ProviderAssistant:
        created = await self._assistants.create(
            org_id=principal().org_id,
            account_id=_id(request.provider_account_id),
            name=request.name,
            config=convert.to_dict(request.config),
        )
        return _assistant(created)

    async def GetProviderAssistant(
        self, request: provider_pb2.GetProviderAssistantRequest, context: _Context
    ) -> provider_pb2.ProviderAssistant:
        found = await self._assistants.get(
            request.id, org_id=principal().org_id, account_id=_id(request.provider_account_id)
        )
        return _assistant(found)

    async def UpdateProviderAssistant(
        self, request: provider_pb2.UpdateProviderAssistantRequest, context: _Context
    ) -> provider_pb2.ProviderAssistant:
        config = convert.to_dict(request.config) if request.HasField("config") else None
        updated = await self._assistants.update(
            request.id,
            org_id=principal().org_id,
            account_id=_id(request.provider_account_id),
            name=request.name,
            config=config,
        )
        return _assistant(updated)

    async def ListProviderAssistants(
        self, request: provider_pb2.ListProviderAssistantsRequest, context: _Context
    ) -> provider_pb2.ListProviderAssistantsResponse:
        found, following = await self._assistants.list_page(
            org_id=principal().org_id, size=pages.size(request.page_size), place=_place(request.page_token)
        )
        return provider_pb2.ListProviderAssistantsResponse(
            assistants=[_assistant(one) for one in found],
            next_page_token=_token(following) if following else "",
        )


def _place(token: str) -> ListPlace:
    values = pages.decode(token, size=3)
    if not values:
        return ListPlace()
    account, created_to, shown = values
    if not (account.isascii() and account.isdecimal() and len(account) < 6):
        raise InvalidPageToken
    return ListPlace(
        int(account), pages.moment(created_to) if created_to else None, tuple(filter(None, shown.split(",")))
    )


def _token(place: ListPlace) -> str:
    created_to = place.created_to.isoformat() if place.created_to else ""
    return pages.encode([str(place.account), created_to, ",".join(place.shown)])


def _id(text: str) -> UUID | None:
    return UUID(text) if text else None


def _access_change(request: provider_pb2.UpdateProviderAccountRequest) -> AccessChange:
    return AccessChange(
        api_key=Secret(request.api_key) if request.HasField("api_key") else None,
        base_url=request.base_url if request.HasField("base_url") else None,
        webhook_url=request.webhook_url if request.HasField("webhook_url") else None,
        webhook_credential_id=request.webhook_credential_id
        if request.HasField("webhook_credential_id")
        else None,
        webhook_secret=Secret(request.webhook_secret) if request.HasField("webhook_secret") else None,
    )


def _account(account: ProviderAccount) -> provider_pb2.ProviderAccount:
    return provider_pb2.ProviderAccount(
        id=str(account.id),
        name=account.name,
        provider=account.provider,
        lines=account.lines,
        inbound_reserve=account.inbound_reserve,
        active=account.active,
        lines_in_use=account.lines_in_use,
        created_at=convert.timestamp(account.created_at),
        api_key_hint=account.api_key_hint,
        credentials_set_at=convert.timestamp(account.credentials_set_at),
        base_url=account.base_url,
        webhook_url=account.webhook_url,
        webhook_credential_id=account.webhook_credential_id,
        source_id=str(account.source_id) if account.source_id else "",
        phone_numbers=[
            provider_pb2.ProviderPhoneNumber(id=one.id, number=one.number, name=one.name)
            for one in account.phone_numbers
        ],
        calls_per_second_max=account.calls_per_second_max,
        calls_per_second=account.calls_per_second,
    )


def _assistant(assistant: ProviderAssistant) -> provider_pb2.ProviderAssistant:
    return provider_pb2.ProviderAssistant(
        id=assistant.id,
        name=assistant.name,
        config=struct(assistant.config),
        updated_at=convert.timestamp(assistant.updated_at),
    )
