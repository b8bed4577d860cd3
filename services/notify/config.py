"""What notify is told by its environment."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from libs.environment import EnvironmentReader, Secret
from libs.outbox import KEPT_DAYS_DEFAULT, KEPT_DAYS_MIN
from services.notify.domain.webhooks import SCHEDULE_SECONDS

_SECRET_LENGTH_MIN: Final = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    database_url: Secret
    worker_database_url: Secret
    listen: str
    calls_address: str
    campaigns_address: str
    principal_secret: Secret
    # Seals webhook secrets in the database.
    encryption_key: Secret
    twilio_base_url: str
    twilio_account_sid: str
    twilio_auth_token: Secret
    # A phone number, or a messaging service.
    twilio_from: str
    # Where the provider tells what became of a message; nothing is told if empty.
    status_callback_url: str = ""
    # Lets endpoints be on this machine: loopback, http, any port.
    allow_private_urls: bool = False
    grpc_reflection: bool = False
    # Before the second of the quick tries to send a message; doubled before the third.
    send_retry_seconds: float = 1.0
    # Waits before the attempts to deliver an event.
    delivery_schedule_seconds: tuple[float, ...] = SCHEDULE_SECONDS
    # What these sealed can still be opened.
    former_encryption_keys: tuple[Secret, ...] = ()
    # What was told to the other services is forgotten after so long.
    events_kept_days: float = KEPT_DAYS_DEFAULT
    pool_size_max: int = 8
    worker_pool_size_max: int = 10

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> "Config":
        """Raises ConfigurationError with every problem."""
        reader = EnvironmentReader(environ)
        config = cls(
            database_url=reader.secret("NOTIFY_DATABASE_URL"),
            worker_database_url=reader.secret("NOTIFY_WORKER_DATABASE_URL"),
            listen=reader.address("NOTIFY_LISTEN"),
            calls_address=reader.address("CALLS_ADDRESS"),
            campaigns_address=reader.address("CAMPAIGNS_ADDRESS"),
            principal_secret=reader.secret("PRINCIPAL_SECRET", length_min=_SECRET_LENGTH_MIN),
            encryption_key=reader.secret("NOTIFY_ENCRYPTION_KEY", length_min=_SECRET_LENGTH_MIN),
            former_encryption_keys=reader.secrets(
                "NOTIFY_FORMER_ENCRYPTION_KEYS", length_min=_SECRET_LENGTH_MIN
            ),
            twilio_base_url=reader.text("TWILIO_BASE_URL", default="https://api.twilio.com"),
            twilio_account_sid=reader.text("TWILIO_ACCOUNT_SID"),
            twilio_auth_token=reader.secret("TWILIO_AUTH_TOKEN"),
            twilio_from=reader.text("TWILIO_FROM"),
            status_callback_url=reader.text("NOTIFY_STATUS_CALLBACK_URL", default=""),
            allow_private_urls=reader.flag("NOTIFY_ALLOW_PRIVATE_URLS", default=False),
            grpc_reflection=reader.flag("GRPC_REFLECTION", default=False),
            events_kept_days=reader.number(
                "NOTIFY_EVENTS_KEPT_DAYS", default=KEPT_DAYS_DEFAULT, minimum=KEPT_DAYS_MIN
            ),
            pool_size_max=reader.integer("NOTIFY_POOL_SIZE_MAX", default=8, minimum=2, maximum=100),
            worker_pool_size_max=reader.integer(
                "NOTIFY_WORKER_POOL_SIZE_MAX", default=10, minimum=4, maximum=100
            ),
        )
        reader.finish()
        return config
