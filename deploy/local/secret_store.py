"""The local stack's secrets: made once, kept in `secrets.json` for its owner alone, the same ever after."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator, MutableMapping
from pathlib import Path

SERVICES = ("calls", "campaigns", "notify", "gateway")
ROLES = tuple(f"{service}{suffix}" for service in SERVICES for suffix in ("", "_worker", "_owner"))


class SecretStore(MutableMapping[str, str]):
    """A mapping that writes itself to disk on every change."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._values: dict[str, str] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}

    def ensure(self, name: str, *, prefix: str = "") -> str:
        """The secret of this name, made now if there is none."""
        if name not in self:
            self[name] = prefix + secrets.token_hex(24)
        return self[name]

    def __getitem__(self, name: str) -> str:
        return self._values[name]

    def __setitem__(self, name: str, value: str) -> None:
        self._values[name] = value
        self._write()

    def __delitem__(self, name: str) -> None:
        del self._values[name]
        self._write()

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def _write(self) -> None:
        write_privately(self._path, json.dumps(self._values, indent=2, sort_keys=True) + "\n")


def write_privately(path: Path, text: str) -> None:
    """Replaces the file as a whole, readable by its owner only, so that no reader sees half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
    partial.replace(path)


def database_password(role: str) -> str:
    """The name under which the password of a database role is kept."""
    return f"DATABASE_PASSWORD_{role.upper()}"
