"""Secrets at rest."""

import pytest

from libs.environment import Secret
from libs.vault import SecretUnreadable, Vault

KEY = Secret("a key that only tests know, at length")


def test_a_sealed_secret_opens_where_it_belongs_and_does_not_show() -> None:
    vault = Vault(KEY, purpose="notify")
    sealed = vault.seal(b"whsec_1", place="webhooks/1")

    assert b"whsec_1" == vault.open(sealed, place="webhooks/1")
    assert b"whsec_1" not in sealed
    assert sealed != vault.seal(b"whsec_1", place="webhooks/1")


def test_it_opens_neither_elsewhere_nor_changed_nor_with_another_key() -> None:
    vault = Vault(KEY, purpose="notify")
    sealed = vault.seal(b"whsec_1", place="webhooks/1")
    changed = sealed[:-1] + bytes([sealed[-1] ^ 1])

    for other, text, place in (
        (vault, sealed, "webhooks/2"),
        (vault, changed, "webhooks/1"),
        (vault, b"", "webhooks/1"),
        (Vault(KEY, purpose="gateway"), sealed, "webhooks/1"),
        (Vault(Secret("another key"), purpose="notify"), sealed, "webhooks/1"),
    ):
        with pytest.raises(SecretUnreadable):
            other.open(text, place=place)


def test_after_a_change_of_keys_the_old_ones_open_and_the_new_one_seals() -> None:
    before = Vault(KEY, purpose="notify")
    sealed_before = before.seal(b"whsec_1", place="webhooks/1")
    new, unknown = Secret("a newer key that only tests know"), Secret("a key that nobody used")
    vault = Vault(new, purpose="notify", former=[unknown, KEY])

    sealed_after = vault.seal(b"whsec_2", place="webhooks/1")

    assert b"whsec_1" == vault.open(sealed_before, place="webhooks/1")
    assert b"whsec_2" == Vault(new, purpose="notify").open(sealed_after, place="webhooks/1")
    for other, text, place in (
        (before, sealed_after, "webhooks/1"),
        (vault, sealed_before, "webhooks/2"),
        (Vault(new, purpose="gateway", former=[KEY]), sealed_before, "webhooks/1"),
    ):
        with pytest.raises(SecretUnreadable):
            other.open(text, place=place)
