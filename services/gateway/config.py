"""What the environment decides."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from libs.environment import EnvironmentReader, Secret
from libs.outbox import KEPT_DAYS_DEFAULT, KEPT_DAYS_MIN

_SECRET_LENGTH_MIN: Final = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    database_url: Secret
    worker_database_url: Secret
    # gRPC, for the services and for Envoy's transcoder.
    listen: str
    # Public HTTP, behind Envoy.
    http_listen: str
    # Envoy's authorization checks; never reachable from outside.
    authz_listen: str
    # Where the world finds us; webhook URLs and Twilio's signatures are made with it.
    public_url: str
    # Seals the secrets of sources in the database. Lost with them, if it is lost.
    encryption_key: Secret
    principal_secret: Secret
    calls_address: str
    campaigns_address: str
    notify_address: str
    # Off leaves the hourly rates of API keys out.
    rate_limit_enabled: bool = True
    reflection: bool = False
    pool_size_max: int = 10
    worker_pool_size_max: int = 10
    # Webhooks that may wait to be stored; more are refused and come again.
    intake_queue_max: int = 2000
    # How often webhooks that were answered without `calls` are offered to it.
    forward_seconds: float = 5.0
    # What these sealed can still be opened.
    former_encryption_keys: tuple[Secret, ...] = ()
    # What was told to the other services is forgotten after so long.
    events_kept_days: float = KEPT_DAYS_DEFAULT

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> "Config":
        """Raises ConfigurationError with every problem at once."""
        env = EnvironmentReader(environ)
        config = cls(
            database_url=env.secret("GATEWAY_DATABASE_URL"),
            worker_database_url=env.secret("GATEWAY_WORKER_DATABASE_URL"),
            listen=env.address("GATEWAY_LISTEN"),
            http_listen=env.address("GATEWAY_HTTP_LISTEN"),
            authz_listen=env.address("GATEWAY_AUTHZ_LISTEN"),
            public_url=env.text("GATEWAY_PUBLIC_URL").rstrip("/"),
            encryption_key=env.secret("GATEWAY_ENCRYPTION_KEY", length_min=_SECRET_LENGTH_MIN),
            former_encryption_keys=env.secrets(
                "GATEWAY_FORMER_ENCRYPTION_KEYS", length_min=_SECRET_LENGTH_MIN
            ),
            principal_secret=env.secret("PRINCIPAL_SECRET", length_min=_SECRET_LENGTH_MIN),
            calls_address=env.address("CALLS_ADDRESS"),
            campaigns_address=env.address("CAMPAIGNS_ADDRESS"),
            notify_address=env.address("NOTIFY_ADDRESS"),
            rate_limit_enabled=env.flag("RATE_LIMIT_ENABLED", default=True),
            reflection=env.flag("GRPC_REFLECTION", default=False),
            pool_size_max=env.integer("GATEWAY_POOL_SIZE_MAX", default=10, minimum=2, maximum=100),
            worker_pool_size_max=env.integer(
                "GATEWAY_WORKER_POOL_SIZE_MAX", default=10, minimum=4, maximum=100
            ),
            intake_queue_max=env.integer(
                "GATEWAY_INTAKE_QUEUE_MAX", default=2000, minimum=1, maximum=100_000
            ),
            forward_seconds=env.number("GATEWAY_FORWARD_SECONDS", default=5.0, minimum=0.05, maximum=60.0),
            events_kept_days=env.number(
                "GATEWAY_EVENTS_KEPT_DAYS", default=KEPT_DAYS_DEFAULT, minimum=KEPT_DAYS_MIN
            ),
        )
        if config.public_url and not _is_origin(config.public_url):
            env.problem("GATEWAY_PUBLIC_URL", "must be http(s)://host[:port] without a path")
        env.finish()
        return config


def _is_origin(url: str) -> bool:
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018  raises if it is no number
    except ValueError:
        return False
    return (
        parts.scheme in ("http", "https")
        and bool(parts.hostname)
        and not (parts.path or parts.query or parts.fragment)
    )
