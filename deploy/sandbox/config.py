"""What the sandbox process is told at start, read from the environment; nothing here changes at runtime."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deploy.sandbox.settings import Settings, changed

VAPI_PHONE_NUMBER_ID = "5b0d1c52-6a0e-4c7f-9a35-0c5f7f1f4d01"
VAPI_PHONE_NUMBER = "+15148447210"
VAPI_ASSISTANT_ID = "8f3b2f4e-0b7d-4f0c-8a7e-6d2c9e51aa01"
VAPI_ORG_ID = "1d4a7c66-3f0b-4c5d-9f0e-2b8f6f7f0c01"

# Environment name -> field of Settings, in the JSON spelling that POST /sandbox/settings takes too.
_WHOLE_NUMBERS = {
    "SANDBOX_CONCURRENCY_LIMIT": "concurrencyLimit",
    "SANDBOX_VAPI_WEBHOOK_RETRIES": "webhookRetries",
}
_SETTINGS_ENVIRONMENT = {
    "SANDBOX_VAPI_SERVER_URL": "webhookUrl",
    "SANDBOX_VAPI_WEBHOOK_SECRET": "webhookSecret",
    "SANDBOX_VAPI_SIGNATURE": "signature",
    "SANDBOX_VAPI_API_KEY": "vapiApiKey",
    "SANDBOX_TWILIO_ACCOUNT_SID": "twilioAccountSid",
    "SANDBOX_TWILIO_AUTH_TOKEN": "twilioAuthToken",
    "SANDBOX_TWILIO_SMS_URL": "twilioSmsUrl",
}


class ConfigurationError(ValueError):
    """The environment cannot be used; the message lists every problem."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    host: str = "127.0.0.1"
    port: int = 0
    data_dir: Path
    openapi_dir: Path | None = None
    seed: int = 1
    settings: Settings = field(default_factory=Settings)

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Config:
        problems: list[str] = []
        host, port = _address(environ.get("SANDBOX_LISTEN", "127.0.0.1:8090"), problems)
        seed = _whole_number("SANDBOX_SEED", environ.get("SANDBOX_SEED", "1"), problems)
        settings = _settings(environ, problems)
        data_dir = environ.get("SANDBOX_DATA_DIR", "")
        if not data_dir:
            problems.append("SANDBOX_DATA_DIR is missing")
        openapi_dir = environ.get("SANDBOX_OPENAPI_DIR", "")
        if problems:
            raise ConfigurationError("; ".join(problems))
        return cls(
            host=host,
            port=port,
            data_dir=Path(data_dir),
            openapi_dir=Path(openapi_dir) if openapi_dir else None,
            seed=seed,
            settings=settings,
        )


def _address(text: str, problems: list[str]) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:
        problems.append("SANDBOX_LISTEN must be host:port")
        return "", 0
    return host, int(port)


def _whole_number(name: str, text: str, problems: list[str]) -> int:
    try:
        return int(text)
    except ValueError:
        problems.append(f"{name} must be a whole number")
        return 0


def _settings(environ: Mapping[str, str], problems: list[str]) -> Settings:
    values: dict[str, Any] = {
        field_name: environ[name] for name, field_name in _SETTINGS_ENVIRONMENT.items() if environ.get(name)
    }
    if environ.get("SANDBOX_SPEED"):
        values["speed"] = float(environ["SANDBOX_SPEED"]) if _is_number(environ["SANDBOX_SPEED"]) else None
    for name, field_name in _WHOLE_NUMBERS.items():
        if environ.get(name):
            values[field_name] = int(environ[name]) if environ[name].isdecimal() else None
    try:
        return changed(Settings(), values)
    except ValueError as error:
        problems.append(str(error))
        return Settings()


def _is_number(text: str) -> bool:
    return text.replace(".", "", 1).isdecimal()
