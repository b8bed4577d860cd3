"""Who listens where and knows which secret: the environment of every process of the local stack."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass

from deploy.envoy.config import Address, FrontDoor, traced_percent, traces_address, webhooks_per_minute
from deploy.local.ports import chosen_port, free_port
from deploy.local.postgres import PostgresServer
from deploy.local.secret_store import SERVICES, SecretStore, database_password
from deploy.local.settings import Settings

VAPI_SOURCE = "vapi-main"
TWILIO_SOURCE = "twilio-main"
TWILIO_NUMBER = "+15148447211"
# Room for one campaign at the highest cap beside callers.
LINES = 60
# As every account should be set up: without a plan, Vapi does not retry a webhook.
WEBHOOK_RETRIES = 10
# Scripted seconds per real second: a customer's call of half a minute takes three seconds.
SPEED = "10"
LOCALHOST = "127.0.0.1"
# Processes of a service beside its first one.
COMPANIONS = {"calls_folder": "calls"}
# Of the user's environment, these would lead the stack's own connections astray.
NOT_HANDED_ON = ("PGHOST", "PGPORT", "PGUSER", "PGPASSWORD", "PGDATABASE", "PGSERVICE", "PYTHONPATH")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    public: int
    sandbox: int
    admin: int
    gateway_http: int
    gateway_authz: int
    services: Mapping[str, int]
    metrics: Mapping[str, int]

    @classmethod
    def choose(cls, settings: Settings) -> Ports:
        return cls(
            public=chosen_port(settings.port, variable="CALLPLANE_PORT"),
            sandbox=chosen_port(settings.sandbox_port, variable="CALLPLANE_SANDBOX_PORT"),
            admin=free_port(),
            gateway_http=free_port(),
            gateway_authz=free_port(),
            services={name: free_port() for name in SERVICES},
            metrics={name: free_port() for name in (*SERVICES, *COMPANIONS)},
        )

    def address(self, service: str) -> str:
        return f"{LOCALHOST}:{self.services[service]}"


@dataclass(frozen=True, slots=True)
class Plan:
    settings: Settings
    ports: Ports
    secrets: SecretStore
    postgres: PostgresServer
    traces_port: int | None

    @property
    def public_url(self) -> str:
        return f"http://{LOCALHOST}:{self.ports.public}"

    @property
    def sandbox_url(self) -> str:
        return f"http://{LOCALHOST}:{self.ports.sandbox}"

    @property
    def gateway_url(self) -> str:
        return f"http://{LOCALHOST}:{self.ports.gateway_http}"

    @property
    def vapi_webhook_url(self) -> str:
        return f"{self.public_url}/hooks/vapi/{VAPI_SOURCE}"

    @property
    def twilio_webhook_url(self) -> str:
        """The common beginning; `/sms`, `/sms-status` and `/voice` follow."""
        return f"{self.public_url}/hooks/twilio/{TWILIO_SOURCE}"

    def database(self, role: str) -> str:
        return self.postgres.dsn(role, password=self.secrets.ensure(database_password(role)))

    def service_command(self, service: str) -> list[str]:
        return [sys.executable, "-m", f"services.{service}"]

    def service_environ(self, service: str) -> dict[str, str]:
        """What the user set wins, except where processes must find each other."""
        prefix = service.upper()
        return (
            self._defaults()
            | self._handed_on()
            | self._fixed()
            | {
                f"{prefix}_DATABASE_URL": self.database(service),
                f"{prefix}_WORKER_DATABASE_URL": self.database(f"{service}_worker"),
                "FAILPOINTS": self.settings.environ.get(f"{prefix}_FAILPOINTS", ""),
            }
            | {
                f"{process.upper()}_METRICS_LISTEN": f"{LOCALHOST}:{self.ports.metrics[process]}"
                for process in (service, *COMPANIONS)
                if COMPANIONS.get(process, service) == service
            }
        )

    def migration_environ(self, service: str) -> dict[str, str]:
        owner = {f"{service.upper()}_OWNER_DATABASE_URL": self.database(f"{service}_owner")}
        return self.service_environ(service) | owner

    def sandbox_environ(self) -> dict[str, str]:
        return (
            {"SANDBOX_SPEED": SPEED}
            | self._handed_on()
            | {
                "SANDBOX_LISTEN": f"{LOCALHOST}:{self.ports.sandbox}",
                "SANDBOX_DATA_DIR": str(self.settings.data_dir / "sandbox"),
                "SANDBOX_VAPI_API_KEY": self.secrets.ensure("VAPI_API_KEY"),
                "SANDBOX_VAPI_SERVER_URL": self.vapi_webhook_url,
                "SANDBOX_VAPI_WEBHOOK_SECRET": self.secrets.ensure("VAPI_WEBHOOK_SECRET"),
                "SANDBOX_TWILIO_ACCOUNT_SID": self._twilio_account(),
                "SANDBOX_TWILIO_AUTH_TOKEN": self.secrets.ensure("TWILIO_AUTH_TOKEN"),
                "SANDBOX_TWILIO_SMS_URL": f"{self.twilio_webhook_url}/sms",
                "SANDBOX_CONCURRENCY_LIMIT": str(LINES),
                "SANDBOX_VAPI_WEBHOOK_RETRIES": str(WEBHOOK_RETRIES),
            }
        )

    def front_door(self) -> FrontDoor:
        environ = self._defaults() | self._handed_on()
        return FrontDoor(
            listen=Address(LOCALHOST, self.ports.public),
            admin=Address(LOCALHOST, self.ports.admin),
            services={name: Address(LOCALHOST, port) for name, port in self.ports.services.items()},
            gateway_http=Address(LOCALHOST, self.ports.gateway_http),
            gateway_authz=Address(LOCALHOST, self.ports.gateway_authz),
            traces=traces_address(environ),
            traced_percent=traced_percent(environ),
            webhooks_per_minute=webhooks_per_minute(environ),
        )

    def _handed_on(self) -> dict[str, str]:
        kept = {name: text for name, text in self.settings.environ.items() if name not in NOT_HANDED_ON}
        return kept | {"NO_PROXY": f"{LOCALHOST},localhost", "no_proxy": f"{LOCALHOST},localhost"}

    def _defaults(self) -> dict[str, str]:
        """Everything a user may want otherwise."""
        defaults = {
            "VAPI_BASE_URL": f"{self.sandbox_url}/vapi",
            "VAPI_API_KEY": self.secrets.ensure("VAPI_API_KEY"),
            "CALLS_WEBHOOK_PUBLIC_URL": self.vapi_webhook_url,
            "CALLS_LINES": str(LINES),
            # The sandbox lists its calls at once: what is absent was not made, and silence is soon strange.
            "CALLS_SETTLE_SECONDS": "15",
            "CALLS_RECONCILE_SECONDS": "2",
            "CALLS_STUCK_SECONDS": "60",
            "CALLS_ANALYTICS_SECONDS": "5",
            "TWILIO_BASE_URL": f"{self.sandbox_url}/twilio",
            "TWILIO_ACCOUNT_SID": self._twilio_account(),
            "TWILIO_AUTH_TOKEN": self.secrets.ensure("TWILIO_AUTH_TOKEN"),
            "TWILIO_FROM": TWILIO_NUMBER,
            "NOTIFY_STATUS_CALLBACK_URL": f"{self.twilio_webhook_url}/sms-status",
            "NOTIFY_ALLOW_PRIVATE_URLS": "1",
            "CRON_SHARED_SECRET": self.secrets.ensure("CRON_SHARED_SECRET"),
            "RATE_LIMIT_ENABLED": "0",
            "GRPC_REFLECTION": "1",
            "PYTHONUNBUFFERED": "1",
        }
        if self.traces_port is not None:
            defaults |= {
                "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{LOCALHOST}:{self.traces_port}",
                "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
                "OTEL_TRACES_SAMPLER": "parentbased_always_on",
                "OTEL_BSP_SCHEDULE_DELAY": "500",
            }
        return defaults

    def _fixed(self) -> dict[str, str]:
        """How the processes of this stack find and trust one another."""
        addresses = {f"{name.upper()}_ADDRESS": self.ports.address(name) for name in SERVICES}
        listen = {f"{name.upper()}_LISTEN": self.ports.address(name) for name in SERVICES}
        keys = {
            f"{name}_ENCRYPTION_KEY": self.secrets.ensure(f"{name}_ENCRYPTION_KEY")
            for name in ("CALLS", "GATEWAY", "NOTIFY")
        }
        return (
            addresses
            | listen
            | keys
            | {
                "PRINCIPAL_SECRET": self.secrets.ensure("PRINCIPAL_SECRET"),
                "GATEWAY_HTTP_LISTEN": f"{LOCALHOST}:{self.ports.gateway_http}",
                "GATEWAY_AUTHZ_LISTEN": f"{LOCALHOST}:{self.ports.gateway_authz}",
                "GATEWAY_PUBLIC_URL": self.public_url,
            }
        )

    def _twilio_account(self) -> str:
        if "TWILIO_ACCOUNT_SID" not in self.secrets:
            self.secrets["TWILIO_ACCOUNT_SID"] = "AC" + self.secrets.ensure("TWILIO_AUTH_TOKEN")[-32:][::-1]
        return self.secrets["TWILIO_ACCOUNT_SID"]
