"""What the environment says about this service."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from libs.environment import EnvironmentReader, Secret
from libs.outbox import KEPT_DAYS_DEFAULT, KEPT_DAYS_MIN

_USD: Final = Decimal("0.0001")


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """`database_url` is the request role's, `worker_database_url` the loops'."""

    database_url: Secret
    worker_database_url: Secret
    listen: str
    calls_address: str
    notify_address: str
    principal_secret: Secret
    reflection: bool = False
    cap_default: int = 8
    tick_seconds: float = 60.0
    # The longest that a request to place a call may take, the provider's answer included.
    place_seconds: float = 11.0
    # After this long an intent without an answer is sent again; the difference is the time to begin.
    intent_seconds: float = 15.0
    # After this long without news of an open call it is looked up.
    stuck_seconds: float = 600.0
    # How long an ended call's report is waited for, if it decides whether the contact is called again.
    report_seconds: float = 120.0
    # How long after the decision on an attempt its call, if `calls` does not know it any more, is taken for
    # over. The provider ends calls after ten minutes; an assistant's own longest time is added.
    lost_seconds: float = 1800.0
    reconcile_seconds: float = 5.0
    slots_seconds: float = 60.0
    # How often each assistant is looked for at the provider.
    assistant_check_seconds: float = 900.0
    # How old, and how long out of use, an ephemeral assistant is when it is deleted.
    ephemeral_seconds: float = 86400.0
    # What a minute of a call costs at most. Where no dialing policy says what a call may cost, so much is
    # reserved for as many minutes as it may last.
    minute_cost_max_usd: Decimal = Decimal("0.3000")
    # How often a progress stream looks for something new.
    progress_seconds: float = 1.0
    # What was told to the other services is forgotten after so long.
    events_kept_days: float = KEPT_DAYS_DEFAULT
    database_connections_max: int = 10

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> "Config":
        reader = EnvironmentReader(environ)
        config = cls(
            database_url=reader.secret("CAMPAIGNS_DATABASE_URL"),
            worker_database_url=reader.secret("CAMPAIGNS_WORKER_DATABASE_URL"),
            listen=reader.address("CAMPAIGNS_LISTEN"),
            calls_address=reader.address("CALLS_ADDRESS"),
            notify_address=reader.address("NOTIFY_ADDRESS"),
            principal_secret=reader.secret("PRINCIPAL_SECRET", length_min=32),
            reflection=reader.flag("GRPC_REFLECTION", default=False),
            cap_default=reader.integer("DEFAULT_CONCURRENCY_CAP", default=8, minimum=1, maximum=50),
            tick_seconds=reader.number("CAMPAIGNS_TICK_SECONDS", default=60.0, minimum=0.1, maximum=3600.0),
            place_seconds=reader.number("CAMPAIGNS_PLACE_SECONDS", default=11.0, minimum=0.1, maximum=60.0),
            intent_seconds=reader.number(
                "CAMPAIGNS_INTENT_SECONDS", default=15.0, minimum=0.2, maximum=300.0
            ),
            stuck_seconds=reader.number(
                "CAMPAIGNS_STUCK_SECONDS", default=600.0, minimum=0.2, maximum=86400.0
            ),
            report_seconds=reader.number(
                "CAMPAIGNS_REPORT_SECONDS", default=120.0, minimum=0.2, maximum=3600.0
            ),
            lost_seconds=reader.number(
                "CAMPAIGNS_LOST_SECONDS", default=1800.0, minimum=0.2, maximum=86400.0
            ),
            slots_seconds=reader.number("CAMPAIGNS_SLOTS_SECONDS", default=60.0, minimum=0.1, maximum=3600.0),
            reconcile_seconds=reader.number(
                "CAMPAIGNS_RECONCILE_SECONDS", default=5.0, minimum=0.1, maximum=600.0
            ),
            assistant_check_seconds=reader.number(
                "CAMPAIGNS_ASSISTANT_CHECK_SECONDS", default=900.0, minimum=1.0, maximum=86400.0
            ),
            ephemeral_seconds=reader.number(
                "CAMPAIGNS_EPHEMERAL_SECONDS", default=86400.0, minimum=1.0, maximum=2592000.0
            ),
            minute_cost_max_usd=Decimal(
                str(
                    reader.number("CAMPAIGNS_MINUTE_COST_MAX_USD", default=0.3, minimum=0.0001, maximum=100.0)
                )
            ).quantize(_USD),
            progress_seconds=reader.number(
                "CAMPAIGNS_PROGRESS_SECONDS", default=1.0, minimum=0.01, maximum=60.0
            ),
            events_kept_days=reader.number(
                "CAMPAIGNS_EVENTS_KEPT_DAYS", default=KEPT_DAYS_DEFAULT, minimum=KEPT_DAYS_MIN, maximum=3650.0
            ),
            database_connections_max=reader.integer(
                "CAMPAIGNS_DATABASE_CONNECTIONS_MAX", default=10, minimum=3, maximum=100
            ),
        )
        if config.intent_seconds <= config.place_seconds:
            reader.problem("CAMPAIGNS_INTENT_SECONDS", "must be greater than CAMPAIGNS_PLACE_SECONDS")
        reader.finish()
        return config
