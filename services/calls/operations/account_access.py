"""How an organization's account is reached at the provider: put together, tried there, and sealed."""

from collections.abc import Sequence
from uuid import UUID

from libs.environment import Secret
from libs.errors import InvalidArgument
from libs.vault import Vault
from services.calls.domain.accounts import (
    Access,
    AccessChange,
    AccountLink,
    StoredAccess,
    access_violations,
)
from services.calls.domain.assistants import ProviderPhoneNumber
from services.calls.errors import CredentialsUnsupported
from services.calls.operations import credentials
from services.calls.operations.providers import Providers


class AccountAccess:
    """`base_urls` may be chosen beside the deployment's own."""

    def __init__(
        self, providers: Providers, *, vault: Vault | None, deployment: Access, base_urls: Sequence[str] = ()
    ) -> None:
        self._providers = providers
        self._vault = vault
        self._deployment = deployment
        self._base_url = deployment.base_url.rstrip("/")
        self._base_urls = (self._base_url, *base_urls)

    def changed(self, change: AccessChange, *, link: AccountLink) -> Access:
        """The access as it will be. Raises InvalidArgument, CredentialsUnsupported and SecretUnreadable."""
        if self._vault is None:
            raise CredentialsUnsupported
        present = Access(base_url="", api_key=Secret(""), webhook_url="")
        if link.credentials is not None:
            present = credentials.opened(link, vault=self._vault, deployment=self._deployment)
        access = change.applied_to(present, base_url_default=self._base_url)
        violations = access_violations(access, base_urls=self._base_urls)
        if violations:
            raise InvalidArgument(violations=violations)
        return access

    async def try_out(self, access: Access) -> list[ProviderPhoneNumber]:
        """The phone numbers that the key leads to. Raises ProviderCredentialsRefused, ProviderUnavailable and
        ProviderRefused."""
        provider = self._providers.once(access)
        try:
            return await provider.list_phone_numbers()
        finally:
            await provider.close()

    def sealed(
        self, access: Access, *, org_id: UUID, account_id: UUID, api_key_changed: bool
    ) -> StoredAccess:
        return credentials.sealed(
            access,
            org_id=org_id,
            account_id=account_id,
            vault=self._vault,
            base_url_default=self._base_url,
            api_key_changed=api_key_changed,
        )

    async def check(self, account_id: UUID, *, org_id: UUID) -> list[ProviderPhoneNumber]:
        """As `try_out`, with what is stored."""
        provider = await self._providers.of(account_id, org_id=org_id)
        return await provider.list_phone_numbers()

    def forget(self, account_id: UUID, *, org_id: UUID) -> None:
        self._providers.forget(account_id, org_id=org_id)
