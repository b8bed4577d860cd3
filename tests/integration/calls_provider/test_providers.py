"""Clients of the provider: one per account, kept, replaced when the credentials change, and not too many."""

from dataclasses import dataclass, field

import pytest

from libs.environment import Secret
from libs.vault import Vault
from services.calls.domain.accounts import Access, AccessChange, ProviderAccount
from services.calls.errors import ProviderAccountNotFound
from services.calls.operations.account_access import AccountAccess
from services.calls.operations.accounts import Accounts
from services.calls.operations.providers import Providers
from tests.integration.calls_provider.conftest import DEPLOYMENT, ORG, OTHER_ORG, House
from tests.support.fake_voice_provider import FakeVoiceProvider


class Client(FakeVoiceProvider):
    def __init__(self, access: Access) -> None:
        super().__init__()
        self.access = access
        self.closed = False

    async def close(self) -> None:
        self.closed = True


@dataclass
class World:
    providers: Providers
    accounts: Accounts
    made: list[Client] = field(default_factory=list)

    async def account(self, name: str, *, api_key: str) -> ProviderAccount:
        access = AccessChange(api_key=Secret(api_key), webhook_url="https://hooks.example")
        return await self.accounts.create(
            org_id=ORG,
            name=name,
            provider="vapi",
            line_count=1,
            inbound_reserve=0,
            access=access,
            skip_check=True,
        )

    async def key_of(self, account: ProviderAccount) -> str:
        client = await self.providers.of(account.id, org_id=ORG)
        assert isinstance(client, Client)
        return client.access.api_key.reveal()


def world_of(house: House, *, clients_max: int = 100) -> World:
    made: list[Client] = []

    def connect(access: Access) -> Client:
        made.append(Client(access))
        return made[-1]

    vault = Vault(Secret("an encryption key for tests, long enough"), purpose="calls")
    providers = Providers(
        house.pool, connect=connect, deployment=DEPLOYMENT, vault=vault, clients_max=clients_max
    )
    access = AccountAccess(providers, vault=vault, deployment=DEPLOYMENT)
    return World(providers, Accounts(house.pool, access=access), made)


async def test_each_account_has_one_client_with_its_own_key(house: House) -> None:
    world = world_of(house)
    first, second = [await world.account(name, api_key=f"key-of-{name}") for name in ("one", "two")]

    keys = [await world.key_of(account) for account in (first, second, first, second)]

    assert ["key-of-one", "key-of-two"] * 2 == keys
    assert 2 == len(world.made)


async def test_a_new_key_makes_a_new_client_and_the_old_one_ends_what_it_has_begun(house: House) -> None:
    world = world_of(house)
    account = await world.account("one", api_key="old-key")
    assert "old-key" == await world.key_of(account)

    await world.accounts.update(
        org_id=ORG, account_id=account.id, access=AccessChange(api_key=Secret("new-key")), skip_check=True
    )

    assert "new-key" == await world.key_of(account)
    assert [False, False] == [client.closed for client in world.made]
    await world.providers.close()
    assert [True, True] == [client.closed for client in world.made]


async def test_clients_that_nobody_asked_for_lately_go_first(house: House) -> None:
    world = world_of(house, clients_max=2)
    accounts = [await world.account(name, api_key=f"key-of-{name}") for name in ("one", "two", "three")]

    for account in (*accounts, accounts[2], accounts[1], accounts[0]):
        await world.key_of(account)

    assert ["key-of-one", "key-of-two", "key-of-three", "key-of-one"] == [
        client.access.api_key.reveal() for client in world.made
    ]


async def test_accounts_without_credentials_share_the_deployments_client(house: House) -> None:
    world = world_of(house)
    clients = [await world.providers.of(None, org_id=org_id) for org_id in (ORG, OTHER_ORG)]

    assert clients[0] is clients[1]
    assert [DEPLOYMENT] == [client.access for client in world.made]


async def test_another_organizations_account_has_no_client(house: House) -> None:
    world = world_of(house)
    account = await world.account("one", api_key="key-of-one")

    with pytest.raises(ProviderAccountNotFound):
        await world.providers.of(account.id, org_id=OTHER_ORG)
    assert [] == world.made
