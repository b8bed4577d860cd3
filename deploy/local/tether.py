"""Becomes another program, tied to its parent: `tether.py PARENT_PID SIGNAL USER CAPABILITY program arg...`.

A child started through this file gets SIGNAL when its parent ends, even by `kill -9`, so nothing outlives
the stack. USER `-` keeps the current user; otherwise root's rights are dropped first, except CAPABILITY
(`-` for none). A plain script of the standard library alone: it replaces itself in a few milliseconds.
"""

import ctypes
import os
import pwd
import struct
import sys

PR_SET_PDEATHSIG = 1
PR_SET_SECUREBITS = 28
SECBIT_NO_SETUID_FIXUP = 1 << 2
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_RAISE = 2
CAPABILITY_VERSION = 0x20080522
PARENT_GONE = 75


def main(arguments: list[str]) -> None:
    parent, signal_number, user, capability, *command = arguments
    if user != "-":
        _become(user, keep=None if capability == "-" else int(capability))
    if sys.platform == "linux":
        _libc("prctl", PR_SET_PDEATHSIG, int(signal_number), 0, 0, 0)
    if os.getppid() != int(parent):
        sys.exit(PARENT_GONE)
    os.execv(command[0], command)


def _become(user: str, *, keep: int | None) -> None:
    account = pwd.getpwnam(user)
    if keep is not None:
        # Rights survive setuid, and count for access(2) as well, which otherwise looks at the user alone.
        _libc("prctl", PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP, 0, 0, 0)
    os.setgroups([])
    os.setgid(account.pw_gid)
    os.setuid(account.pw_uid)
    if keep is not None:
        _keep_capability(keep)


def _keep_capability(number: int) -> None:
    """Narrows the rights kept across setuid to this one and lets it survive exec (an ambient capability)."""
    bits = 1 << number
    header = ctypes.create_string_buffer(struct.pack("Ii", CAPABILITY_VERSION, 0))
    sets = ctypes.create_string_buffer(struct.pack("6I", bits, bits, bits, 0, 0, 0))
    _libc("capset", header, sets)
    _libc("prctl", PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, number, 0, 0)


def _libc(function: str, *arguments: object) -> None:
    library = ctypes.CDLL(None, use_errno=True)
    if getattr(library, function)(*arguments) != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{function}: {os.strerror(error)}")


if __name__ == "__main__":
    main(sys.argv[1:])
