"""Credentials of provider accounts: sealed when they come in, opened only where a request is made with
them."""

from typing import Final
from uuid import UUID

import msgspec

from libs.environment import Secret
from libs.vault import Vault
from services.calls.domain.accounts import Access, AccountLink, StoredAccess
from services.calls.errors import CredentialsUnsupported, ProviderAccountIncomplete

# A key shorter than this is a test's, and four characters of it would tell too much.
_HINTED_LENGTH_MIN: Final = 16
_HINT_LENGTH: Final = 4


class _Stored(msgspec.Struct, frozen=True):
    api_key: str
    webhook_secret: str = ""

    def __repr__(self) -> str:
        return "***"


def sealed(
    access: Access,
    *,
    org_id: UUID,
    account_id: UUID,
    vault: Vault | None,
    base_url_default: str,
    api_key_changed: bool,
) -> StoredAccess:
    """Raises CredentialsUnsupported."""
    if vault is None:
        raise CredentialsUnsupported
    stored = _Stored(api_key=access.api_key.reveal(), webhook_secret=access.webhook_secret.reveal())
    return StoredAccess(
        credentials=vault.seal(msgspec.json.encode(stored), place=_place(org_id, account_id)),
        api_key_hint=_hint(stored.api_key),
        api_key_changed=api_key_changed,
        base_url="" if access.base_url == base_url_default else access.base_url,
        webhook_url=access.webhook_url,
        webhook_credential_id=access.webhook_credential_id,
    )


def opened(link: AccountLink, *, vault: Vault | None, deployment: Access) -> Access:
    """The deployment's own access for an account without credentials. Raises ProviderAccountIncomplete if
    there is none, and SecretUnreadable."""
    if link.credentials is None:
        if not deployment.api_key:
            raise ProviderAccountIncomplete
        return deployment
    if vault is None:
        raise CredentialsUnsupported
    place = _place(link.org_id, link.account_id)
    stored = msgspec.json.decode(vault.open(link.credentials, place=place), type=_Stored)
    return Access(
        base_url=link.base_url or deployment.base_url,
        api_key=Secret(stored.api_key),
        webhook_url=link.webhook_url,
        webhook_credential_id=link.webhook_credential_id,
        webhook_secret=Secret(stored.webhook_secret),
    )


def _hint(api_key: str) -> str:
    return api_key[-_HINT_LENGTH:] if len(api_key) >= _HINTED_LENGTH_MIN else ""


def _place(org_id: UUID, account_id: UUID) -> str:
    return f"calls.provider_accounts {org_id} {account_id}"
