"""Keeps customers' secrets unreadable in the database: AES-256-GCM under a key that only the process has."""

import os
from collections.abc import Sequence
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from libs.environment import Secret
from libs.errors import ServiceError

_VERSION: Final = b"\x01"
_NONCE_LENGTH: Final = 12


class SecretUnreadable(ServiceError):
    """A stored secret cannot be opened; the key it was sealed with is not among ours."""


class Vault:
    """`purpose` separates the keys of services; `place` ties a sealed secret to where it is stored: moved to
    another row, it does not open. What was sealed with one of the `former` keys opens too; nothing is sealed
    with them any more."""

    def __init__(self, key: Secret, *, purpose: str, former: Sequence[Secret] = ()) -> None:
        self._cipher, *self._former = [_cipher(one, purpose=purpose) for one in (key, *former)]

    def seal(self, secret: bytes, *, place: str) -> bytes:
        nonce = os.urandom(_NONCE_LENGTH)
        return _VERSION + nonce + self._cipher.encrypt(nonce, secret, place.encode())

    def open(self, sealed: bytes, *, place: str) -> bytes:
        nonce, ciphertext = sealed[1 : 1 + _NONCE_LENGTH], sealed[1 + _NONCE_LENGTH :]
        for cipher in (self._cipher, *self._former):
            try:
                return cipher.decrypt(nonce, ciphertext, place.encode())
            except (InvalidTag, ValueError):
                continue
        raise SecretUnreadable


def _cipher(key: Secret, *, purpose: str) -> AESGCM:
    info = f"callplane {purpose} vault 1".encode()
    derived = HKDF(algorithm=SHA256(), length=32, salt=None, info=info)
    return AESGCM(derived.derive(key.reveal().encode()))
