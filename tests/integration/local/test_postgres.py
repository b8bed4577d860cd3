"""PostgreSQL from the wheel, as the local stack and the tests start it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from deploy.local.child import CAP_DAC_READ_SEARCH, Account, StackError, closed_directory, tethered
from deploy.local.postgres import SUPERUSER, PostgresServer


@pytest.fixture
def server(tmp_path: Path) -> Iterator[PostgresServer]:
    server = PostgresServer(tmp_path / "data", durable=False)
    server.start()
    yield server
    server.stop()


async def test_it_is_postgresql_18_on_loopback_with_core_functions_only(server: PostgresServer) -> None:
    connection = await asyncpg.connect(server.dsn(SUPERUSER))
    try:
        row = await connection.fetchrow(
            "SELECT current_setting('server_version_num')::int / 10000, current_setting('listen_addresses'),"
            " current_setting('max_connections'), uuidv7() IS NOT NULL, current_database()"
        )
    finally:
        await connection.close()

    assert (18, "127.0.0.1", "200", True, "callplane") == tuple(row or ())


def test_it_starts_again_on_the_same_data_after_kill_9(server: PostgresServer) -> None:
    server.psql("CREATE TABLE kept AS SELECT 42 AS answer")
    server.psql("CHECKPOINT")
    port = server.port

    os.kill(server.pid, signal.SIGKILL)
    assert server.process
    server.process.wait()
    server.start()

    assert "42" == server.psql("SELECT answer FROM kept")
    assert port == server.port


def test_a_pid_file_that_names_a_stranger_does_not_keep_it_from_starting(server: PostgresServer) -> None:
    pid_file = server.data_dir / "postmaster.pid"
    server.stop()
    pid_file.write_text(f"{os.getpid()}\n{server.data_dir}\n")

    server.start()

    assert "1" == server.psql("SELECT 1")


def test_a_password_is_required_when_there_is_one(tmp_path: Path) -> None:
    server = PostgresServer(tmp_path / "data", durable=False, password="p w/d")
    server.start()
    try:
        assert "1" == server.psql("SELECT 1")
        stranger = PostgresServer(tmp_path / "data", port=server.port, password="wrong")
        with pytest.raises(StackError, match="password authentication failed"):
            stranger.psql("SELECT 1")
    finally:
        server.stop()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs it as somebody else")
def test_it_starts_below_a_private_folder_of_root(tmp_path: Path) -> None:
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    server = PostgresServer(private / "data", durable=False)

    server.start()

    assert closed_directory(server.data_dir, user="nobody")
    assert "1" == server.psql("SELECT 1")
    assert 0 != server.data_dir.stat().st_uid
    server.stop()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs it as somebody else")
def test_the_right_kept_of_root_counts_for_access_checks_too(tmp_path: Path) -> None:
    """initdb asks access(2) for its neighbors, which looks at the user's own rights unless told otherwise."""
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    (private / "program").touch(mode=0o755)
    code = f"import os, sys; sys.exit(not os.access({str(private / 'program')!r}, os.X_OK))"
    account = Account("nobody", CAP_DAC_READ_SEARCH)

    done = subprocess.run(tethered([sys.executable, "-c", code], account=account), cwd="/", check=False)

    assert 0 == done.returncode
