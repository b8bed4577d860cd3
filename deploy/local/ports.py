"""Where the processes of the local stack listen."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator

from deploy.local.child import StackError

# Below the range from which systems take ports for outgoing connections: while a service restarts, no
# connection of a neighbor may take its place.
FREE_PORTS = range(20_000, 32_000)
# How many each process has to itself before it comes to those of another one.
_SHARE = 64
_given: set[int] = set()


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on and that was not given to another caller in this process."""
    for port in _ports():
        if port not in _given and is_free(port):
            _given.add(port)
            return port
    raise StackError("no free port on 127.0.0.1")


def _ports() -> Iterator[int]:
    """All of them, from another place in each process: between the look at a port and the server that takes
    it, stacks that start at the same time must not choose the same one."""
    first = os.getpid() * _SHARE % len(FREE_PORTS)
    yield from FREE_PORTS[first:]
    yield from FREE_PORTS[:first]


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As servers do: connections of an earlier server that are still closing do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def chosen_port(port: int, *, variable: str) -> int:
    """`port` if nobody has it, a free one for 0."""
    if port == 0:
        return free_port()
    if not is_free(port):
        raise StackError(f"port {port} is taken; set {variable} to another one (0 picks a free one)")
    return port
