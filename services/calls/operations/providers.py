"""Clients of the voice provider, one for each account: its own key, connections, breakers and pace, so that
one account's trouble is nobody else's."""

import asyncio
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from libs.pg import Pool, transaction
from libs.vault import Vault
from services.calls.domain.accounts import Access, AccountLink
from services.calls.errors import ProviderAccountIncomplete, ProviderAccountNotFound
from services.calls.operations.credentials import opened
from services.calls.operations.voice_provider import VoiceProvider
from services.calls.store import accounts

# New credentials count everywhere within 5 seconds.
_FRESH_SECONDS: Final = 3.0
_LINKS_MAX: Final = 10_000
_CLIENTS_MAX: Final = 500
# Longer than any request: a client that was replaced finishes what it has begun.
_RETIRE_SECONDS: Final = 60.0


Connect = Callable[[Access], VoiceProvider]


@dataclass(frozen=True, slots=True)
class _Client:
    version: int
    provider: VoiceProvider


class Providers:
    """`pool` is the request role's. `deployment` is what accounts without credentials use; its key may be
    empty, and then they cannot be used. Accounts that share the deployment's access share one client."""

    def __init__(
        self,
        pool: Pool,
        *,
        connect: Connect,
        deployment: Access,
        vault: Vault | None,
        clients_max: int = _CLIENTS_MAX,
        fresh_seconds: float = _FRESH_SECONDS,
    ) -> None:
        self._pool = pool
        self._connect = connect
        self._deployment = deployment
        self._vault = vault
        self._clients_max = clients_max
        self._fresh_seconds = fresh_seconds
        self._shared: VoiceProvider | None = None
        self._clients: OrderedDict[UUID, _Client] = OrderedDict()
        self._links: dict[tuple[UUID, UUID | None], tuple[AccountLink | None, float]] = {}
        self._retired: deque[tuple[float, VoiceProvider]] = deque()

    async def of(self, account_id: UUID | None, *, org_id: UUID) -> VoiceProvider:
        """The client of an account, active or not; without one, of the organization's oldest active account,
        or of the deployment if it has none. Its credentials may be a few seconds old. Raises
        ProviderAccountNotFound, ProviderAccountIncomplete, CredentialsUnsupported and SecretUnreadable."""
        link = await self._link(account_id, org_id=org_id)
        if link is not None:
            return self.linked(link)
        if account_id is not None:
            raise ProviderAccountNotFound
        return self._of_deployment()

    async def every(self, *, org_id: UUID) -> list[VoiceProvider]:
        """Of each active account of the organization, oldest first, and each client once."""
        async with transaction(self._pool, org_id=org_id) as conn:
            links = await accounts.list_active_links(conn, org_id=org_id)
        found = [self.linked(link) for link in links] or [self._of_deployment()]
        return list(dict.fromkeys(found))

    def linked(self, link: AccountLink) -> VoiceProvider:
        """As `of`, for a link that was just read."""
        if link.credentials is None:
            return self._of_deployment()
        known = self._clients.get(link.account_id)
        if known is None or known.version < link.version:
            access = opened(link, vault=self._vault, deployment=self._deployment)
            self._keep(link.account_id, _Client(link.version, self._connect(access)))
        self._clients.move_to_end(link.account_id)
        return self._clients[link.account_id].provider

    def once(self, access: Access) -> VoiceProvider:
        """A client that nobody else has; the caller closes it."""
        return self._connect(access)

    def forget(self, account_id: UUID, *, org_id: UUID) -> None:
        """After a change, so that its author sees it at once."""
        self._links.pop((org_id, account_id), None)
        self._links.pop((org_id, None), None)

    async def close(self) -> None:
        providers = [client.provider for client in self._clients.values()]
        providers += [provider for _, provider in self._retired]
        providers += [self._shared] if self._shared else []
        await asyncio.gather(*(provider.close() for provider in providers))

    async def _link(self, account_id: UUID | None, *, org_id: UUID) -> AccountLink | None:
        await self._close_retired()
        link, fresh_until = self._links.get((org_id, account_id), (None, 0.0))
        if time.monotonic() < fresh_until:
            return link
        read_at = time.monotonic()
        async with transaction(self._pool, org_id=org_id) as conn:
            link = await accounts.find_link(conn, org_id=org_id, account_id=account_id)
        if len(self._links) >= _LINKS_MAX:
            self._links.clear()
        self._links[org_id, account_id] = (link, read_at + self._fresh_seconds)
        return link

    def _of_deployment(self) -> VoiceProvider:
        if not self._deployment.api_key:
            raise ProviderAccountIncomplete
        if self._shared is None:
            self._shared = self._connect(self._deployment)
        return self._shared

    def _keep(self, account_id: UUID, client: _Client) -> None:
        replaced = self._clients.pop(account_id, None)
        self._clients[account_id] = client
        if replaced is None and len(self._clients) > self._clients_max:
            _, replaced = self._clients.popitem(last=False)
        if replaced is not None:
            self._retired.append((time.monotonic() + _RETIRE_SECONDS, replaced.provider))

    async def _close_retired(self) -> None:
        while self._retired and self._retired[0][0] < time.monotonic():
            _, provider = self._retired.popleft()
            await provider.close()
