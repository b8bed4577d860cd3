"""The cadence of reconciliation: which loops there are, how often they look, and that one process at a time
does."""

from collections.abc import Sequence

from libs.loops import Loop
from libs.pg import Lease, Pool
from services.calls.operations.reconciliation import Reconciliation

_LEASE_SECONDS = 10.0


def reconciler_loops(
    reconciliation: Reconciliation, pool: Pool, *, interval_seconds: float
) -> Sequence[Loop]:
    """`pool` is the worker role's. The caller runs them."""
    steps = (
        ("reconcile placements", reconciliation.settle_placements),
        ("reconcile calls", reconciliation.follow_up),
        ("reconcile lines", reconciliation.free_lines),
    )
    return [
        Loop(
            name,
            step,
            interval_seconds=interval_seconds,
            lease=Lease(pool, schema="calls", name=name, ttl_seconds=_LEASE_SECONDS),
        )
        for name, step in steps
    ]
