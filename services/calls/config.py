"""What the environment decides."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from libs.environment import EnvironmentReader, Secret
from libs.outbox import KEPT_DAYS_DEFAULT, KEPT_DAYS_MIN

_SECRET_LENGTH_MIN: Final = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    database_url: Secret
    worker_database_url: Secret
    listen: str
    principal_secret: Secret
    vapi_base_url: str
    # The deployment's own account, for provider accounts without credentials; empty if there is none, as it
    # should be where several organizations must not see one another's assistants and numbers.
    vapi_api_key: Secret
    # Where the deployment's own account sends its webhooks; set in every assistant we create.
    webhook_url: str
    # How the provider signs them: a credential stored there, or a secret sent along.
    webhook_credential_id: str = ""
    webhook_secret: Secret = field(default_factory=lambda: Secret(""))
    # Seals the credentials of provider accounts. Lost with them, if it is lost; without it, none can be kept.
    encryption_key: Secret = field(default_factory=lambda: Secret(""))
    # What these sealed can still be opened.
    former_encryption_keys: tuple[Secret, ...] = ()
    # Base URLs that accounts with credentials may choose, beside `vapi_base_url`.
    base_urls_allowed: tuple[str, ...] = ()
    # The provider's id of the assistant that takes calls nobody else takes.
    default_assistant_id: str = ""
    # Of a new provider account.
    lines: int = 10
    # A call without news for so long is asked after.
    stuck_seconds: float = 600.0
    # An unknown placement is looked for so long.
    settle_seconds: float = 120.0
    reconcile_seconds: float = 10.0
    # How often overdue leads are looked for.
    lead_clock_seconds: float = 5.0
    # So long after its end the report on a call is waited for; later it counts as lost.
    report_seconds: float = 60.0
    # How often the provider's own list is compared with the record.
    sweep_seconds: float = 300.0
    # How old the figures of calls may become.
    analytics_seconds: float = 300.0
    # What was told to the other services, and what makes webhooks the same, is forgotten after so long.
    events_kept_days: float = KEPT_DAYS_DEFAULT
    keys_kept_days: float = 30.0
    reflection: bool = False
    pool_size_max: int = 10
    answer_pool_size_max: int = 4
    worker_pool_size_max: int = 12

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> "Config":
        """Raises ConfigurationError with every problem at once."""
        env = EnvironmentReader(environ)
        config = cls(
            database_url=env.secret("CALLS_DATABASE_URL"),
            worker_database_url=env.secret("CALLS_WORKER_DATABASE_URL"),
            listen=env.address("CALLS_LISTEN"),
            principal_secret=env.secret("PRINCIPAL_SECRET", length_min=_SECRET_LENGTH_MIN),
            vapi_base_url=env.text("VAPI_BASE_URL", default="https://api.vapi.ai"),
            vapi_api_key=env.secret("VAPI_API_KEY", default=""),
            webhook_url=env.text("CALLS_WEBHOOK_PUBLIC_URL", default=""),
            webhook_credential_id=env.text("CALLS_WEBHOOK_CREDENTIAL_ID", default=""),
            webhook_secret=env.secret("CALLS_WEBHOOK_SECRET", default=""),
            encryption_key=env.secret("CALLS_ENCRYPTION_KEY", default="", length_min=_SECRET_LENGTH_MIN),
            former_encryption_keys=env.secrets("CALLS_FORMER_ENCRYPTION_KEYS", length_min=_SECRET_LENGTH_MIN),
            base_urls_allowed=_words(env.text("CALLS_BASE_URLS_ALLOWED", default="")),
            default_assistant_id=env.text("CALLS_DEFAULT_ASSISTANT_ID", default=""),
            lines=env.integer("CALLS_LINES", default=10, minimum=1, maximum=1000),
            stuck_seconds=env.number("CALLS_STUCK_SECONDS", default=600.0, minimum=0.1),
            settle_seconds=env.number("CALLS_SETTLE_SECONDS", default=120.0, minimum=0.1),
            reconcile_seconds=env.number("CALLS_RECONCILE_SECONDS", default=10.0, minimum=0.05),
            analytics_seconds=env.number("CALLS_ANALYTICS_SECONDS", default=300.0, minimum=0.1),
            lead_clock_seconds=env.number("CALLS_LEAD_CLOCK_SECONDS", default=5.0, minimum=0.05),
            report_seconds=env.number("CALLS_REPORT_SECONDS", default=60.0, minimum=0.1),
            sweep_seconds=env.number("CALLS_SWEEP_SECONDS", default=300.0, minimum=0.1),
            events_kept_days=env.number(
                "CALLS_EVENTS_KEPT_DAYS", default=KEPT_DAYS_DEFAULT, minimum=KEPT_DAYS_MIN
            ),
            keys_kept_days=env.number("CALLS_KEYS_KEPT_DAYS", default=30.0, minimum=8.0),
            reflection=env.flag("GRPC_REFLECTION", default=False),
            pool_size_max=env.integer("CALLS_POOL_SIZE_MAX", default=10, minimum=1, maximum=100),
            answer_pool_size_max=env.integer("CALLS_ANSWER_POOL_SIZE_MAX", default=4, minimum=1, maximum=100),
            worker_pool_size_max=env.integer(
                "CALLS_WORKER_POOL_SIZE_MAX", default=12, minimum=6, maximum=100
            ),
        )
        if config.webhook_url and not config.webhook_url.startswith(("http://", "https://")):
            env.problem("CALLS_WEBHOOK_PUBLIC_URL", "must be an http(s) URL")
        if config.vapi_api_key and not config.webhook_url:
            env.problem("CALLS_WEBHOOK_PUBLIC_URL", "is required with VAPI_API_KEY")
        if not config.vapi_api_key and not config.encryption_key:
            env.problem("VAPI_API_KEY", "is required without CALLS_ENCRYPTION_KEY")
        env.finish()
        return config


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip().rstrip("/") for word in text.split(",") if word.strip())
