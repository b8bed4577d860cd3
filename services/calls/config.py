"""What the environment decides."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from libs.environment import EnvironmentReader, Secret

_SECRET_LENGTH_MIN: Final = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    database_url: Secret
    worker_database_url: Secret
    listen: str
    principal_secret: Secret
    vapi_base_url: str
    vapi_api_key: Secret
    # Where the provider sends its webhooks; set in every assistant we create.
    webhook_url: str
    # How the provider signs them: a credential stored there, or a secret sent along.
    webhook_credential_id: str = ""
    webhook_secret: Secret = field(default_factory=lambda: Secret(""))
    # The provider's id of the assistant that takes calls nobody else takes.
    default_assistant_id: str = ""
    # Of a new provider account.
    lines: int = 10
    # A call without news for so long is asked after.
    stuck_seconds: float = 600.0
    # An unknown placement is looked for so long.
    settle_seconds: float = 120.0
    reconcile_seconds: float = 10.0
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
            vapi_api_key=env.secret("VAPI_API_KEY"),
            webhook_url=env.text("CALLS_WEBHOOK_PUBLIC_URL"),
            webhook_credential_id=env.text("CALLS_WEBHOOK_CREDENTIAL_ID", default=""),
            webhook_secret=env.secret("CALLS_WEBHOOK_SECRET", default=""),
            default_assistant_id=env.text("CALLS_DEFAULT_ASSISTANT_ID", default=""),
            lines=env.integer("CALLS_LINES", default=10, minimum=1, maximum=1000),
            stuck_seconds=env.number("CALLS_STUCK_SECONDS", default=600.0, minimum=0.1),
            settle_seconds=env.number("CALLS_SETTLE_SECONDS", default=120.0, minimum=0.1),
            reconcile_seconds=env.number("CALLS_RECONCILE_SECONDS", default=10.0, minimum=0.05),
            reflection=env.flag("GRPC_REFLECTION", default=False),
            pool_size_max=env.integer("CALLS_POOL_SIZE_MAX", default=10, minimum=1, maximum=100),
            answer_pool_size_max=env.integer("CALLS_ANSWER_POOL_SIZE_MAX", default=4, minimum=1, maximum=100),
            worker_pool_size_max=env.integer(
                "CALLS_WORKER_POOL_SIZE_MAX", default=12, minimum=6, maximum=100
            ),
        )
        if not config.webhook_url.startswith(("http://", "https://")):
            env.problem("CALLS_WEBHOOK_PUBLIC_URL", "must be an http(s) URL")
        env.finish()
        return config
