"""The whole stack on this machine, for as long as a block runs."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from deploy.envoy.config import binary, render
from deploy.local.child import StackError
from deploy.local.collector import collecting
from deploy.local.fleet import Fleet
from deploy.local.health import grpc_serving, http_ok, until
from deploy.local.plan import LOCALHOST, Plan, Ports
from deploy.local.postgres import SUPERUSER, PostgresServer
from deploy.local.processes import Program, Tell, described, run_once
from deploy.local.secret_store import ROLES, SERVICES, SecretStore, database_password, write_privately
from deploy.local.seed import seed
from deploy.local.settings import ROOT, Settings
from deploy.sandbox.config import VAPI_ASSISTANT_ID, VAPI_PHONE_NUMBER_ID

ROLES_SQL = ROOT / "deploy" / "postgres" / "roles.sql"
HEALTH_SECONDS_MAX = 30.0
POSTGRES_POLL_SECONDS = 0.2
POSTGRES_RESTART_SECONDS = 0.5


def _silent(_: str) -> None:
    """Tells nobody."""


class RunningStack(Mapping[str, Any]):
    """What `ready.json` says, kept current: `pids` changes when a process is restarted."""

    def __init__(self, plan: Plan, *, pids: Callable[[], Mapping[str, int]]) -> None:
        self.secrets: Mapping[str, str] = plan.secrets
        # Behind the public door; only measurements go past Envoy.
        self.gateway_url = plan.gateway_url
        self._pids = pids
        self._document = _described(plan)

    def __getitem__(self, name: str) -> Any:
        return dict(self._pids()) if name == "pids" else self._document[name]

    def __iter__(self) -> Iterator[str]:
        yield from self._document
        yield "pids"

    def __len__(self) -> int:
        return len(self._document) + 1


def _described(plan: Plan) -> dict[str, Any]:
    return {
        "public_url": plan.public_url,
        "sandbox_url": plan.sandbox_url,
        "api_key": plan.secrets["API_KEY"],
        "databases": {service: plan.database(f"{service}_owner") for service in SERVICES},
        "grpc": {service: plan.ports.address(service) for service in SERVICES},
        "sources": {
            "vapi": {"url": plan.vapi_webhook_url, "secret": plan.secrets["VAPI_WEBHOOK_SECRET"]},
            "twilio": {"url": plan.twilio_webhook_url, "secret": plan.secrets["TWILIO_AUTH_TOKEN"]},
        },
        "metrics": {name: f"http://{LOCALHOST}:{port}/metrics" for name, port in plan.ports.metrics.items()},
        "sandbox": {"phone_number_id": VAPI_PHONE_NUMBER_ID, "assistant_id": VAPI_ASSISTANT_ID},
    }


@asynccontextmanager
async def running_stack(settings: Settings, *, tell: Tell = _silent) -> AsyncIterator[RunningStack]:
    """Starts everything, waits until it is healthy and seeded, writes `ready.json`; stops everything after.

    Call it on the main thread. Raises StackError, in words for the user, when something does not start.
    """
    with _locked(settings.data_dir):
        stack = _Stack(settings, tell=tell)
        async with AsyncExitStack() as resources:
            yield await stack.started(resources)


class _Stack:
    def __init__(self, settings: Settings, *, tell: Tell) -> None:
        self._settings = settings
        self._tell = tell
        self._ready_path = settings.data_dir / "ready.json"
        self._running: RunningStack | None = None
        self._postgres: PostgresServer | None = None
        self._fleet = Fleet(
            settings.data_dir / "logs",
            restart=settings.restart,
            tell=tell,
            pid_changed=self._write_ready,
            first_to_stop=("envoy",),
        )

    async def started(self, resources: AsyncExitStack) -> RunningStack:
        self._ready_path.unlink(missing_ok=True)
        plan = await self._planned(resources)
        await self._start_postgres(plan, resources)
        resources.push_async_callback(self._fleet.stop)
        await self._start_fleet(plan)
        await seed(plan)
        self._running = RunningStack(plan, pids=self._pids)
        self._write_ready()
        resources.callback(self._ready_path.unlink, missing_ok=True)
        return self._running

    async def _planned(self, resources: AsyncExitStack) -> Plan:
        data_dir = self._settings.data_dir
        ports = Ports.choose(self._settings)
        secrets = _secrets(data_dir)
        traces_port = None
        if not self._settings.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT"):
            traces_port = await resources.enter_async_context(collecting(data_dir / "traces.jsonl"))
        postgres = PostgresServer(
            data_dir / "postgres",
            password=secrets.ensure(database_password(SUPERUSER)),
            log_path=self._fleet.log_path("postgres"),
        )
        return Plan(self._settings, ports, secrets, postgres, traces_port)

    async def _start_postgres(self, plan: Plan, resources: AsyncExitStack) -> None:
        begun = time.monotonic()
        self._postgres = plan.postgres
        resources.callback(plan.postgres.stop)
        # Blocks: the main thread must start it, and nothing else can run before it.
        plan.postgres.start()
        watching = asyncio.create_task(self._watch_postgres(plan.postgres), name="watch postgres")
        resources.push_async_callback(_end, watching)
        plan.postgres.psql(ROLES_SQL.read_text(encoding="utf-8"))
        passwords = {role: plan.secrets.ensure(database_password(role)) for role in ROLES}
        plan.postgres.psql(
            "".join(f"ALTER ROLE {role} PASSWORD '{text}';" for role, text in passwords.items())
        )
        self._tell(f"  {'postgres':<12} ready after {time.monotonic() - begun:.1f} s")

    async def _watch_postgres(self, postgres: PostgresServer) -> None:
        while True:
            await asyncio.sleep(POSTGRES_POLL_SECONDS)
            code = postgres.exit_code
            if code is None:
                continue
            self._tell(f"postgres {described(code)}" + ("; restarting" if self._settings.restart else ""))
            if not self._settings.restart:
                return
            try:
                postgres.start()
            except StackError as error:
                self._tell(str(error))
                await asyncio.sleep(POSTGRES_RESTART_SECONDS)
            self._write_ready()

    async def _start_fleet(self, plan: Plan) -> None:
        await asyncio.gather(*(self._migrate(plan, service) for service in SERVICES))
        services = [_service(plan, name) for name in SERVICES]
        await self._fleet.start(_sandbox(plan), *services, _envoy(plan))
        if not await until(http_ok(f"{plan.public_url}/health"), within_seconds=HEALTH_SECONDS_MAX):
            raise StackError(
                f"{plan.public_url}/health is not healthy; see {self._fleet.log_path('gateway')}"
            )

    async def _migrate(self, plan: Plan, service: str) -> None:
        command = [*plan.service_command(service), "migrate"]
        environ = plan.migration_environ(service)
        await run_once(command, environ=environ, log_path=self._fleet.log_path(service))

    def _pids(self) -> Mapping[str, int]:
        return {**self._fleet.pids, "postgres": self._postgres.pid if self._postgres else 0}

    def _write_ready(self) -> None:
        if self._running is not None:
            write_privately(self._ready_path, json.dumps(dict(self._running), indent=2) + "\n")


def _service(plan: Plan, name: str) -> Program:
    return Program(
        name=name,
        command=plan.service_command(name),
        environ=plan.service_environ(name),
        healthy=grpc_serving(plan.ports.address(name)),
    )


def _sandbox(plan: Plan) -> Program:
    return Program(
        name="sandbox",
        command=[sys.executable, "-m", "deploy.sandbox"],
        environ=plan.sandbox_environ(),
        healthy=http_ok(f"{plan.sandbox_url}/sandbox/health"),
    )


def _envoy(plan: Plan) -> Program:
    config = plan.settings.data_dir / "envoy.yaml"
    config.write_text(render(plan.front_door()), encoding="utf-8")
    # One process on one machine: no hot restarts, and their shared memory is not needed. One worker, because
    # on few processors shared with all the services a second one takes more than it gives.
    options = ["--disable-hot-restart", "--concurrency", "1", "--log-level", "warning"]
    return Program(
        name="envoy",
        command=[str(binary()), "--config-path", str(config), *options],
        environ={"PATH": os.defpath},
        healthy=http_ok(f"{plan.public_url}/livez"),
    )


def _secrets(data_dir: Path) -> SecretStore:
    path = data_dir / "secrets.json"
    if (data_dir / "postgres" / "PG_VERSION").exists() and not path.exists():
        raise StackError(
            f"{path} is gone, and with it the passwords of the database in {data_dir / 'postgres'}; "
            "bring it back, or remove that folder too to begin anew (its data will be lost)"
        )
    return SecretStore(path)


@contextmanager
def _locked(data_dir: Path) -> Iterator[None]:
    """One stack per folder of data."""
    data_dir.mkdir(parents=True, exist_ok=True)
    with (data_dir / "stack.lock").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            owner = file.read().strip()
            raise StackError(
                f"another stack (pid {owner}) is running on {data_dir}; stop it, or set CALLPLANE_DATA_DIR"
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
