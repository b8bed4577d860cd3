"""How the local stack starts and ends a process: own process group, tied to its parent, as the right user."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

TETHER = Path(__file__).with_name("tether.py")
FALLBACK_USER = "nobody"
CAP_DAC_OVERRIDE = 1
CAP_DAC_READ_SEARCH = 2


class StackError(Exception):
    """Something on this machine keeps the local stack from starting; the message is meant for its user."""


@dataclass(frozen=True, slots=True)
class Account:
    """Who a child runs as: `user` None means ourselves; `capability` is the one right of root it keeps."""

    user: str | None = None
    capability: int | None = None


def tethered(
    command: list[str], *, account: Account | None = None, death_signal: int = signal.SIGKILL
) -> list[str]:
    """`command`, wrapped so that the process gets `death_signal` when ours ends.

    Linux sends it when the *thread* that started the child ends: start children from the main thread only.
    """
    account = account or Account()
    program = shutil.which(command[0]) or command[0]
    who = [account.user or "-", "-" if account.capability is None else str(account.capability)]
    wrapper = [sys.executable, "-I", "-S", str(TETHER), str(os.getpid()), str(int(death_signal)), *who]
    return [*wrapper, program, *command[1:]]


def unprivileged_account(probe: list[str], *, folder: Path) -> Account:
    """The account for a program that refuses to run as root: ourselves, or $SUDO_USER, or `nobody`.

    It must be able to run `probe` and to reach `folder`. A checkout in a private place (a 0700 home,
    `mktemp -d`) is closed to that account; then it keeps the one right of root that opens the way, if we
    have it to give.
    """
    if os.geteuid() != 0:
        return Account()
    user = os.environ.get("SUDO_USER") or FALLBACK_USER
    user = FALLBACK_USER if user == "root" else user
    closed = closed_directory(folder, user=user)
    permitted = _permitted_capabilities()
    rights = [number for number in (CAP_DAC_READ_SEARCH, CAP_DAC_OVERRIDE) if permitted >> number & 1]
    candidates = [Account(user, number) for number in rights]
    if closed is None:
        candidates.insert(0, Account(user))
    for account in candidates:
        if _succeeds(tethered(probe, account=account)):
            return account
    closed = closed or closed_directory(Path(probe[0]), user=user)
    raise StackError(
        f"PostgreSQL refuses to run as root, and the user {user!r} it would run as may not enter {closed}; "
        f"run as a plain user, or `chmod o+x {closed}`, or use a checkout elsewhere"
    )


def _succeeds(command: list[str]) -> bool:
    return subprocess.run(command, capture_output=True, cwd="/", check=False, timeout=10).returncode == 0


def closed_directory(path: Path, *, user: str) -> Path | None:
    """The topmost directory on the way to `path` that `user` may not enter, if there is one."""
    account = pwd.getpwnam(user)
    for folder in reversed(path.resolve().parents):
        if folder.exists() and not _may_enter(folder.stat(), account):
            return folder
    return None


def _may_enter(status: os.stat_result, account: pwd.struct_passwd) -> bool:
    if status.st_uid == account.pw_uid:
        return bool(status.st_mode & stat.S_IXUSR)
    if status.st_gid == account.pw_gid:
        return bool(status.st_mode & stat.S_IXGRP)
    return bool(status.st_mode & stat.S_IXOTH)


def _permitted_capabilities() -> int:
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1], 16) for line in lines if line.startswith("CapPrm:")), 0)


def end(process: subprocess.Popen[bytes], *signals: tuple[int, float]) -> None:
    """Sends each signal in turn to the whole group, waiting its seconds; the last resort is SIGKILL."""
    for number, seconds in (*signals, (signal.SIGKILL, 5.0)):
        if process.poll() is not None:
            return
        try:
            os.killpg(process.pid, number)
            process.wait(timeout=seconds)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            continue
