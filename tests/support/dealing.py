"""Who runs which tests when a run has several processes, and in which order.

A file is dealt out as a whole, so that each of its module's fixtures is made once. All files that share the
stack are dealt out as one, so that there is one of it. `xdist_group` is not used: since pytest 9.2 a worker's
change of a node id is not seen, and every test is dealt out alone without a word.
"""

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

_E2E = "tests/e2e/"
# They start stacks of their own, to break them.
_OWN_STACKS = ("dial_kill_points", "dial_storm", "kill_points", "lost_webhooks")
_STACK = "stack"
# What takes longest begins first, so that no process is left alone with it at the end.
_FIRST = (
    _STACK,
    f"{_E2E}test_dial_kill_points.py",
    "tests/integration/local/test_stack.py",
    _E2E,
    "tests/integration/",
    "tests/contract/",
)


def hand_of(node_id: str) -> str:
    """The name of what a test is dealt out with."""
    file = node_id.partition("::")[0]
    own = any(file == f"{_E2E}test_{name}.py" for name in _OWN_STACKS)
    return _STACK if file.startswith(_E2E) and not own else file


def turn_of(node_id: str) -> int:
    hand = hand_of(node_id)
    return next((turn for turn, first in enumerate(_FIRST) if hand.startswith(first)), len(_FIRST))


class ByHand(LoadScopeScheduling):  # type: ignore[misc]  # untyped
    def __init__(self, config: pytest.Config, log: Producer | None = None) -> None:
        config.option.loadscopereorder = False
        super().__init__(config, log)

    def _split_scope(self, nodeid: str) -> str:
        return hand_of(nodeid)
